"""The one door to every model: from a name in the configuration to a model that survives bad weather."""

from __future__ import annotations

from pathlib import Path

from conductor.errors import UsageError
from conductor.llm.base import Model
from conductor.llm.keys import ProviderKey, openai_base, provider_key
from conductor.llm.registry import MODELS, Adapter, ModelSettings, kind_of
from conductor.llm.retry import OnRetry, Retrying

__all__ = ["OnRetry", "ProviderKey", "open_model", "openai_base", "provider_key"]


def open_model(
    name: str,
    *,
    api_base: str | None = None,
    stream: bool = False,
    adapter: Adapter = "direct",
    base_dir: Path | None = None,
    on_retry: OnRetry | None = None,
) -> Model:
    """Return the model called `name`: "scripted:FILE.json" (FILE relative to `base_dir`) or any litellm name.

    Uses no network and does not load litellm; with `adapter` "litellm" that asks also where the direct adapter could.
    `on_retry(attempt, wait_s, error)` is told before each repeated request.
    Raises `UsageError` for a name or an address that cannot be one and for a script that cannot be read.
    """
    if not name.strip() or name != name.strip() or name.endswith((":", "/")):
        raise UsageError(f'"{name}" is no model name', hint='Write provider/model, such as "openai/gpt-5-mini".')
    model = MODELS[kind_of(name, api_base, adapter)](ModelSettings(name, api_base, stream, base_dir))
    return Retrying(model, on_retry=on_retry) if on_retry else Retrying(model)
