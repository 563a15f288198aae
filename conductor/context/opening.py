"""How a worker's conversation opens: the ticket, and views of the code it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from conductor.errors import Refused
from conductor.messages import Message
from conductor.models import Archetype, Ticket
from conductor.tools.workspace import Workspace
from conductor.views.registry import view_of

MAX_TARGET_CHARACTERS = 60_000
_MARKS = ("@core_logic", "[HOT]")

_RULES = """\
You work on one ticket of a plan, in an existing code base, through tools.
- Paths are relative to the project. Read before you change what you have not seen in full.
- Make the smallest change that does what the ticket asks, in the style of the code around it.
- A human reviews calls before they run and may change or reject them. What they say outranks your plan.
- A failing command comes back as its exit code and a short hint; read_output gives more where you need it.
- When the ticket is done, answer with one sentence and no tool call. Checks decide whether it is."""


def opening(ticket: Ticket, archetype: Archetype, workspace: Workspace) -> tuple[list[Message], list[str]]:
    """Return the first messages of a worker on `ticket`, and notices about what could only be shown in part.

    Raises `Refused` when the target or a context entry cannot be read at all.
    """
    notices: list[str] = []
    parts = [f"# Ticket {ticket.id}: {ticket.title}", ticket.prompt.strip()]
    if ticket.verify:
        parts.append(f"The ticket is done when this exits 0: `{ticket.verify}`")
    parts.append(_target(ticket.target_file, workspace, notices))
    parts += [_context(entry, workspace, notices) for entry in ticket.context]
    system = "\n\n".join(filter(None, (archetype.instructions.strip(), _RULES)))
    return [Message("system", system), Message("user", "\n\n".join(parts))], notices


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return about how many tokens the messages take: a token for every four characters."""
    return sum(len(message.content) + 3 for message in messages) // 4


def _target(path: str, workspace: Workspace, notices: list[str]) -> str:
    content = workspace.content(workspace.resolve(path))
    if content is None:
        return f"## {path} (does not exist yet)"
    if len(content) > MAX_TARGET_CHARACTERS:
        notices.append(f"{path} is too long to be sent whole; the worker gets its curated view")
        return _section(path, content, "curated", notices)
    return _section(path, content, "raw", notices)


def _context(entry: str, workspace: Workspace, notices: list[str]) -> str:
    path, _, symbol = entry.partition("::")
    content = workspace.read(workspace.resolve(path))
    marked = any(mark.encode() in content for mark in _MARKS)
    return _section(path, content, "curated" if marked else "skeleton", notices, symbol)


def _section(path: str, content: bytes, kind: str, notices: list[str], symbol: str = "") -> str:
    try:
        view = view_of(path, content, kind, symbol)  # type: ignore[arg-type]
    except Refused as refusal:
        notices.append(f"{path}: {refusal}")
        return f"## {path} (not shown: {refusal})"
    if view.notice:
        notices.append(f"{path}: {view.notice}")
    name = f"{path}::{symbol}" if symbol else f"{path} ({view.kind})"
    language = PurePosixPath(path).suffix.lstrip(".").replace("py", "python")
    fence = "`" * max(3, 1 + max((len(run) for run in view.text.split("\n") if set(run.strip()) == {"`"}), default=0))
    return f"## {name}\n{fence}{language}\n{view.text.rstrip()}\n{fence}"
