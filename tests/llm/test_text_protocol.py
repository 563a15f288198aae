"""Tools for models without them: everything as text, roles in turn, the beginning the same from turn to turn."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conductor.errors import ModelError, TransientModelError
from conductor.llm.gateway import Gateway
from conductor.llm.lenient import Lenient
from conductor.llm.text_protocol import TextProtocol
from conductor.messages import Completion, Message, ToolCall, ToolSpec
from conductor.tools.registry import builtin_tools
from tests.openai_server import Fault, OpenAIServer, Reply, error_body

TOOLS = [builtin_tools()["read_file"].spec]
TALK = [
    Message("system", "Be careful."),
    Message("user", "# Ticket"),
    Message("assistant", "I look.", (ToolCall("c1", "read_file", {"path": "a.py"}),)),
    Message("tool", "A = 1", call_id="c1"),
    Message("user", "Not done yet."),
    Message("assistant", "", (ToolCall("c2", "read_file", {}, raw='{"pa', malformed="cut"),)),
    Message("tool", "unreadable", call_id="c2"),
]


class Hears:
    """Keeps what it was asked, and fails first with `error`, if there is one."""

    name = "hears"

    def __init__(self, error: ModelError | None = None) -> None:
        self.error = error
        self.asked: list[tuple[list[Message], list[ToolSpec]]] = []

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        self.asked.append((list(messages), list(tools)))
        if self.error and tools:
            raise self.error
        return Completion('<tool_call>{"name": "read_file", "arguments": {"path": "b.py"}}</tool_call>')


def test_everything_is_text_and_the_roles_alternate() -> None:
    inner = Hears()
    TextProtocol(inner, always=True).complete(TALK, TOOLS)
    ((asked, tools),) = inner.asked
    assert tools == []
    assert [message.role for message in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "- read_file: Read a file." in asked[0].content
    assert '{"name": "read_file", "arguments": {"path": "a.py"}}' in asked[2].content
    assert asked[3].content == "<tool_response>\nA = 1\n</tool_response>\nNot done yet."
    assert '{"pa' in asked[4].content


def test_the_beginning_stays_the_same_objects() -> None:
    inner = Hears()
    model = TextProtocol(inner, always=True)
    for length in (2, 4, 5, 7):
        model.complete(TALK[:length], TOOLS)
        model.complete(TALK[:length], TOOLS)
    whole = TextProtocol(Hears(), always=True)
    whole.complete(TALK, TOOLS)
    last = inner.asked[-1][0]
    assert last == whole._model.asked[-1][0]  # type: ignore[attr-defined]
    assert all(a is b for a, b in zip(inner.asked[2][0][:3], last[:3], strict=True))


def test_a_conversation_that_was_put_in_short_begins_anew() -> None:
    inner = Hears()
    model = TextProtocol(inner, always=True)
    model.complete(TALK, TOOLS)
    short = [TALK[0], Message("user", "# Ticket, in short"), *TALK[5:]]
    model.complete(short, TOOLS)
    assert [m.content for m in inner.asked[-1][0]][1] == "# Ticket, in short"
    assert len(inner.asked[-1][0]) == 4


@pytest.mark.parametrize(
    "said",
    [
        "registry.ollama.ai/library/gemma:2b does not support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools is not supported with this model",
    ],
)
def test_a_server_that_takes_no_tools_is_asked_in_text_from_then_on(said: str) -> None:
    inner = Hears(ModelError(said))
    model = Lenient(TextProtocol(inner, always=False))
    assert model.complete(TALK, TOOLS).tool_calls[0].arguments == {"path": "b.py"}
    model.complete(TALK, TOOLS)
    assert [bool(tools) for _, tools in inner.asked] == [True, False, False]


@pytest.mark.parametrize("error", [ModelError("the key was refused"), TransientModelError("tools not supported now")])
def test_other_errors_are_not_taken_for_that(error: ModelError) -> None:
    with pytest.raises(ModelError, match=str(error)):
        TextProtocol(Hears(error), always=False).complete(TALK, TOOLS)


def test_over_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    refusal = Fault(400, error_body("gemma:2b does not support tools", "api_error"))
    call = Reply('```json\n{"name": "read_file", "arguments": {"path": "a.py"}}\n```')

    def answer(body: dict[str, object]) -> Reply | Fault:
        return refusal if "tools" in body else call

    with OpenAIServer(answer) as server:
        model = Gateway(api_base=server.url).open("openai/gemma")
        for _ in range(2):
            assert model.complete(TALK, TOOLS).tool_calls[0].tool == "read_file"
        assert ["tools" in body for body in server.requests] == [True, False, False]
        assert [m["role"] for m in server.requests[1]["messages"]][-2:] == ["assistant", "user"]
        native = Gateway(api_base=server.url, protocol="native").open("openai/gemma")
        with pytest.raises(ModelError, match="does not support tools"):
            native.complete(TALK, TOOLS)
        text = Gateway(api_base=server.url, protocol="text").open("openai/gemma")
        text.complete(TALK, TOOLS)
        assert "tools" not in server.requests[-1]
