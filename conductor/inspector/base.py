"""What is counted."""

from __future__ import annotations

from msgspec import Struct


class Count(Struct, frozen=True):
    """How often something went well: `successes` of `trials`."""

    successes: int = 0
    trials: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.successes + other.successes, self.trials + other.trials)

    def and_one(self, success: bool) -> Count:
        """Return the count with one trial more."""
        return Count(self.successes + success, self.trials + 1)
