from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import InvalidFile, ModelError, UsageError
from conductor.llm.scripted import ScriptedModel
from conductor.messages import Message


def write(path: Path, *conversations: Any, **more: Any) -> Path:
    path.write_text(json.dumps({"schema": 1, "conversations": conversations, **more}), encoding="utf-8")
    return path


def turn(text: str) -> dict[str, Any]:
    return {"text": text}


def test_the_first_conversation_that_matches_is_played(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.json",
        {"match": "apples", "turns": [turn("a1"), turn("a2")]},
        {"match": "", "turns": [turn("other")]},
    )
    model = ScriptedModel(path)
    apples = [Message("system", "pears"), Message("user", "buy apples")]
    assert model.complete(apples, []).text == "a1"
    assert model.complete([*apples, Message("assistant", "a1"), Message("user", "pears")], []).text == "a2"
    assert model.complete([Message("user", "buy pears"), Message("user", "apples")], []).text == "other"


def test_ids_come_from_turn_and_place(tmp_path: Path) -> None:
    calls = [{"tool": "a"}, {"tool": "b", "arguments": {"k": 1}}]
    path = write(tmp_path / "s.json", {"turns": [{"tool_calls": calls}, {"tool_calls": calls}]})
    model = ScriptedModel(path)
    first = model.complete([Message("user", "x")], [])
    second = model.complete([Message("user", "x"), Message("assistant", "", first.tool_calls)], [])
    assert [call.call_id for call in (*first.tool_calls, *second.tool_calls)] == [
        "call_1_1",
        "call_1_2",
        "call_2_1",
        "call_2_2",
    ]
    assert (first.tool_calls[1].arguments, first.finish_reason) == ({"k": 1}, "tool_calls")


def test_usage_is_estimated_where_it_is_not_given(tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", {"turns": [{"text": "x" * 40, "usage": {"output_tokens": 3}}, turn("y" * 40)]})
    model = ScriptedModel(path)
    asked = [Message("system", "s" * 100), Message("user", "u" * 300)]
    assert model.complete(asked, []).usage.input_tokens == 100
    assert model.complete(asked, []).usage.output_tokens == 3
    assert model.complete([*asked, Message("assistant", "")], []).usage.output_tokens == 10


def test_out_of_turns_names_file_and_conversation(tmp_path: Path) -> None:
    model = ScriptedModel(write(tmp_path / "s.json", {"match": "apples", "turns": []}))
    with pytest.raises(ModelError, match=r's\.json: conversation "apples" ends after 0 turns'):
        model.complete([Message("user", "apples")], [])
    with pytest.raises(ModelError, match=r"s\.json matches"):
        model.complete([Message("user", "pears")], [])


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.json",
        {"matches": "typo", "turns": [{"text": 1, "usage": {"input_tokens": -1}}, "no table"]},
        {"turns": [{"tool_calls": [{"arguments": []}, {"tool": "t", "arguments": {}, "raw": "x"}]}]},
        {},
        extra=True,
        schema=2,
    )
    with pytest.raises(InvalidFile) as caught:
        ScriptedModel(path)
    assert {problem.key for problem in caught.value.problems} == {
        "schema",
        "extra",
        "conversations[0].matches",
        "conversations[0].turns[0].text",
        "conversations[0].turns[0].usage.input_tokens",
        "conversations[0].turns[1]",
        "conversations[1].turns[0].tool_calls[0].tool",
        "conversations[1].turns[0].tool_calls[0].arguments",
        "conversations[1].turns[0].tool_calls[1]",
        "conversations[2].turns",
    }
    assert all(problem.file == str(path) for problem in caught.value.problems)


@pytest.mark.parametrize(("text", "line"), [("{\n\n oops", 3), ("[" * 100_000, 0), ("[]", 0)])
def test_what_is_no_script_at_all(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(InvalidFile) as caught:
        ScriptedModel(path)
    assert caught.value.problems[0].line == line


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json"):
        ScriptedModel(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"schema": "\xff"}')
    with pytest.raises(UsageError, match=r"latin\.json"):
        ScriptedModel(tmp_path / "latin.json")
