"""The mechanisms by name, best first, and the choice among them: by a real trial, once a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from conductor.errors import UsageError
from conductor.sandbox.base import Mechanism, Policy, Sandbox

_TRIAL = "(echo escaped >../outside) 2>/dev/null; echo held >inside; cat inside"
_TRIAL_S = 10.0


@dataclass(frozen=True)
class Trial:
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

    Raises `UsageError` when the named one does not work: a person who asked for it must not get less.
    """
    if mode == "none":
        return unconfined()
    names = [name for name in MECHANISMS if name != "none"] if mode == "auto" else [mode]
    failed: list[str] = []
    for name in names:
        trial = try_out(MECHANISMS[name]())
        if not trial.why_not:
            return Sandbox(MECHANISMS[name](), policy)
        failed.append(f"{name}: {trial.why_not}")
    if mode == "auto":
        return unconfined()
    raise UsageError(
        f"the sandbox that is configured does not work here ({'; '.join(failed)})",
        hint='`conductor doctor` says what does; mode = "auto" takes it.',
    )


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
