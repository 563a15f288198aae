"""Which model a name opens: one typed table, from the prefix of the name to what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from conductor.llm.base import Model


@dataclass(frozen=True)
class ModelSettings:
    """What a model is opened with. `name` is without its prefix; relative files are looked for in `base_dir`."""

    name: str
    api_base: str | None = None
    stream: bool = False
    base_dir: Path | None = None


Factory = Callable[[ModelSettings], Model]


def _scripted(settings: ModelSettings) -> Model:
    from conductor.llm.scripted import ScriptedModel

    return ScriptedModel((settings.base_dir or Path()) / settings.name)


def _litellm(settings: ModelSettings) -> Model:
    from conductor.llm.litellm import LitellmModel

    return LitellmModel(settings.name, api_base=settings.api_base, stream=settings.stream)


MODELS: Mapping[str, Factory] = MappingProxyType({"scripted:": _scripted, "": _litellm})
"""The first prefix that fits is taken; the empty one, last, fits every name."""
