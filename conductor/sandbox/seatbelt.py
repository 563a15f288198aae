"""sandbox-exec, for macOS: a profile of what is denied. Written from its documentation, not yet tried on a Mac."""

from __future__ import annotations

import errno
import json
import sys
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from conductor.sandbox.base import Policy, bounds_of, held_script
from conductor.sandbox.leash import Leash
from conductor.sandbox.places import git_folder, homes, programs
from conductor.shell import SHELL, Launch

_PROGRAM = Path("/usr/bin/sandbox-exec")
_IN_GIT = ("config", "config.worktree", "commondir", "hooks", "info", "modules", "worktrees", "remotes", "branches")


class Seatbelt:
    """Holds a command with a profile of sandbox-exec(1)."""

    name = "sandbox-exec"
    holds = True
    gaps = "limits on processes and memory are not held here"

    def __init__(self) -> None:
        self._leash = Leash()

    @contextmanager
    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> Generator[Launch]:
        """Yield the command with sandbox-exec around it. Raises OSError where there is none."""
        if sys.platform != "darwin" or not _PROGRAM.exists():
            raise FileNotFoundError(errno.ENOENT, "sandbox-exec is a part of macOS")
        with tempfile.TemporaryDirectory(prefix="conductor-command-") as name:
            scratch = Path(name).resolve()
            argv = [
                str(_PROGRAM),
                "-p",
                profile(policy, env, scratch),
                SHELL,
                "-c",
                *held_script(command, policy),
            ]
            yield Launch(
                *(argv, env | {"TMPDIR": str(scratch)}),
                scratch=scratch,
                watch=bounds_of(policy),
                around=self._leash.around,
            )


def profile(policy: Policy, env: dict[str, str], scratch: Path) -> str:
    """Return the profile that a policy becomes; of its lines that fit, the last one counts."""
    hidden = homes()
    kept = [policy.root / name for name in policy.protected]
    if folder := git_folder(policy.root):
        kept += [folder / name for name in _IN_GIT]
    lines = ["(version 1)", "(allow default)", "(deny file-write*)", _line("deny file-read*", hidden)]
    lines += ["(allow file-read-metadata)", _line("allow file-read*", [*programs(env, hidden), *policy.readable])]
    own = "allow file-read*" if policy.read_only else "allow file-read* file-write*"
    lines.append(_line(own, [policy.root, *policy.writable]))
    lines.append(_line("allow file-read* file-write*", [scratch, Path("/dev")]))
    lines.append(_line("deny file-write*", kept))
    lines.append(_line("deny file-read* file-write*", policy.hidden))
    if not policy.network:
        lines += [
            "(deny network*)",
            "(deny mach-lookup)",
            '(allow mach-lookup (global-name "com.apple.system.logger"))',
        ]
    return "\n".join(filter(None, lines))


def _line(rule: str, paths: Iterable[Path]) -> str:
    """Return one rule over whole folders (or files), "" for none."""
    named = " ".join(f"(subpath {json.dumps(str(path), ensure_ascii=False)})" for path in paths)
    return f"({rule} {named})" if named else ""
