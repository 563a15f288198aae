from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.llm.wire import (
    RawCall,
    WireConversation,
    conversation_size,
    message_to_wire,
    read_calls,
    storable,
    tools_to_wire,
)
from conductor.messages import Effect, Message, ToolCall, ToolSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(arguments: object, *, tool: str = "t", cut_off: bool = False) -> ToolCall:
    (call,) = read_calls([RawCall("c", tool, arguments)], frozenset(), cut_off=cut_off)
    return call


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_every_json_object_is_read_as_it_is(arguments: dict[str, object]) -> None:
    for form in (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False), arguments):
        call = read(form)
        assert (call.malformed, call.arguments) == ("", arguments)


@given(st.text() | st.text(alphabet='{}[]":,\\u0dbeftnaN19.- '))
def test_any_text_is_read_or_explained_and_can_be_stored(text: str) -> None:
    call = read(text)
    call.raw.encode()
    json.dumps(call.arguments, ensure_ascii=False, allow_nan=False).encode()
    if call.malformed:
        assert call.arguments == {} and call.raw == storable(text)
    json.loads(message_to_wire(Message("assistant", "", (call,)))["tool_calls"][0]["function"]["arguments"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,}', "line 1, column"),
        ('{"a": 1} {"b": 2}', "Extra data at line 1, column 10"),
        ("[1, 2]", "must be a JSON object, not an array"),
        ('"text"', "not a string"),
        ("null", "not null"),
        ("true", "not true"),
        ("12", "not a number"),
        ('{"a": {"b": 1, "b": 1}}', 'the key "b" more than once'),
        ('{"a": NaN}', "NaN"),
        ('{"a": [-Infinity]}', "-Infinity"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    call = read(text)
    assert problem in call.malformed
    assert (call.raw, call.arguments) == (text, {})


def test_no_arguments_are_an_empty_object() -> None:
    assert read("").arguments == read(" \n").arguments == read(None).arguments == {}
    assert not read("").malformed


def test_arguments_cut_by_the_length_limit_say_so() -> None:
    assert "length limit" in read('{"content": "half', cut_off=True).malformed
    assert read('{"content": "whole"}', cut_off=True).malformed == ""


def test_arguments_that_are_an_array_already() -> None:
    assert "not an array" in read([1]).malformed


@given(st.lists(st.sampled_from(["", "call_0", "call_1", "call_2", "call_3", "x"]), max_size=8))
def test_ids_are_unique_in_the_conversation_whatever_arrives(ids: list[str]) -> None:
    taken = frozenset({"call_1", "x"})
    calls = read_calls([RawCall(call_id, "t", "{}") for call_id in ids], taken)
    given_ids = [call.call_id for call in calls]
    assert len(set(given_ids)) == len(ids)
    assert not taken & set(given_ids)
    assert all(given_ids)
    assert not any(call.malformed for call in calls)


def test_an_id_that_is_free_is_kept() -> None:
    assert read("{}").call_id == "c"


def test_tools_and_messages_in_the_words_of_the_protocol() -> None:
    spec = ToolSpec("t", "does", {"type": "object"}, Effect.READ)
    assert tools_to_wire([spec]) == [
        {"type": "function", "function": {"name": "t", "description": "does", "parameters": {"type": "object"}}}
    ]
    call = ToolCall("c1", "t", {"k": "ä"})
    assert message_to_wire(Message("assistant", "", (call,))) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "t", "arguments": '{"k": "ä"}'}}],
    }
    assert message_to_wire(Message("tool", "out", call_id="c1")) == {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "out",
    }


def test_a_malformed_call_goes_back_in_a_form_no_provider_refuses() -> None:
    call = ToolCall("c1", "read file\n", {}, raw='{"path": ', malformed="not valid")
    function = message_to_wire(Message("assistant", "", (call,)))["tool_calls"][0]["function"]
    assert set(function["name"]) <= set(string.ascii_letters + string.digits + "_-")
    assert json.loads(function["arguments"]) == {"unreadable": '{"path": '}
    nameless = ToolCall("c1", "", {}, malformed="names no tool")
    assert message_to_wire(Message("assistant", "", (nameless,)))["tool_calls"][0]["function"]["name"]


def test_only_the_new_end_of_a_conversation_is_converted() -> None:
    conversation = WireConversation()
    messages = [Message("user", "a"), Message("assistant", "b", (ToolCall("c1", "t", {}),))]
    before, _ = conversation.convert(messages)
    after, taken = conversation.convert([*messages, Message("tool", "out", call_id="c1")])
    assert [old is new for old, new in zip(before, after, strict=False)] == [True, True]
    assert len(after) == 3 and taken == {"c1"}


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=6))
def test_a_kept_conversation_never_leaks_into_another(orders: list[list[int]]) -> None:
    pool = [Message("user", f"text {n}") for n in range(4)]
    conversation = WireConversation()
    for order in orders:
        messages = [pool[n] for n in order]
        assert conversation.convert(messages)[0] == [message_to_wire(message) for message in messages]


def test_the_size_of_a_conversation_is_that_of_its_texts_and_calls() -> None:
    call = ToolCall("c1", "read_file", {"path": "a.py", "lines": [1, 2]})
    said = [Message("user", "twelve chars"), Message("assistant", "", (call,)), Message("tool", "xyz", call_id="c1")]
    assert [message.characters for message in said] == [12, len("read_file") + len("a.py") + 4, 3]
    assert conversation_size(said) == conversation_size(list(said)) == 12 + 17 + 3
