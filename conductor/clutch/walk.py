"""The walk through a change hunk by hunk, with the keys of `git add -p`."""

from __future__ import annotations

from msgspec.structs import replace

from conductor.clutch.hunks import Difference, Walk, Whole, read_difference
from conductor.clutch.render import preview_lines, rows
from conductor.clutch.screen import Screen
from conductor.messages import Decision, Preview, ToolCall

_KEYS = "y keep · n drop · a keep the rest · d drop the rest · q back"
_SPLIT_KEYS = _KEYS.replace("n drop", "n drop · s split")


def choose_hunks(screen: Screen, call: ToolCall, preview: Preview) -> Decision | None:
    """Have the person choose the hunks that are kept; None when that decides nothing."""
    try:
        difference = read_difference(call, preview)
    except Whole as why:
        screen.say(f"No hunks to choose: {why}.", "yellow")
        return None
    walk = Walk(list(difference.hunks))
    while walk.waiting:
        _show(screen, walk, difference, preview)
        if not _step(screen, walk):
            return None
    decision = walk.decision(call, difference)
    if decision is None:
        screen.say("Every hunk is kept: a approves the call as it is.", "dim")
    return decision


def _show(screen: Screen, walk: Walk, difference: Difference, preview: Preview) -> None:
    decided = len(walk.kept) + len(walk.declined)
    screen.say(f"hunk {decided + 1} of {decided + len(walk.waiting)}", "dim")
    shown = replace(preview, text=difference.text(walk.waiting[0]))
    screen.print(*(row.text for row in rows(preview_lines(shown), shown.path, screen.width)))


def _step(screen: Screen, walk: Walk) -> bool:
    """Act on a key about the next hunk; False when the person goes back to the call."""
    can_split = len(walk.waiting[0].changes) > 1
    match screen.pick(_SPLIT_KEYS if can_split else _KEYS, "y", "n", "a", "d", "q", *("s" if can_split else "")):
        case "y":
            walk.keep()
            screen.say("✓ kept", "green")
        case "n":
            reason = screen.line("why not, for the worker: ")
            if reason is not None:
                walk.decline(reason.strip())
                screen.say(f"✗ left out: {reason.strip()}" if reason.strip() else "✗ left out", "red")
        case "s":
            walk.split()
        case "a":
            walk.keep(len(walk.waiting))
        case "d":
            walk.decline(count=len(walk.waiting))
        case _:
            return False
    return True
