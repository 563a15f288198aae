"""Tool calls that are not quite right: repaired where that is certain, found in the text, else left to be sent back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.llm.lenient import Lenient
from conductor.llm.repair import repaired
from conductor.llm.wire import RawCall, read_calls
from conductor.messages import Completion, Message, ToolSpec
from conductor.tools.registry import builtin_tools

TOOLS = [tool.spec for tool in builtin_tools().values()]
READ = next(tool for tool in TOOLS if tool.name == "read_file").parameters
WRITE = next(tool for tool in TOOLS if tool.name == "write_file").parameters


class Says:
    """A model that always answers the same."""

    name = "says"

    def __init__(self, answer: Completion) -> None:
        self.answer = answer

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        return self.answer


def heard(text: str, **fields: Any) -> Completion:
    asked = [Message("user", "x"), Message("assistant", "", read_calls([RawCall("call_1", "x", "{}")], frozenset()))]
    return Lenient(Says(Completion(text, **fields))).complete(asked, TOOLS)


@pytest.mark.parametrize(
    ("broken", "meant", "why"),
    [
        ('{"path": "a.py",}', {"path": "a.py"}, "a comma before"),
        ('{"path": "a.py"', {"path": "a.py"}, "closing brackets were missing"),
        ('{"path": "a.py", "start_line": 3 , }', {"path": "a.py", "start_line": 3}, "a comma before"),
    ],
)
def test_what_is_certain_is_repaired(broken: str, meant: dict[str, Any], why: str) -> None:
    found = repaired(broken, READ)
    assert found
    assert found[0] == meant
    assert why in found[1]


def test_line_breaks_in_a_string_are_taken_as_they_are() -> None:
    found = repaired('{"path": "a.py", "content": "x = 1\n\ty = \\"2\\"\n"}', WRITE)
    assert found
    assert found[0]["content"] == 'x = 1\n\ty = "2"\n'


@pytest.mark.parametrize(
    "broken",
    [
        '{"path": "a.py", "content": "x = 1',  # the end of the string is lost
        '{"path": "a.py", "start_line": 1,',  # what followed the comma is lost
        '{"path": "a.py", "start_line":',
        '{"path": "say "hi" now"}',  # where the string ends is a guess
        '{"path": "a.py"}}',
        '{"path": "a.py"]',
        "{'path': 'a.py'}",
        '{"path": 3,}',  # not what the tool takes
        '{"pth": "a.py",}',
        '{"path": "a.py", "path": "b.py",}',
        '{"path": NaN,}',
        "[1,]",
        "",
        "{" * 5_000,
    ],
)
def test_what_is_not_certain_is_not(broken: str) -> None:
    assert repaired(broken, READ) is None


@settings(deadline=None)
@given(st.text("ab ,:{}[]\n", max_size=12), st.data())
def test_a_repair_never_invents_and_never_loses(content: str, data: st.DataObject) -> None:
    text = json.dumps({"path": "a.py", "content": content}).replace("\\n", data.draw(st.sampled_from(["\n", "\\n"])))
    at = data.draw(st.integers(0, len(text)))
    broken = text[:at] + data.draw(st.sampled_from(["", ",", "}", "\n"])) + text[at + data.draw(st.integers(0, 1)) :]
    found = repaired(broken, WRITE)
    if found:
        assert set(found[0]) == {"path", "content"}
        for value in found[0].values():
            assert value in broken.replace("\\n", "\n")  # a line break may be written in both ways at once


def test_a_malformed_call_is_repaired_and_says_so() -> None:
    (call,) = read_calls([RawCall("", "read_file", '{"path": "a.py",}')], frozenset())
    assert call.malformed
    (mended,) = heard("", tool_calls=(call,), finish_reason="tool_calls").tool_calls
    assert (mended.malformed, mended.arguments) == ("", {"path": "a.py"})
    assert mended.raw == '{"path": "a.py",}'
    assert "comma" in mended.repaired


@pytest.mark.parametrize(
    ("tool", "given", "meant"),
    [
        ("read_file", {"file_path": "a.py"}, {"path": "a.py"}),
        ("write_file", {"filename": "a.py", "content": "x"}, {"path": "a.py", "content": "x"}),
        ("run_shell", {"cmd": "make", "timeout_s": 9}, {"command": "make", "timeout_s": 9}),
    ],
)
def test_the_one_wrong_name_of_an_argument_is_put_right(
    tool: str, given: dict[str, Any], meant: dict[str, Any]
) -> None:
    (call,) = heard(json.dumps({"name": tool, "arguments": given})).tool_calls
    assert (call.arguments, call.malformed) == (meant, "")
    assert "stood for" in call.repaired


def test_words_of_the_schema_among_the_arguments_are_left_out() -> None:
    copied = {"required": ["path", "content"], "type": "object", "additionalProperties": False}
    (call,) = heard(json.dumps({"name": "write_file", "arguments": {"path": "a", "content": "b", **copied}})).tool_calls
    assert call.arguments == {"path": "a", "content": "b"}
    assert call.repaired == "required and type and additionalProperties of the schema left out"


@pytest.mark.parametrize(
    "given",
    [
        {"path": "a.py", "type": "file"},
        {"path": "a.py", "required": ["speed"]},
        {"path": "a.py", "required": True},
        {"type": "object"},
        {"path": "a.py", "type": "object", "lines": 3},
    ],
)
def test_what_is_not_of_the_schema_goes_back_as_it_is(given: dict[str, Any]) -> None:
    (call,) = heard(json.dumps({"name": "read_file", "arguments": given})).tool_calls
    assert (call.arguments, call.repaired) == (given, "")


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("edit_file", {"path": "a.py", "old": "x", "new": "y"}),  # two, and which is which is a guess
        ("read_file", {"path": "a.py", "file": "b.py"}),
        ("read_file", {"lines": 3}),  # not what path takes
        ("read_file", {}),
    ],
)
def test_other_names_go_back_as_they_are(tool: str, given: dict[str, Any]) -> None:
    (call,) = heard(json.dumps({"name": tool, "arguments": given})).tool_calls
    assert (call.arguments, call.repaired) == (given, "")


def test_a_cut_off_answer_is_left_alone() -> None:
    calls = read_calls([RawCall("", "read_file", '{"path": "a.py"')], frozenset(), cut_off=True)
    answer = heard("", tool_calls=calls, finish_reason="length")
    assert answer.tool_calls == calls


CALL = '{"name": "read_file", "arguments": {"path": "a.py"}}'


def test_of_a_row_of_calls_that_was_cut_off_the_whole_ones_are_taken_once() -> None:
    for between in (" ", "\n", ",\n"):
        answer = heard(f"I look.\n{between.join([CALL] * 3)}{between}{CALL[:30]}", finish_reason="length")
        assert [call.arguments for call in answer.tool_calls] == [{"path": "a.py"}]
        assert (answer.text, answer.finish_reason) == ("I look.", "tool_calls")


@pytest.mark.parametrize(
    "text", [f"{CALL} I would say and th", f"Answer with {CALL} and th", '{"name": "read_file", "argu']
)
def test_other_text_that_was_cut_off_is_text(text: str) -> None:
    assert heard(text, finish_reason="length") == Completion(text, finish_reason="length")


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{CALL}\n</tool_call>",
        f"<tool_call>{CALL}",
        f"```json\n{CALL}\n```",
        f"```\n{CALL}\n```",
        CALL,
        f"[{CALL}]",
        '```json\n{"name": "read_file", "parameters": {"path": "a.py"}}\n```',
        '<tool_call>{"function": {"name": "read_file", "arguments": "{\\"path\\": \\"a.py\\"}"}}</tool_call>',
        "<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>\n</tool_call>",
        "<function=read_file><parameter=path>a.py</parameter></function>",
        f"```python\n{CALL}\n```",
        f"```JSON\n{CALL}\n```",
        f"<tools>\n{CALL}\n</tools>",
        f"<function_call>{CALL}</function_call>",
        f"[TOOL_CALLS] [{CALL}]",
        f"<|python_tag|>{CALL}",
        '```json\n{"name": "read_file", "path": "a.py"}\n```',
        '```json\n{"tool_name": "read_file", "params": {"path": "a.py"}}\n```',
        '{"action": "read_file", "action_input": {"path": "a.py"}}',
        '```json\n{"read_file": {"path": "a.py"}}\n```',
        f'```json\n{{"tool_call": {CALL}}}\n```',
        f'{{"tool_calls": [{CALL}]}}',
    ],
)
def test_a_call_in_the_text_is_a_call(text: str) -> None:
    for before in ("", "I look first.\n"):
        answer = heard(before + text)
        (call,) = answer.tool_calls
        assert (call.tool, call.arguments, call.malformed) == ("read_file", {"path": "a.py"}, "")
        assert call.call_id == "call_2", "the conversation has a call_1"
        assert answer.finish_reason == "tool_calls"
        assert answer.text == before.strip()


WISH = '{"name": "Report.to_csv", "arguments": {"books": []}}'


@pytest.mark.parametrize(
    "text", [WISH, f"\n{WISH}\n", f"```json\n{WISH}\n```", f"<tool_call>\n{WISH}\n</tool_call>", f"<tools>{WISH}"]
)
def test_a_call_of_a_tool_that_nobody_has_is_a_call_where_it_is_all_that_is_said(text: str) -> None:
    answer = heard(text)
    (call,) = answer.tool_calls
    assert (call.tool, call.arguments, call.malformed) == ("Report.to_csv", {"books": []}, "")
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")


def test_several_calls_and_fences_inside_of_them() -> None:
    content = "# Title\n```python\nx = 1\n```\n"
    write = json.dumps({"name": "write_file", "arguments": {"path": "a.md", "content": content}})
    answer = heard(f"First this.\n```json\n{write}\n```\nThen that.\n<tool_call>{CALL}</tool_call>")
    assert [call.tool for call in answer.tool_calls] == ["write_file", "read_file"]
    assert answer.tool_calls[0].arguments["content"] == content
    assert answer.text == "First this.\n\nThen that."


def test_several_calls_in_one_block_and_what_is_said_after_a_bare_one() -> None:
    other = CALL.replace("a.py", "b.py")
    for between in ("\n", ",\n", "\n\n"):
        answer = heard(f"```json\n{CALL}{between}{other}\n```")
        assert [call.arguments["path"] for call in answer.tool_calls] == ["a.py", "b.py"]
    answer = heard(f"{CALL}\n\nThis reads the file.")
    assert (len(answer.tool_calls), answer.text) == (1, "This reads the file.")


def test_typed_parameters_of_the_xml_form() -> None:
    text = "<function=edit_file><parameter=path>a.py</parameter><parameter=old_string>\n  1\n</parameter>"
    text += "<parameter=new_string>2</parameter><parameter=replace_all>True</parameter></function>"
    (call,) = heard(text).tool_calls
    assert call.arguments == {"path": "a.py", "old_string": "  1", "new_string": "2", "replace_all": True}


@pytest.mark.parametrize(
    "text",
    [
        "It is done.",
        'The configuration is {"name": "x", "arguments": {}} now.',
        '```json\n{"name": "demo", "version": 1}\n```',
        '```python\nprint({"name": "read_file"})\n```',
        "```json\n[1, 2]\n```",
        '```json\n{"name": "read_file", "version": 1}\n```',
        f"```json\n[{CALL}, 1]\n```",
        f"Answer with {CALL} to read it.",
        f"- {CALL} reads it",
        f"{CALL} would read it.",
        "I used <tool_call> before.",
        f"This is it:\n{WISH}",
        f"{WISH}\nis what I would call.",
        '{"name": "x", "arguments": 3}',
        '{"name": "two words", "arguments": {}}',
        '{"name": "x", "arguments": {}',
        '{"name": "x", "arguments": {}} {"name": "y", "arguments": {}}',
        '{"arguments": {}}',
        "{" * 3_000,
    ],
)
def test_other_text_is_text(text: str) -> None:
    answer = heard(text)
    assert (answer.text, answer.tool_calls) == (text, ())


def test_a_broken_call_in_tags_is_repaired_or_comes_back_with_the_position() -> None:
    (call,) = heard('<tool_call>\n{"name": "read_file", "arguments": {"path": "a.py",}}\n</tool_call>').tool_calls
    assert call.arguments == {"path": "a.py"}
    (call,) = heard('<tool_call>\n{"name": "read_file", "arguments": {"path": a.py}}\n</tool_call>').tool_calls
    assert "line 1, column 10" in call.malformed


@settings(deadline=None)
@given(st.text(alphabet='{}[]"`\n:,<>/=abtool_cname ', max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    heard(text)
