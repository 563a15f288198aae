"""Which calls are dangerous: a key pressed by habit must not be enough to approve them."""

from __future__ import annotations

from conductor.messages import Effect
from conductor.sandbox.base import Sandbox
from conductor.tools.base import Action


def danger_of(action: Action, effect: Effect, sandbox: Sandbox) -> str:
    """Return in words why approving the action takes a typed word, "" where a key is enough."""
    if action.change and action.change.after is None:
        return "this deletes a file"
    if action.sandbox:
        return danger_of_commands(sandbox)
    return "no sandbox holds what this does" if effect is Effect.UNSAFE else ""


def danger_of_commands(sandbox: Sandbox) -> str:
    """Return in words what a command held by `sandbox` can do beyond the project, "" for nothing."""
    if not sandbox.holds:
        return "no sandbox holds this command"
    can = ["use the network"] if sandbox.policy.network else []
    if sandbox.policy.writable:
        can.append(f"write outside the project ({', '.join(map(str, sandbox.policy.writable))})")
    return f"this command can {' and '.join(can)}" if can else ""
