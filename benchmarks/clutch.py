"""What the clutch itself takes: processor time of a review, and how soon a large change is on the screen.

    python -m benchmarks.clutch [--rounds 50]

"review" is all that stands between a tool call and its effect but the person: the preview with its diff, the digest,
the rules, and both once more right before the effect. "shown" is from the call to the first screen and its keys, the
colours made by Pygments included, written to a terminal that throws it away. The floor is `difflib` with rich, which
is what a plain prompt has to do: one diff, coloured whole and printed.
"""

from __future__ import annotations

import difflib
import io
import os
import pty
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Figure, options, show
from conductor.clutch.limits import Limits
from conductor.clutch.policy import RuleBook, RuleClutch
from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.clutch.rules import TrustClutch
from conductor.clutch.scripted import ScriptedClutch
from conductor.clutch.terminal import TerminalClutch
from conductor.messages import Approved, Decision, Preview, ToolCall
from conductor.models import TrustLevel
from conductor.review import digest_of
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Workspace

FLOOR = "difflib and rich"
OURS = "conductor"


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        small, large, long = (
            _change(root, name, lines) for name, lines in (("a.py", 200), ("b.py", 5000), ("c.py", 1))
        )
        figures = [
            _figure("review of a 200-line diff, CPU", OURS, lambda: _review(root, small), arguments.rounds, "3 ms"),
            _figure("shown, 200 lines", OURS, lambda: _shown(root, small), arguments.rounds),
            _figure("shown, 200 lines", FLOOR, lambda: _plain(root, small), arguments.rounds),
            _figure("shown, 5,000 lines", OURS, lambda: _shown(root, large), arguments.rounds // 5, "150 ms"),
            _figure("shown, 5,000 lines", FLOOR, lambda: _plain(root, large), arguments.rounds // 10),
            _figure("shown, one line of 10 MB", OURS, lambda: _shown(root, long), arguments.rounds // 5),
        ]
    notes = ["shown is wall clock up to the keys, review is processor time; the floor of 10 MB is left out (minutes)."]
    show(figures, FLOOR, arguments, notes)


def _change(root: Path, name: str, lines: int) -> ToolCall:
    """Write a file and return the call that changes every line of it."""
    old = [f"def f{n}(x):  # {'.' * 20}\n" for n in range(lines)]
    (root / name).write_text("".join(old))
    new = "x = '" + "y" * 10_000_000 + "'\n" if lines == 1 else "".join(line.replace("x", "y", 1) for line in old)
    return ToolCall("c1", "write_file", {"path": name, "content": new})


def _figure(what: str, who: str, measure: Callable[[], float], rounds: int, bar: str = "") -> Figure:
    measure()  # what is loaded once
    return Figure(what, who, [measure() * 1000 for _ in range(max(3, rounds))], "ms", bar)


def _preview(workspace: Workspace, call: ToolCall, rules: str = "") -> Preview:
    tool = builtin_tools()[call.tool]
    action = tool.prepare(workspace, call.arguments)
    return Preview(
        action.kind, action.text, action.title, tool.effect, digest_of(call, action, rules), path=action.path
    )


def _review(root: Path, call: ToolCall) -> float:
    """Return the processor seconds from the call to where its effect would begin."""
    kept = RuleFile(root / "user")
    if not kept.rules():
        for number in range(20):
            kept.add(Rule(Verdict.ALLOW, "write_file", path=f"src/{number}/**"))
    book = RuleBook(kept, Limits(root), "track", list)
    clutch = RuleClutch(book, TrustClutch(TrustLevel.STEP, ScriptedClutch([Approved(call.arguments)])))
    workspace = Workspace(root)
    workspace.read(
        root / call.arguments["path"]
    )  # a worker has read the file before; what is looked up once is then known
    began = time.process_time()
    shown = _preview(workspace, call, book.digest())
    clutch.review(call, shown)
    assert _preview(workspace, call, book.digest()).digest == shown.digest
    return time.process_time() - began


def _shown(root: Path, call: ToolCall) -> float:
    """Return the seconds until the keys stand on a real terminal, at which then `q` is pressed."""
    ours, theirs = pty.openpty()
    keys: list[float] = []

    def watch() -> None:
        seen = b""
        while b"help" not in seen:
            seen = seen[-64:] + os.read(ours, 65536)
        keys.append(time.perf_counter())
        time.sleep(0.05)
        os.write(ours, b"q")

    watcher = threading.Thread(target=watch)
    watcher.start()
    with os.fdopen(os.dup(theirs)) as stdin, os.fdopen(os.dup(theirs), "w") as stdout:
        began = time.perf_counter()
        decision: Decision = TerminalClutch(stdin, stdout).review(call, _preview(Workspace(root), call))
        watcher.join()
    assert type(decision).__name__ == "Aborted"
    os.close(ours)
    os.close(theirs)
    return keys[0] - began


def _plain(root: Path, call: ToolCall) -> float:
    from rich.console import Console
    from rich.syntax import Syntax

    began = time.perf_counter()
    old = (root / call.arguments["path"]).read_text().splitlines(keepends=True)
    text = "".join(difflib.unified_diff(old, call.arguments["content"].splitlines(keepends=True)))
    Console(file=io.StringIO(), force_terminal=True, width=80).print(Syntax(text, "diff"))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
