"""The one door to every model: from a name in the configuration to a model that survives bad weather."""

from __future__ import annotations

from pathlib import Path

from conductor.errors import UsageError
from conductor.llm.base import Model
from conductor.llm.keys import ProviderKey, openai_base, provider_key
from conductor.llm.registry import MODELS, ModelSettings
from conductor.llm.retry import OnRetry, Retrying

__all__ = ["OnRetry", "ProviderKey", "open_model", "openai_base", "provider_key"]


def open_model(
    name: str,
    *,
    api_base: str | None = None,
    stream: bool = False,
    base_dir: Path | None = None,
    on_retry: OnRetry | None = None,
) -> Model:
    """Return the model called `name`: "scripted:FILE.json" (FILE relative to `base_dir`) or any litellm name.

    Uses no network and loads no provider. `on_retry(attempt, wait_s, error)` is told before each repeated request.
    Raises `UsageError` for a name that cannot be one and for a script that cannot be read.
    """
    if not name.strip() or name != name.strip() or name.endswith((":", "/")):
        raise UsageError(f'"{name}" is no model name', hint='Write provider/model, such as "openai/gpt-5-mini".')
    prefix, factory = next((prefix, factory) for prefix, factory in MODELS.items() if name.startswith(prefix))
    model = factory(ModelSettings(name.removeprefix(prefix), api_base, stream, base_dir))
    return Retrying(model, on_retry=on_retry) if on_retry else Retrying(model)
