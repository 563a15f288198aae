"""No sandbox: the command runs as the person who started Conductor."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from conductor.sandbox.base import Policy
from conductor.sandbox.leash import Leash
from conductor.shell import Launch, shell_argv


class NoMechanism:
    """Holds nothing."""

    name = "none"
    holds = False
    gaps = ""

    def __init__(self) -> None:
        self._leash = Leash()

    @contextmanager
    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> Generator[Launch]:
        """Yield the command as it is."""
        yield Launch(shell_argv(command, plain=policy.plain), env, around=self._leash.around)
