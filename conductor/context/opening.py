"""How a worker's conversation opens: the ticket, and views of the code it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from conductor.context.seen import seen_in
from conductor.errors import Refused
from conductor.events import ContextBuilt
from conductor.messages import Message
from conductor.models import Archetype, Ticket
from conductor.tools.workspace import Workspace
from conductor.views.registry import view_of

MAX_TARGET_CHARACTERS = 60_000
_MARKS = ("@core_logic", "[HOT]")
_SMALLER = {"raw": "curated", "curated": "skeleton", "skeleton": ""}

_RULES = """\
You work on one ticket of a plan, in an existing code base, through tools.
- Paths are relative to the project. Read before you change what you have not seen in full.
- Make the smallest change that does what the ticket asks, in the style of the code around it.
- A human reviews calls before they run and may change or reject them. What they say outranks your plan.
- A failing command comes back as its exit code and a short hint; read_output gives more where you need it.
- When the ticket is done, answer with one sentence and no tool call. Checks decide whether it is."""


class _Section(Struct, frozen=True):
    """One view of the opening; `shown` is its entry in the event, without its place."""

    text: str
    shown: dict[str, Any]


class _Room:
    """How many characters the views may still take, and what had to be left out of them."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.kept_back = 0
        self.notices: list[str] = []


def opening(ticket: Ticket, archetype: Archetype, workspace: Workspace, room: int | None = None) -> ContextBuilt:
    """Return the first messages of a worker on `ticket`, with notices about what could only be shown in part.

    The views take at most `room` characters: what does not fit is shown in a smaller view, then not at all.
    Raises `Refused` when the target or a context entry cannot be read at all.
    """
    budget = _Room(room if room is not None else 1 << 40)
    ask = f"The ticket is done when this exits 0: `{ticket.verify}`" if ticket.verify else ""
    sections = [_target(ticket.target_file, workspace, budget)]
    sections += [_context(entry, workspace, budget) for entry in ticket.context]
    parts = list(filter(None, (f"# Ticket {ticket.id}: {ticket.title}", ticket.prompt.strip(), ask)))
    text, shown = "\n\n".join(parts), list[dict[str, Any]]()
    for section in sections:
        text += "\n\n"
        if section.shown:
            shown.append({**section.shown, "at": [len(text), len(text) + len(section.text)]})
        text += section.text
    system = "\n\n".join(filter(None, (archetype.instructions.strip(), _RULES)))
    said = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return ContextBuilt(said, budget.notices, budget.kept_back, shown)


def messages_of(built: ContextBuilt) -> list[Message]:
    """Return the messages of an opening."""
    return [Message(said["role"], said["content"]) for said in built.messages]  # type: ignore[arg-type]


def estimate_tokens(messages: Sequence[Message]) -> int:
    """Return about how many tokens the messages take: a token for every four characters."""
    return sum(len(message.content) + 3 for message in messages) // 4


def _target(path: str, workspace: Workspace, room: _Room) -> _Section:
    content = workspace.content(workspace.resolve(path))
    if content is None:
        return _Section(f"## {path} (does not exist yet)", {})
    if len(content) > MAX_TARGET_CHARACTERS:
        room.notices.append(f"{path} is too long to be sent whole; the worker gets its curated view")
        return _section(path, content, "curated", room)
    return _section(path, content, "raw", room)


def _context(entry: str, workspace: Workspace, room: _Room) -> _Section:
    path, _, symbol = entry.partition("::")
    content = workspace.read(workspace.resolve(path))
    marked = any(mark.encode() in content for mark in _MARKS)
    return _section(path, content, "curated" if marked else "skeleton", room, symbol)


def _section(path: str, content: bytes, kind: str, room: _Room, symbol: str = "") -> _Section:
    name = f"{path}::{symbol}" if symbol else path
    try:
        view = view_of(path, content, kind, symbol)  # type: ignore[arg-type]
        wanted = kind
        while len(view.text) > room.left and (kind := "" if symbol else _SMALLER[kind]):
            view = view_of(path, content, kind)  # type: ignore[arg-type]
    except Refused as refusal:
        room.notices.append(f"{path}: {refusal}")
        return _Section(f"## {path} (not shown: {refusal})", {})
    if len(view.text) > room.left:
        room.notices.append(f"{name} does not fit the model's window; the worker has to read it in parts")
        return _Section(f"## {name} (not shown: too long; read_file gives it in parts)", {})
    if kind != wanted:
        room.notices.append(f"{name} is too long for the model's window; the worker gets its {view.kind} view")
    if view.notice:
        room.notices.append(f"{path}: {view.notice}")
    room.left -= len(view.text)
    room.kept_back += max(0, len(content) - len(view.text))
    title = name if symbol else f"{name} ({view.kind})"
    language = PurePosixPath(path).suffix.lstrip(".").replace("py", "python")
    fence = "`" * max(3, 1 + max((len(run) for run in view.text.split("\n") if set(run.strip()) == {"`"}), default=0))
    seen = seen_in(path, content, view.text, view.kind, symbol)
    shown = {"path": path, "version": seen.version, "kind": symbol or view.kind, "lines": [list(s) for s in seen.lines]}
    return _Section(f"## {title}\n{fence}{language}\n{view.text.rstrip()}\n{fence}", shown)
