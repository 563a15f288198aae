"""Any server that speaks OpenAI's chat completions, asked directly: whole or as a stream, with tools.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from conductor.errors import ConductorError, ModelError, UsageError
from conductor.llm.answer import Answer, GrowingCalls, GrowingText, completion_of
from conductor.llm.base import OnText
from conductor.llm.failures import Endpoint, about, explain, key_hint, missing_key, short_message, unusable
from conductor.llm.http import HttpClient, Reply, StatusError
from conductor.llm.keys import openai_base
from conductor.llm.prices import ModelFacts, facts_of
from conductor.llm.wire import EncodedConversation, RawCall, encode, tools_to_wire
from conductor.messages import Completion, Message, ToolSpec

_OPENAI = "https://api.openai.com/v1"
Json = dict[str, Any]


class OpenAIModel:
    """A model by its name, `openai/NAME` or just `NAME`, at the server `api_base`, else where OPENAI_BASE_URL says.

    Sent is what is needed and nothing that only some models take: no temperature, and a limit of tokens only when one
    is given. `on_text` is told the text of a streamed answer as it arrives.
    """

    def __init__(
        self,
        name: str,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        stream: bool = False,
        timeout_s: float = 600.0,
        max_output_tokens: int | None = None,
        on_text: OnText | None = None,
    ) -> None:
        self.name = name
        self._model = name.removeprefix("openai/")
        self._stream = stream
        self._most = max_output_tokens
        self._on_text = on_text
        self._base = openai_base(api_base)
        self._endpoint = Endpoint.of(name, self._base)
        self._secret = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        url = f"{(self._base or _OPENAI).rstrip('/')}/chat/completions"
        try:
            self._client = HttpClient(url, _headers(self._secret, stream), read_timeout_s=timeout_s)
        except ValueError as error:
            raise UsageError(f'"{self._base}" cannot be used: {error}', hint="Correct api_base.") from error
        self._conversation = EncodedConversation()
        self._tools: tuple[list[ToolSpec], bytes] = ([], b"")
        self._facts: ModelFacts | None = None

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """Ask the model once. As `Model.complete`; what may be gone at the next try is a `TransientModelError`."""
        if not self._secret and not self._base:
            raise missing_key(self._endpoint)
        if not self._secret.isascii() or not self._secret.isprintable():
            raise ModelError(f"the key for {self.name} has characters no key has", hint=key_hint(self._endpoint))
        history, taken = self._conversation.encode(messages)
        body = b"".join((self._opening(tools), history, b"]}"))
        known = {"model": self.name}
        try:
            with self._client.post(body) as reply:
                known = about(self._endpoint, reply.headers)
                answer = self._gathered(reply.chunks) if reply.is_event_stream else self._whole(reply)
        except ConductorError as error:
            error.about |= known
            raise
        except StatusError as error:
            raise explain(_refusal(error), self._endpoint) from error
        except Exception as error:
            raise explain(error, self._endpoint) from error
        return completion_of(answer, messages, taken, self._endpoint, self._price)

    def _opening(self, tools: Sequence[ToolSpec]) -> bytes:
        """Return the body up to its messages, which stand last so that all before them stays the same."""
        encoded_for, opening = self._tools
        if not opening or encoded_for != list(tools):
            request: Json = {"model": self._model}
            if self._stream:
                request |= {"stream": True, "stream_options": {"include_usage": True}}
            if self._most:
                request[_limit_name(self._base)] = self._most
            if tools:
                request["tools"] = tools_to_wire(tools)
            opening = encode(request)[:-1] + b',"messages":['
            self._tools = (list(tools), opening)
        return opening

    def _price(self, read: int, written: int, cached: int) -> float:
        self._facts = self._facts or facts_of(self._model)
        return self._facts.price(read, written, cached)

    def _whole(self, reply: Reply) -> Answer:
        """Read an answer that came in one piece, as it may although a stream was asked for."""
        body = self._read(b"".join(reply.chunks))
        answer = Answer()
        for choice in _items(body.get("choices")):
            message = _table(choice.get("message"))
            if not message:
                raise unusable("the answer is no completion: a choice has no message", self._endpoint)
            answer.text += _content(message.get("content"))
            answer.calls += [_call(wire) for wire in _items(message.get("tool_calls"))]
            answer.finish_reason = _text(choice.get("finish_reason")) or "stop"
        _count(answer, _table(body.get("usage")))
        if self._on_text and answer.text:
            self._on_text(answer.text)
        return answer

    def _gathered(self, chunks: Iterable[bytes]) -> Answer:
        """Read a stream to its end."""
        answer, text, calls = Answer(), GrowingText(self._on_text), GrowingCalls()
        for data in events(chunks):
            if data == b"[DONE]":
                break
            body = self._read(data)
            for choice in _items(body.get("choices")):
                delta = _table(choice.get("delta"))
                if (piece := _content(delta.get("content"))) and not text.add(piece):
                    raise unusable(f"the model repeats itself: {short_message(ValueError(piece))}", self._endpoint)
                for wire in _items(delta.get("tool_calls")):
                    call = _call(wire)
                    calls.add(_number(wire.get("index")), call.call_id, call.tool, call.arguments)
                answer.finish_reason = _text(choice.get("finish_reason")) or answer.finish_reason
            if usage := _table(body.get("usage")):
                _count(answer, usage)
            if text.lap or calls.lap:
                answer.finish_reason = "length"
                break
        answer.text, answer.calls = text.whole(), calls.whole()
        return answer

    def _read(self, data: bytes) -> Json:
        """Return the JSON object in `data`. Raises `TransientModelError` for what is none and the errors in a 200."""
        try:
            body: object = json.loads(data)
        except (ValueError, RecursionError) as error:
            what = "a web page" if b"<html" in data[:1000].lower() else short_message(error)
            raise unusable(f"the answer is no completion: {what}", self._endpoint) from None
        if not isinstance(body, dict):
            raise unusable("the answer is no completion: it is no JSON object", self._endpoint)
        found = cast("Json", body)
        if found.get("error"):
            raise explain(_Refusal(found, None), self._endpoint)
        return found


class _Refusal(Exception):
    """What a server said instead of an answer, in the form that `explain` reads."""

    def __init__(self, said: object, status: int | None, response: object = None) -> None:
        super().__init__(str(said))
        details = _table(_table(said).get("error", said))
        self.message = str(details.get("message") or said)
        self.status_code = details.get("code") if status is None else status
        self.response = response


def _refusal(error: StatusError) -> _Refusal:
    response = error.response
    if response.status < 400:
        where = response.headers.get("Location", "nowhere")
        return _Refusal(f"it redirects to {where}; give that address", response.status, response)
    text = error.body.decode(errors="replace").strip()
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        said = text
    return _Refusal(said or response.reason, response.status, response)


def events(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the data of each server-sent event; one that is not closed by an empty line was cut and is left out.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    data: list[bytes] = []
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data.clear()


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines without their ends. A line may come in thousands of chunks: they are joined once."""
    begun: list[bytes] = []
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        begun.append(first)
        if more:
            yield b"".join(begun).removesuffix(b"\r")
            for line in more[:-1]:
                yield line.removesuffix(b"\r")
            begun = [more[-1]]


def _limit_name(base: str) -> str:
    """Return what a limit of output is called: OpenAI gave it another name, which servers of one's own may not know."""
    return "max_completion_tokens" if not base or "openai.com" in base else "max_tokens"


def _headers(secret: str, stream: bool) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "conductor"}
    headers["Accept"] = "text/event-stream" if stream else "application/json"
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    organization = os.environ.get("OPENAI_ORGANIZATION") or os.environ.get("OPENAI_ORG_ID")
    named = {"OpenAI-Organization": organization, "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID")}
    return headers | {name: value for name, value in named.items() if value}


# What arrives may have any shape: a value of the wrong kind counts as none.


def _table(value: object) -> Json:
    return cast("Json", value) if isinstance(value, dict) else {}


def _items(value: object) -> list[Json]:
    return [_table(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _content(value: object) -> str:
    """Return a message's text; some servers send it in parts, with the model's thoughts among them."""
    return _text(value) or "".join(_text(part.get("text")) for part in _items(value))


def _call(wire: Json) -> RawCall:
    function = _table(wire.get("function"))
    return RawCall(_text(wire.get("id")), _text(function.get("name")), function.get("arguments"))


def _count(answer: Answer, usage: Json) -> None:
    details = _table(usage.get("prompt_tokens_details"))
    answer.input_tokens = _number(usage.get("prompt_tokens"))
    answer.output_tokens = _number(usage.get("completion_tokens"))
    answer.cached_tokens = min(_number(details.get("cached_tokens")), answer.input_tokens)
