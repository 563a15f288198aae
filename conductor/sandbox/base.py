"""What a sandbox is: a policy (what commands may do) and a mechanism that holds them to it."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from conductor.sandbox.ahead import Ahead
from conductor.sandbox.environment import allowed_environment
from conductor.sandbox.guard import guarded
from conductor.sandbox.usage import Bounds
from conductor.shell import SHELL, CommandResult, Launch, run, shell_argv, start_service
from conductor.withheld import Secrets, command_environment


class Policy(Struct, frozen=True):
    """What commands may do in the project `root`, which must be resolved.

    They may write below it, but not to `protected` (names relative to it) and not where git keeps what it runs.
    `hidden` are folders they must not see. `writable` and `readable` are places outside that they may use besides,
    `environment` names variables they get besides the usual ones. With `read_only` they may write nothing of all this.
    `plain` says of a command that it means the same to every shell.
    `secrets` are taken out of what they print.
    """

    root: Path
    protected: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False
    writable: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    environment: tuple[str, ...] = ()
    processes: int = 1024
    memory_mb: int = 4096
    read_only: bool = False
    plain: bool = False
    secrets: Secrets = Secrets()

    @property
    def terms(self) -> str:
        """The policy in words, as people are shown it and as approvals are bound to it."""
        said = ["network" if self.network else "no network"]
        for what, paths in (("also writable", self.writable), ("also readable", self.readable)):
            said += [f"{what}: {path}" for path in paths]
        return ", ".join([*said, *(f"with ${name}" for name in self.environment)])


class Mechanism(Protocol):
    """A way to hold a process to a policy.

    `name` is what settings call it. `holds` is False for the one that holds nothing, and `gaps` says in words what of a
    policy it cannot hold; one that is `read_only` all can.
    """

    @property
    def name(self) -> str: ...

    @property
    def holds(self) -> bool: ...

    @property
    def gaps(self) -> str: ...

    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> AbstractContextManager[Launch]:
        """Return how the command is started; what was made for it is gone at the end."""
        ...


class Sandbox(Struct, frozen=True):
    """A mechanism with the policy it holds commands to; with `ahead` the next command's is made while nothing runs."""

    mechanism: Mechanism
    policy: Policy
    ahead: Ahead | None = None

    @property
    def holds(self) -> bool:
        """Say whether commands are held at all."""
        return self.mechanism.holds

    @property
    def terms(self) -> str:
        """What holds commands and to what: shown, journaled, and part of what an approval is bound to."""
        return f"in {self.mechanism.name}, {self.policy.terms}" if self.holds else "without a sandbox"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person must know before approving a command."""
        if not self.holds:
            return ("NO SANDBOX: this command can read and change whatever you can, and use the network",)
        return (self.mechanism.gaps,) if self.mechanism.gaps else ()

    def run(self, command: str, *, cwd: Path, timeout_s: float, plain: bool = False) -> CommandResult:
        """Run a command line under the policy and wait for it. Raises OSError when it cannot be started.

        One that is `plain` means the same to every shell, so that no bash is started for it.
        """
        policy = replace(self.policy, plain=plain)
        if not self.holds:
            return self._run(policy, command, command_environment(os.environ), cwd=cwd, timeout_s=timeout_s)
        env = allowed_environment(os.environ, policy.environment)
        return guarded(
            policy.root,
            policy.protected,
            lambda: self._run(policy, command, env, cwd=cwd, timeout_s=timeout_s),
        )

    def serve(self, command: str, *, cwd: Path, until: ExitStack) -> subprocess.Popen[bytes]:
        """Start a command that goes on by itself and is talked to by its pipes; in a sandbox it can write nothing.

        So nothing has to be put back after it. What is made for it goes when `until` is closed, once it has ended.
        Raises OSError when it cannot be started, or not be held to that.
        """
        policy = replace(self.policy, read_only=True) if self.holds else self.policy
        env = allowed_environment(os.environ, policy.environment) if self.holds else command_environment(os.environ)
        launch = until.enter_context(self.mechanism.launch(policy, command, env))
        return start_service(launch.whole, cwd=cwd, env=launch.env or env, prepare=launch.prepare)

    def _run(self, policy: Policy, command: str, env: dict[str, str], *, cwd: Path, timeout_s: float) -> CommandResult:
        with self.mechanism.launch(policy, command, env) as made:
            launch = replace(made, hide=policy.secrets.hide_bytes)
            waiting = self.ahead.take(launch, cwd) if self.ahead else None
            result = run(launch, cwd=cwd, timeout_s=timeout_s, waiting=waiting)
            if self.ahead:
                self.ahead.prepare(launch, cwd)
            return result


def bounds_of(policy: Policy) -> Bounds:
    """Return what a launch needs to notice too many processes or too much memory."""
    return Bounds(policy.processes, policy.memory_mb)


def held_script(command: str, policy: Policy) -> tuple[str, str, str]:
    """Return what follows `/bin/sh -c`, so that `command` runs in a shell of its own under the limits a shell can set.

    No core dumps; no more threads and processes than now and those of the policy (root is not bound by it); the first
    to go when the machine runs out of memory.
    """
    most = _running() + policy.processes
    limits = (
        f"ulimit -c 0; ulimit -u {most} 2>/dev/null || ulimit -p {most} 2>/dev/null; "  # -p is dash's
        "echo 800 2>/dev/null >/proc/self/oom_score_adj; "
    )
    return limits + ('eval "$1"' if policy.plain else f'exec {shlex.quote(shell_argv("")[0])} -c "$1"'), SHELL, command


def _running() -> int:
    """Return how many threads the machine has: the limit counts all of a user's, not only a command's."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 4096
