"""What was known when: vector clocks, and whether something that is said of the code is about the code as it is.

Vector clocks as Fidge and Mattern have them (1988): an event happened before another when its clock is smaller or equal
in every count and differs; events of which neither is before the other are concurrent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import force_setattr


class VectorClock(Struct, frozen=True):
    """How many events of each node are known. A node that is not named counts as 0. Raises ValueError below 0."""

    counts: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        if any(count < 0 for count in self.counts.values()):
            raise ValueError(f"a count below 0: {dict(self.counts)}")
        known = {node: self.counts[node] for node in sorted(self.counts) if self.counts[node]}
        force_setattr(self, "counts", MappingProxyType(known))

    def __hash__(self) -> int:
        return hash(tuple(self.counts.items()))

    def tick(self, node: str) -> VectorClock:
        """Return the clock of the node's next event."""
        return VectorClock({**self.counts, node: self.counts.get(node, 0) + 1})

    def merge(self, other: VectorClock) -> VectorClock:
        """Return the least clock that knows what either of the two knows."""
        nodes = {**self.counts, **other.counts}
        return VectorClock({node: max(self.counts.get(node, 0), other.counts.get(node, 0)) for node in nodes})

    def knows(self, other: VectorClock) -> bool:
        """Say whether everything `other` knows is known here; a clock knows itself."""
        return all(self.counts.get(node, 0) >= count for node, count in other.counts.items())

    def happens_before(self, other: VectorClock) -> bool:
        """Say whether an event with this clock can have been a cause of one with the other."""
        return self != other and other.knows(self)

    def concurrent(self, other: VectorClock) -> bool:
        """Say whether neither knew of the other; a clock is not concurrent with itself."""
        return not self.knows(other) and not other.knows(self)


class Basis(Struct, frozen=True):
    """A state of a ticket's code, or what somebody knew of it who says something about it.

    `clock` and `sequence` are, of the code, those of its last change; of a report, what its writer had seen. An empty
    clock and 0 stand for "not said": entries of older journals have none.
    """

    code_version: int = 0
    clock: VectorClock = field(default_factory=VectorClock)
    sequence: int = 0


def staleness(report: Basis, code: Basis) -> str:
    """Return why what is said in `report` is not about `code`, "" when it is.

    Three layers, each for what the one before cannot tell: the version of the code; the clock (two machines may have
    counted to the same version); the journal's sequence, where no clock was kept.
    """
    if report.code_version != code.code_version:
        return f"it is about version {report.code_version} of the code, which is at version {code.code_version}"
    if report.clock.counts and code.clock.counts:
        return "" if report.clock.knows(code.clock) else "whoever said it had not seen the last change of the code"
    if report.sequence and report.sequence < code.sequence:
        return f"it was said at entry {report.sequence}, before the code changed at entry {code.sequence}"
    return ""
