"""Takes keys, tokens and passwords out of text before any model sees it."""

from __future__ import annotations

import re

_HIDDEN = "[secret]"
# Patterns as text: they are compiled when something is to be told to a model, and every run loads this.
_PRIVATE_KEY = r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
_SHAPES = (
    _PRIVATE_KEY,
    r"(?<![\w+/=.-])[A-Za-z0-9+/]{64}(?![\w+/=.-])",  # a line out of the middle of a key
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}",
    r"\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{8,}|\bhf_[A-Za-z0-9]{16,}|\bnpm_[A-Za-z0-9]{20,}|\bpypi-[\w-]{20,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{20,}",
    r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    r"(?<=://)[^\s/:@]{1,80}:[^\s/@]{1,200}(?=@)",
    r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}",
)
_ASSIGNED = (
    r"(?i)(?P<name>[\w.-]{0,40}(?:api[_-]?key|access[_-]?key|private[_-]?key|secret|token|passw(?:or)?d|passphrase"
    r"|credential|authorization|cookie|session[_-]?id)[\w-]{0,20}['\"]?\s*(?:=>|[:=])\s*['\"]?)"
    r"(?P<value>(?!['\"\s\[])[^\s'\",;)}\]]{4,})"
)
_ABOUT_SYNTAX = r"(?i)(?:expected|invalid|illegal|unknown|missing|last|next|first)\s+$"


def redact(text: str) -> str:
    """Return `text` with keys, tokens, passwords and private keys replaced by `[secret]`."""
    for pattern in _SHAPES:
        text = re.sub(pattern, _HIDDEN, text)
    return re.sub(_ASSIGNED, _hide_value, text)


def redact_keys(text: str) -> str:
    """Return `text` without private keys, the only secrets that span lines; do this before lines are picked."""
    return re.sub(_PRIVATE_KEY, _HIDDEN, text)


def _hide_value(match: re.Match[str]) -> str:
    before = match.string[max(match.start() - 12, 0) : match.start()]
    if re.search(_ABOUT_SYNTAX, before):
        return match.group()  # "unexpected token: EOF" speaks of a parser's token
    return f"{match['name']}{_HIDDEN}"
