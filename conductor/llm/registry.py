"""Which model a name opens: one typed table of what makes models, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from conductor.llm.base import Model, OnText
from conductor.llm.keys import is_openai_name, openai_base

Adapter = Literal["direct", "litellm"]
Kind = Literal["scripted", "direct", "litellm"]
SCRIPTED = "scripted:"


class ModelSettings(Struct, frozen=True):
    """What a model is opened with; a script is looked for in `base_dir`, `on_text` hears of text as it arrives."""

    name: str
    api_base: str | None = None
    stream: bool = False
    base_dir: Path | None = None
    timeout_s: float = 600.0
    max_output_tokens: int | None = None
    on_text: OnText | None = None


Factory = Callable[[ModelSettings], Model]


def _scripted(settings: ModelSettings) -> Model:
    from conductor.llm.scripted import ScriptedModel

    return ScriptedModel((settings.base_dir or Path()) / settings.name.removeprefix(SCRIPTED))


def _direct(settings: ModelSettings) -> Model:
    from conductor.llm.openai import OpenAIModel

    return OpenAIModel(
        settings.name,
        api_base=settings.api_base,
        stream=settings.stream,
        timeout_s=settings.timeout_s,
        max_output_tokens=settings.max_output_tokens,
        on_text=settings.on_text,
    )


def _litellm(settings: ModelSettings) -> Model:
    from conductor.llm.litellm import LitellmModel

    return LitellmModel(
        settings.name,
        api_base=settings.api_base,
        stream=settings.stream,
        timeout_s=settings.timeout_s,
        max_output_tokens=settings.max_output_tokens,
        on_text=settings.on_text,
    )


MODELS: Mapping[Kind, Factory] = MappingProxyType({"scripted": _scripted, "direct": _direct, "litellm": _litellm})


def kind_of(name: str, api_base: str | None = None, adapter: Adapter = "direct") -> Kind:
    """Return what makes the model called `name`.

    The direct adapter asks OpenAI and, given an `api_base`, every name that begins with no other provider; models that
    are asked over OpenAI's responses API, and everything where `adapter` says so, are litellm's.
    """
    if name.startswith(SCRIPTED):
        return "scripted"
    if adapter == "litellm" or not is_openai_name(name, at_own_server=bool(api_base)):
        return "litellm"
    from conductor.llm.prices import needs_responses

    return "litellm" if needs_responses(name.removeprefix("openai/"), openai_base(api_base)) else "direct"
