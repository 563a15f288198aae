"""How many shell attacks an allow list lets through, next to the matchers that are commonly written for it.

    python -m benchmarks.rules

The allow list is `pytest`, `git status`, `ls`, `ruff check`; the attacks and the plain uses are those of
`tests/security/shell_attacks.py`. A sandbox is taken to hold, which is the hardest case: without one, pytest would
never be approved. The other matchers are written here, each as favourably as its idea allows.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Figure, options, show
from conductor.clutch.limits import Limits
from conductor.clutch.rule import Rule, Verdict, subject_of
from conductor.messages import ToolCall
from tests.security.shell_attacks import ALLOWED, ATTACKS, PLAIN, plant

Matcher = Callable[[str], bool]
PREFIXES = tuple(" ".join(words) for words in ALLOWED)
OURS = "conductor"


def by_prefix(command: str) -> bool:
    """Approve what begins with an allowed text."""
    return command.startswith(PREFIXES)


def by_first_words(command: str) -> bool:
    """Approve what begins with the words of an allowed command."""
    words = command.split()
    return any(tuple(words[: len(allowed)]) == allowed for allowed in ALLOWED)


def by_parts(command: str) -> bool:
    """Approve when each part between operators begins with the words of an allowed command."""
    parts = [part for part in re.split(r"&&|\|\||[;|&\n]", command) if part.strip()]
    return bool(parts) and all(map(by_first_words, parts))


def by_rule(root: Path) -> Matcher:
    """Return the matcher that a run has."""
    limits = Limits(root, sandboxed=lambda: True)
    rules = [Rule(Verdict.ALLOW, "run_shell", command=words) for words in ALLOWED]

    def approve(command: str) -> bool:
        subject = subject_of(ToolCall("", "run_shell", {"command": command}), "")
        return any(rule.covers(subject, limits) for rule in rules)

    return approve


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        plant(root)
        matchers: dict[str, Matcher] = {
            OURS: by_rule(root),
            "startswith": by_prefix,
            "first words": by_first_words,
            "split on operators": by_parts,
        }
        found: list[Figure] = []
        for who, approves in matchers.items():
            let_through = [command for command, _ in ATTACKS if approves(command)]
            plain = [command for command in PLAIN if approves(command)]
            found.append(_figure(f"of {len(ATTACKS)} attacks approved", who, len(let_through), "0"))
            found.append(_figure(f"of {len(PLAIN)} plain uses approved", who, len(plain), "12"))
            found.append(Figure("a decision", who, _microseconds(approves), "µs"))
    show(sorted(found, key=lambda figure: figure.what, reverse=True), OURS, arguments)


def _figure(what: str, who: str, count: int, bar: str) -> Figure:
    return Figure(what, who, [float(count)], "", bar if who == OURS else "")


def _microseconds(approves: Matcher) -> list[float]:
    times: list[float] = []
    for command in PLAIN * 20:
        began = time.perf_counter()
        approves(command)
        times.append((time.perf_counter() - began) * 1e6)
    return times


if __name__ == "__main__":
    main()
