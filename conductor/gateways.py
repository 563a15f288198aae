"""What a plan's settings say of models: how they are asked, how large their windows are, and what they may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec import Struct

from conductor.budgets import Budget, Budgets
from conductor.config import Config
from conductor.context import Compressor
from conductor.llm.budget import Allow
from conductor.llm.completions import default_folder as completions_folder
from conductor.llm.findings import Ability, findings, keep_refused, refused_windows
from conductor.llm.gateway import CachePolicy, CompletionStore, Gateway, OnRetry, OnText
from conductor.llm.keys import openai_base
from conductor.llm.windows import Window, Windows
from conductor.plan import Plan
from conductor.qa.inspector import Inspector
from conductor.settings import NO_MODEL, LimitConfig, ModelsConfig


class Ears(Struct, frozen=True):
    """Who is told of what is not in the journal."""

    on_retry: OnRetry | None
    on_notice: Callable[[str], None] | None
    on_text: OnText | None


def windows_of(plan: Plan) -> Windows:
    """Return what is known of the windows of models."""
    models = plan.config.models
    probed = {name: found.window for name, found in _found(models).items() if found.window}
    refused = refused_windows(_address(models))
    found = {name: Window(tokens, "measured by conductor doctor --probe") for name, tokens in probed.items()}
    found |= {name: Window(tokens, "named by its server, in a refusal") for name, tokens in refused.items()}
    return Windows(models.windows, models.context_window, found)


def keep_window(models: ModelsConfig, model: str, window: int) -> None:
    """Keep the window that a server named for later runs, where that can be written."""
    with suppress(OSError):  # it is learnt again then
        keep_refused(_address(models), model, window)


def _found(models: ModelsConfig) -> Mapping[str, Ability]:
    return findings(_address(models))


def _address(models: ModelsConfig) -> str:
    return models.api_base or openai_base() or ""


def gateway_of(plan: Plan, ears: Ears) -> Gateway:
    """Return how the models of a run are asked."""
    models = plan.config.models
    cache: CachePolicy | None = None
    if (mode := plan.cache or models.cache) != "off":
        cache = CachePolicy(CompletionStore(completions_folder()), mode, ears.on_notice or (lambda _: None))
    return Gateway(
        api_base=models.api_base,
        stream=ears.on_text is not None if models.stream is None else models.stream,
        adapter=models.adapter,
        base_dir=plan.project,
        timeout_s=models.timeout_s,
        max_output_tokens=models.max_output_tokens,
        on_retry=ears.on_retry,
        cache=cache,
        protocol=models.protocol,
        without_tools=frozenset(name for name, found in _found(models).items() if found.tools == "text"),
    )


def inspector_of(plan: Plan, gateway: Gateway, allow: Allow | None) -> Inspector:
    """Return what turns failing output into hints: the cheap model, or the built-in analyser alone."""
    name = plan.config.models.default_cheap
    return Inspector(None if name == NO_MODEL else gateway.open(name, allow=allow))


def compressor_of(plan: Plan, gateway: Gateway, allow: Allow | None) -> Compressor | None:
    """Return what tells older turns in short, where a model is configured for it."""
    name = plan.config.context.compressor
    return Compressor(gateway.open(name, allow=allow), windows_of(plan).of(name)) if name else None


def budgets_of(config: Config) -> Budgets:
    """Return what a run may use."""

    def budget(limits: LimitConfig) -> Budget:
        return Budget(limits.usd, limits.tokens, limits.minutes)

    workers = {name: budget(archetype.budget) for name, archetype in config.archetypes.items()}
    return Budgets(budget(config.budget), budget(config.budget.ticket), workers)
