"""Which calls are dangerous: a key pressed by habit must not be enough to approve them."""

from __future__ import annotations

import os
from pathlib import Path

from conductor.messages import Effect
from conductor.sandbox.base import Sandbox
from conductor.shell import Launch, run
from conductor.tools.base import Action
from conductor.tools.workspace import Workspace

# A program that the repository's settings name must not run just because a file is asked about.
_IGNORES = ("git", "-c", "core.fsmonitor=false", "check-ignore", "--quiet", "--")


def danger_of(action: Action, effect: Effect, workspace: Workspace) -> str:
    """Return in words why approving the action takes a typed word, "" where a key is enough."""
    if action.change and action.change.after is None:
        return "this deletes a file"
    if action.change and action.change.before is not None and _git_ignores(workspace.root, action.path):
        return "git ignores this file, so it has no version of what is replaced"
    if action.sandbox:
        return danger_of_commands(workspace.sandbox)
    return "no sandbox holds what this does" if effect is Effect.UNSAFE else ""


def danger_of_commands(sandbox: Sandbox) -> str:
    """Return in words what a command held by `sandbox` can do beyond the project, "" for nothing."""
    if not sandbox.holds:
        return "no sandbox holds this command"
    can = ["use the network"] if sandbox.policy.network else []
    if sandbox.policy.writable:
        can.append(f"write outside the project ({', '.join(map(str, sandbox.policy.writable))})")
    return f"this command can {' and '.join(can)}" if can else ""


def _git_ignores(root: Path, path: str) -> bool:
    """Say whether git leaves a file of the project out of its history on purpose; it does not where it is missing."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return False
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return run(Launch((*_IGNORES, path), env), cwd=root, timeout_s=5).exit_code == 0
    except OSError:
        return False
