"""The protocol of a clutch."""

from __future__ import annotations

from typing import Protocol

from conductor.messages import Decision, Preview, ToolCall


class Clutch(Protocol):
    """Decides whether a call may take effect.

    A policy (a trust level, a rule) is itself a clutch that holds a clutch and asks it whatever it cannot decide.
    """

    name: str

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Return the decision on `call`, which will do exactly what `preview` shows. Waits as long as it takes.

        `Approved` with the arguments shown lets the call run; with other arguments it asks for a new preview of those,
        and this method is called again with it. A clutch that cannot get a decision returns `Aborted`: the run pauses
        and the call stays where it is. One that waits calls `preview.look`, where there is one, several times a second
        and lets through what that raises: the decision was made in another process.
        """
        ...


def by_policy(name: str) -> bool:
    """Say whether who decided by this name is a policy that answered for the human: `trust:LEVEL` or `rule:ID`."""
    return name.startswith(("trust:", "rule:"))
