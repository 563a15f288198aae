"""Any model that litellm reaches. litellm takes seconds to load, so it is loaded by the first request and nowhere else.

https://docs.litellm.ai/docs/completion/input (1.105.0)
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec import Struct

from conductor.errors import UsageError
from conductor.llm.answer import Answer, GrowingCalls, GrowingText, completion_of
from conductor.llm.base import OnText
from conductor.llm.failures import Endpoint, explain, missing_key
from conductor.llm.keys import openai_base, provider_key
from conductor.llm.wire import RawCall, WireConversation, tools_to_wire
from conductor.messages import Completion, Message, ToolSpec

_CONNECT_TIMEOUT_S = 15.0
_NO_KEY = "none"  # what a server without keys is sent: the SDK insists on one
# Claude keeps of a prompt what it is told to: up to the system prompt, the same for all tickets, and up to the last
# message, which the next request has too (https://docs.litellm.ai/docs/tutorials/prompt_caching).
_KEPT = ({"location": "message", "role": "system"}, {"location": "message", "index": -1})
_KEEP_WHEN_TOLD = frozenset({"anthropic", "azure_ai", "bedrock", "openrouter", "vertex_ai"})


class _Target(Struct, frozen=True):
    """The loaded library, and whom and how it is to ask."""

    litellm: Any
    model: str
    provider: str
    options: dict[str, Any]

    @property
    def keeps_when_told(self) -> bool:
        """Say whether the provider caches of a prompt only what it is told to."""
        return self.provider in _KEEP_WHEN_TOLD and "claude" in self.model


class LitellmModel:
    """A model by its litellm name, `provider/model`. Without `api_key` the provider's own variable is used."""

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
        self._api_key = api_key
        self._stream = stream
        self._most = max_output_tokens
        self._on_text = on_text
        self._timeout_s = timeout_s
        self._key = provider_key(name)
        self._base = openai_base(api_base) if self._key.provider == "openai" else api_base or ""
        if self._base and not self._base.startswith(("http://", "https://")):
            raise UsageError(f'"{self._base}" is no address', hint="api_base must begin with http:// or https://.")
        self._endpoint = Endpoint.of(name, self._base)
        self._conversation = WireConversation()
        self._target: _Target | None = None

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        """Ask the model once. As `Model.complete`; what may be gone at the next try is a `TransientModelError`."""
        if self._key.variable and not (self._key.is_set or self._api_key or self._base):
            raise missing_key(self._endpoint)
        self._target = self._target or self._resolve()
        wire, taken = self._conversation.convert(messages)
        request = self._target.options | {"messages": wire}
        if tools:
            request["tools"] = tools_to_wire(tools)
        if tools and self._target.keeps_when_told:
            request["cache_control_injection_points"] = list(_KEPT)  # without tools nobody asks a second time
        try:
            response = self._target.litellm.completion(**request)
            answer = _gathered(response, self._on_text) if self._stream else _whole(response)
        except Exception as error:
            raise explain(error, self._endpoint) from error
        price = partial(_price, self._target, newly_cached=answer.newly_cached_tokens)
        return completion_of(answer, messages, taken, self._endpoint, price)

    def _resolve(self) -> _Target:
        litellm = _load()
        try:
            model, provider, _, _ = litellm.get_llm_provider(self.name, api_base=self._base or None)
        except litellm.BadRequestError:
            if not self._base:
                raise UsageError(
                    f'"{self.name}" names no provider that is known',
                    hint='Write provider/model, such as "openai/gpt-5-mini"; for a server of your own set api_base.',
                ) from None
            # A server of one's own may call its models anything, also "Org/Model".
            model, provider = self.name, "openai"
        options: dict[str, Any] = {
            "model": f"openai/{model}" if provider == "openai" else self.name,
            "timeout": self._timeout_s,
            "num_retries": 0,
            "max_retries": 0,
        }
        if self._stream:
            options |= {"stream": True, "stream_options": {"include_usage": True}}
        if self._most:
            options["max_completion_tokens" if provider == "openai" and not self._base else "max_tokens"] = self._most
        if provider == "openai":
            key = self._api_key or os.environ.get("OPENAI_API_KEY") or (_NO_KEY if self._base else "")
            client = _openai_client(key, self._base, self._timeout_s)
            options |= {"api_key": key, "client": client, "timeout": client.timeout}
        elif self._api_key:
            options["api_key"] = self._api_key
        if self._base:
            options["api_base"] = self._base
        return _Target(litellm, model, provider, options)


def _whole(response: Any) -> Answer:
    """Read an answer that came in one piece.

    All choices are read: one is asked for, but litellm makes one of each output item of OpenAI's responses API.
    """
    answer = Answer()
    for choice in response.choices:
        answer.text += choice.message.content or ""
        for call in choice.message.tool_calls or ():
            answer.calls.append(RawCall(call.id or "", call.function.name or "", call.function.arguments))
        answer.finish_reason = choice.finish_reason or answer.finish_reason
    _count(answer, getattr(response, "usage", None))
    return answer


def _gathered(stream: Any, on_text: OnText | None) -> Answer:
    """Read a stream to its end.

    litellm ends every stream with a chunk that says "stop", also one that was cut. The finish reason the server sent is
    kept on the stream object, and so are the chunks as received, the server's own usage among them.
    """
    text, calls = GrowingText(on_text), GrowingCalls()
    for chunk in stream:
        for choice in chunk.choices:
            if piece := choice.delta.content or "":
                text.add(piece)
            for delta in choice.delta.tool_calls or ():
                called = delta.function
                name, arguments = (called.name, called.arguments) if called else ("", None)
                calls.add(delta.index or 0, delta.id or "", name or "", arguments)
        if text.lap or calls.lap:
            return Answer(text.whole(), calls.whole(), "length")
    reason = stream.received_finish_reason or stream.intermittent_finish_reason or ""
    answer = Answer(text.whole(), calls.whole(), reason)
    _count(answer, next((chunk.usage for chunk in reversed(stream.chunks) if getattr(chunk, "usage", None)), None))
    return answer


def _count(answer: Answer, counted: Any) -> None:
    answer.input_tokens = int(getattr(counted, "prompt_tokens", 0) or 0)
    answer.output_tokens = int(getattr(counted, "completion_tokens", 0) or 0)
    details = getattr(counted, "prompt_tokens_details", None)
    answer.cached_tokens = int(getattr(details, "cached_tokens", 0) or 0)
    answer.newly_cached_tokens = int(getattr(counted, "cache_creation_input_tokens", 0) or 0)


def _price(target: _Target, read: int, written: int, cached: int, *, newly_cached: int) -> float:
    """Return dollars by litellm's list, 0 for a model that is not in it."""
    try:
        paid = target.litellm.cost_per_token(
            model=target.model,
            custom_llm_provider=target.provider,
            prompt_tokens=read,
            completion_tokens=written,
            cache_read_input_tokens=cached,
            cache_creation_input_tokens=newly_cached,
        )
    except Exception:  # litellm raises a bare Exception for a model that is not in its list
        return 0.0
    return float(sum(paid))


def _openai_client(key: str, base: str, timeout_s: float) -> Any:
    """Return an OpenAI client that sends messages and tools as they are.

    The SDK checks each field of each message against its type hints before it sends them: 335 ms for 2,000 messages.
    What is given as `extra_body` is joined to the request after that.
    """
    import httpx
    import openai
    from openai.resources.chat.completions import Completions

    class Unchecked(Completions):
        def create(self, **request: Any) -> Any:
            body = {name: request.pop(name) for name in ("messages", "tools") if name in request}
            body |= request.pop("extra_body", None) or {}
            send: Any = super().create
            return send(messages=(), extra_body=body, **request)

    client: Any = openai.OpenAI(
        api_key=key,
        base_url=base or None,
        organization=os.environ.get("OPENAI_ORGANIZATION"),
        timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S),
        max_retries=0,
    )
    client.chat.completions = Unchecked(client)
    return client


def _load() -> Any:
    """Import litellm: price list from the package, no download, no telemetry, not a word on the terminal.

    Nor is there a thread that gathers, after each answer, what no callback is there to be told.
    """
    with _environment(
        LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_MODE="PRODUCTION", LOGGING_EXECUTOR_MAX_PENDING_TASKS="0"
    ):
        import litellm

    module: Any = litellm
    module.disable_hf_tokenizer_download = True
    module.disable_token_counter = True
    module.suppress_debug_info = True
    module.telemetry = False
    module.turn_off_message_logging = True
    module.disable_streaming_logging = True
    module.drop_params = True  # what a provider does not know of (stream_options) is left out, not refused
    warnings.filterwarnings("ignore", module=r"(litellm|openai|pydantic)(\.|$)")
    if not os.environ.get("LITELLM_LOG"):
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return module


@contextmanager
def _environment(**variables: str) -> Generator[None]:
    """Set environment variables for a while; the commands that workers run shall not inherit them."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
