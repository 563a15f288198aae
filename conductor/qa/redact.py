"""Takes keys, tokens and passwords out of text before any model sees it."""

from __future__ import annotations

import re

_HIDDEN = "[secret]"
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
)
_SHAPES = (
    _PRIVATE_KEY,
    re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/]{64}(?![\w+/=.-])"),  # a line out of the middle of a key
    re.compile(r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}"),
    re.compile(
        r"\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{8,}|\bhf_[A-Za-z0-9]{16,}|\bnpm_[A-Za-z0-9]{20,}|\bpypi-[\w-]{20,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{20,}"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"),
    re.compile(r"(?<=://)[^\s/:@]{1,80}:[^\s/@]{1,200}(?=@)"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
)
_ASSIGNED = re.compile(
    r"(?i)(?P<name>[\w.-]{0,40}(?:api[_-]?key|access[_-]?key|private[_-]?key|secret|token|passw(?:or)?d|passphrase"
    r"|credential|authorization|cookie|session[_-]?id)[\w-]{0,20}['\"]?\s*(?:=>|[:=])\s*['\"]?)"
    r"(?P<value>(?!['\"\s\[])[^\s'\",;)}\]]{4,})"
)
_ABOUT_SYNTAX = re.compile(r"(?i)(?:expected|invalid|illegal|unknown|missing|last|next|first)\s+$")


def redact(text: str) -> str:
    """Return `text` with keys, tokens, passwords and private keys replaced by `[secret]`."""
    for pattern in _SHAPES:
        text = pattern.sub(_HIDDEN, text)
    return _ASSIGNED.sub(_hide_value, text)


def redact_keys(text: str) -> str:
    """Return `text` without private keys, the only secrets that span lines; do this before lines are picked."""
    return _PRIVATE_KEY.sub(_HIDDEN, text)


def _hide_value(match: re.Match[str]) -> str:
    before = match.string[max(match.start() - 12, 0) : match.start()]
    if _ABOUT_SYNTAX.search(before):
        return match.group()  # "unexpected token: EOF" speaks of a parser's token
    return f"{match['name']}{_HIDDEN}"
