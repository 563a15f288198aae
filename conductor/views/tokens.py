"""How many tokens a text has, and by which tokenizer that is known."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

ESTIMATE = "estimate: a token every 4 bytes"
_ENCODING = "o200k_base"

Counter = Callable[[str], int]


def token_counter() -> tuple[Counter, str]:
    """Return a function that counts tokens and the name of its tokenizer.

    It is o200k_base where tiktoken and its vocabulary are installed (litellm ships the file, so nothing is fetched),
    otherwise an estimate that says so.
    """
    vocabulary = _vocabulary()
    if vocabulary is None or importlib.util.find_spec("tiktoken") is None:
        return _estimate, ESTIMATE
    import tiktoken

    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(vocabulary))
    encoding = tiktoken.get_encoding(_ENCODING)
    return lambda text: len(encoding.encode_ordinary(text)), _ENCODING


def _vocabulary() -> Path | None:
    """Return litellm's folder of tokenizer files without importing litellm, None when it has none."""
    package = importlib.util.find_spec("litellm")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "litellm_core_utils" / "tokenizers"
    return folder if folder.is_dir() else None


def _estimate(text: str) -> int:
    return (len(text.encode("utf-8", "replace")) + 3) // 4
