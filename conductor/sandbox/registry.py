"""The mechanisms by name, best first, and the choice among them: by a real trial, once a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from msgspec import Struct

from conductor.errors import UsageError
from conductor.sandbox.base import Mechanism, Policy, Sandbox
from conductor.shell import Launch

_TRIAL = "(echo escaped >../outside) 2>/dev/null; echo held >inside; cat inside"
_TRIAL_S = 10.0


class Trial(Struct, frozen=True):
    """What a trial of a mechanism showed; `why_not` is "" where it works."""

    mechanism: Mechanism
    why_not: str = ""


def _bubblewrap() -> Mechanism:
    from conductor.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap()


def _landlock() -> Mechanism:
    from conductor.sandbox.landlock import Landlock

    return Landlock()


def _seatbelt() -> Mechanism:
    from conductor.sandbox.seatbelt import Seatbelt

    return Seatbelt()


def _none() -> Mechanism:
    from conductor.sandbox.none import NoMechanism

    return NoMechanism()


MECHANISMS: Mapping[str, Callable[[], Mechanism]] = {
    "bubblewrap": _bubblewrap,
    "landlock": _landlock,
    "seatbelt": _seatbelt,
    "none": _none,
}


def unconfined() -> Sandbox:
    """Return the sandbox that holds nothing."""
    return Sandbox(_none(), Policy(Path("/")))


def choose(mode: str, policy: Policy) -> Sandbox:
    """Return the sandbox that `mode` names; for "auto" the best that works here, which may be none.

    For "auto" the trial goes on meanwhile, and whoever asks the sandbox anything waits for its end.

    Raises `UsageError` when the named one does not work: a person who asked for it must not get less.
    """
    if mode == "none":
        return Sandbox(_none(), policy)
    if mode == "auto":
        return Sandbox(_Best(), policy)
    trial = try_out(MECHANISMS[mode]())
    if trial.why_not:
        raise UsageError(
            f"the sandbox that is configured does not work here ({mode}: {trial.why_not})",
            hint='`conductor doctor` says what does; mode = "auto" takes it.',
        )
    return Sandbox(trial.mechanism, policy)


class _Best:
    """The best mechanism that works here. The first is tried in a thread, so that a run's first request need not wait.

    The others are tried when it is known not to work: Landlock runs code of ours between fork and exec, which is safe
    only while nothing else goes on in this process.
    """

    def __init__(self) -> None:
        self._first: Trial | None = None
        self._trying = Thread(target=self._try_first)
        self._trying.start()

    @property
    def name(self) -> str:
        """See `Mechanism`."""
        return self._chosen.name

    @property
    def holds(self) -> bool:
        """See `Mechanism`."""
        return self._chosen.holds

    @property
    def gaps(self) -> str:
        """See `Mechanism`."""
        return self._chosen.gaps

    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> AbstractContextManager[Launch]:
        """See `Mechanism`."""
        return self._chosen.launch(policy, command, env)

    def _try_first(self) -> None:
        with suppress(Exception):  # whoever waits tries again, and it is raised to them
            self._first = try_out(next(_candidates()))

    @cached_property
    def _chosen(self) -> Mechanism:
        self._trying.join()
        first, *others = _candidates()
        trial = self._first or try_out(first)
        while trial.why_not and others:
            trial = try_out(others.pop(0))
        return _none() if trial.why_not else trial.mechanism


def _candidates() -> Iterator[Mechanism]:
    return (build() for name, build in MECHANISMS.items() if name != "none")


def try_out(mechanism: Mechanism) -> Trial:
    """Run a command that tries to write where it must not, in a folder of its own, and say how that went."""
    if not mechanism.holds:
        return Trial(mechanism)
    with TemporaryDirectory(prefix="conductor-trial-") as name:
        root = Path(name).resolve() / "project"
        root.mkdir()
        try:
            result = Sandbox(mechanism, Policy(root)).run(_TRIAL, cwd=root, timeout_s=_TRIAL_S)
        except OSError as error:
            return Trial(mechanism, error.strerror or str(error))
        escaped = (root.parent / "outside").exists()
    if escaped:
        return Trial(mechanism, "its trial run could write outside of the project")
    if result.status == 0 and result.stdout == b"held\n":
        return Trial(mechanism)
    said = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return Trial(mechanism, said[-1][:200] if said else result.ended_by or "its trial run failed")
