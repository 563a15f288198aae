"""A yes of the person at this terminal: a deliberate key, or a typed word. Nothing typed ahead or pasted counts."""

from __future__ import annotations

import sys


def can_ask() -> bool:
    """Say whether a person at a terminal can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agreed(what: str, *, danger: str = "") -> bool:
    """Ask for `y` to do `what`, or for the typed word where it is dangerous; the end of input means no."""
    from conductor.clutch.screen import Screen

    screen = Screen(sys.stdin, sys.stdout)
    try:
        if not danger:
            return screen.choose(f"y {what} · n go back", yes="y", no="n")
        screen.say(f"Dangerous: {danger}. Type yes to {what}.", "yellow")
        return screen.line(f"{what}? ") == "yes"
    except EOFError:
        return False
