"""Puts a call to a `TerminalClutch` and prints the decision; what call is told by a JSON object as the argument."""

from __future__ import annotations

import json
import signal
import sys
import termios
import time
from pathlib import Path

from msgspec import to_builtins
from msgspec.structs import replace

from conductor.clutch.terminal import TerminalClutch
from conductor.messages import Effect, Preview, RuleOffer, RuleOffers, ToolCall


def main(given: dict) -> None:
    preview = Preview(
        kind=given.get("kind", "command"),
        text=given.get("text", "pytest -q"),
        title=given.get("title", "run a command"),
        effect=Effect(given.get("effect", "unsafe")),
        digest="d1",
        ticket_id=given.get("ticket_id", "T1"),
        path=given.get("path", ""),
        notices=tuple(given.get("notices", ())),
        before=given.get("before"),
        dangerous=given.get("dangerous", ""),
        offers=(lambda: _offers(given["offers"])) if "offers" in given else None,
    )
    looked: list[float] = []
    preview = replace(preview, looked=looked.append)
    call = ToolCall("c1", given.get("tool", "run_shell"), given.get("arguments", {"command": "pytest -q"}))
    clutch = TerminalClutch()
    before = termios.tcgetattr(sys.stdin)
    print("READY", flush=True)
    time.sleep(given.get("wait_s", 0))
    if log := given.get("log"):  # a terminal that is gone cannot show the decision
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Path(log).write_text(type(clutch.review(call, preview)).__name__)
        return
    began = time.monotonic()
    try:
        decision = clutch.review(call, preview)
    except KeyboardInterrupt:
        said = "interrupt {}"
    else:
        fields = {
            name: value for name, value in to_builtins(decision).items() if value not in (None, "") or name == "reason"
        }
        said = f"{type(decision).__name__} {json.dumps(fields, default=str)}"
    print(f"AWAY {time.monotonic() - began - sum(looked):.3f}")
    kept = termios.tcgetattr(sys.stdin) == before
    print(f"DECIDED {said}\nMODES {'kept' if kept else 'changed'}", flush=True)


def _offers(given: list | str) -> RuleOffers:
    """Return what a preview offers: a list of rules, or the text that says why there are none."""
    if isinstance(given, str):
        return RuleOffers((), given)
    return RuleOffers(tuple(RuleOffer(*offer[:3], tuple(offer[3])) for offer in given))


main(json.loads(sys.argv[1]))
