"""Where the well-known providers keep their keys, known without loading a provider's library."""

from __future__ import annotations

import os
from dataclasses import dataclass

_VARIABLES: dict[str, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistral": ("MISTRAL_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "xai": ("XAI_API_KEY",),
    "ollama": (),
    "ollama_chat": (),
    "scripted": (),
}
_BARE_NAMES = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude-": "anthropic",
}


@dataclass(frozen=True)
class ProviderKey:
    """A provider and the environment variable its key is read from: "" if it needs none or is not one we know."""

    provider: str
    variable: str
    is_set: bool
    known: bool


def provider_of(name: str) -> str:
    """Return the provider a model's name begins with, or that its bare name belongs to; "" when neither says."""
    prefix, separator, _ = name.partition("/")
    if separator:
        return prefix
    if name.startswith("scripted:"):
        return "scripted"
    return next((provider for start, provider in _BARE_NAMES.items() if name.startswith(start)), "")


def provider_key(name: str) -> ProviderKey:
    """Say which variable holds the key of the model called `name`, and whether it is set. Loads nothing, asks nobody.

    Of several variables that a provider reads, the one that is set is named, else the first.
    """
    provider = provider_of(name)
    variables = _VARIABLES.get(provider)
    if not variables:
        return ProviderKey(provider, "", is_set=variables is not None, known=variables is not None)
    filled = next((variable for variable in variables if os.environ.get(variable)), "")
    return ProviderKey(provider, filled or variables[0], is_set=bool(filled), known=True)


def openai_base(api_base: str | None = None) -> str:
    """Return where requests to `openai/` names go: the address configured, else the variables', else "" (OpenAI's)."""
    return api_base or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE") or ""
