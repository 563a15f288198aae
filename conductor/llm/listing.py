"""What a server's list of models says of their windows: llama.cpp, vLLM, LM Studio, OpenRouter and others do."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from conductor.llm.http import ConnectError, ConnectTimeout, HttpClient, ReadError, ReadTimeout, StatusError

_TIMEOUT_S = 10.0
_KEYS = ("loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length", "n_ctx")


def stated_window(base: str, model: str) -> int:
    """Return how many tokens the server at `base` says that a model takes, 0 where it does not say."""
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        client = HttpClient(f"{base.rstrip('/')}/models", headers, read_timeout_s=_TIMEOUT_S)
        with client.get() as reply:
            listed: object = json.loads(b"".join(reply.chunks))
    except (ConnectError, ConnectTimeout, ReadError, ReadTimeout, StatusError, ValueError, RecursionError):
        return 0
    return _window(listed, model.removeprefix("openai/"))


def _window(listed: object, model: str) -> int:
    """Read a list; a server that serves one model serves it by whatever name."""
    found: object = cast("dict[str, Any]", listed).get("data") if isinstance(listed, dict) else None
    items = cast("list[object]", found) if isinstance(found, list) else []
    models = [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
    named = [item for item in models if item.get("id") == model] or (models if len(models) == 1 else [])
    for item in named:
        meta = cast("dict[str, Any]", item["meta"]) if isinstance(item.get("meta"), dict) else {}
        stated = [value for key in _KEYS if isinstance(value := item.get(key, meta.get(key)), int) and value > 0]
        if stated:
            return stated[0]
    return 0
