"""What a server answered to a call, as text for a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conductor.messages import ToolResult
from conductor.tools.mcp.base import JsonObject, clean, pretty

HEAD_CHARACTERS = 4_000
TAIL_CHARACTERS = 2_000


def result_of(answer: JsonObject) -> ToolResult:
    """Return the answer as a result; a long one in part, with all of it kept for read_output."""
    content = answer.get("content")
    blocks: list[Any] = content if isinstance(content, list) else []  # type: ignore[unknown]
    parts = [clean(part) for block in blocks for part in _parts(block)]
    structured = answer.get("structuredContent")
    if structured is not None and not any(_is_text(block) for block in blocks):
        parts.append(pretty(structured))
    text = "\n".join(parts)
    if not text.strip():
        text = "[the answer is empty]"
    ok = answer.get("isError") is not True
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return ToolResult(text, ok=ok)
    left_out = len(text) - HEAD_CHARACTERS - TAIL_CHARACTERS
    said = (
        f"{text[:HEAD_CHARACTERS]}\n[{left_out} characters left out: read_output has them]\n{text[-TAIL_CHARACTERS:]}"
    )
    return ToolResult(said, ok=ok, stdout=text.encode())


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text"  # type: ignore[unknown]


def _parts(block: Any) -> Iterator[str]:
    match block:
        case {"type": "text", "text": str(text)}:
            yield text
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            yield f"[left out: {kind}, {block.get('mimeType', 'of unknown type')}, {_size(data)}]"
        case {"type": "resource", "resource": {"text": str(text)}}:
            yield f"[{block['resource'].get('uri', 'a resource')}]\n{text}"
        case {"type": "resource", "resource": {"blob": str(data)}}:
            yield f"[left out: {block['resource'].get('uri', 'a resource')}, {_size(data)}]"
        case {"type": "resource_link", "uri": str(uri)}:
            yield f"[link: {uri} {block.get('name', '')}]"
        case {"type": str(kind)}:
            yield f"[left out: content of type {kind[:40]!r}]"
        case _:
            yield "[left out: content that cannot be read]"


def _size(data: str) -> str:
    return f"{len(data) * 3 // 4} bytes"
