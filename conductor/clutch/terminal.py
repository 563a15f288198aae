"""The clutch on a terminal: shows a call, waits for one deliberate key, and answers with what that key means."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Mapping
from itertools import chain, islice
from textwrap import wrap
from typing import TextIO

from rich.text import Text

from conductor.clutch.always import choose_rule
from conductor.clutch.attention import Attention
from conductor.clutch.payload import NoPayload, read_payload, same_payload, write_payload
from conductor.clutch.render import Row, fold, header, notice_rows, outcome, preview_lines, rows
from conductor.clutch.screen import Screen
from conductor.clutch.walk import choose_hunks
from conductor.errors import UsageError
from conductor.messages import (
    Aborted,
    Approved,
    Decision,
    Happened,
    Preview,
    Rejected,
    Skipped,
    ToolCall,
)

_KEYS = "a approve · e edit · r reject · v view · w always · s skip · q pause · ? help"
_DIFF_KEYS = _KEYS.replace("w always", "h hunks")
_WIDE_KEYS = _KEYS.replace("e edit", "c comment · e edit")
_UNKNOWN_KEYS = "a run again · i it happened · r leave it · v view · s skip · q pause · ? help"
_HELP = """\
a  approve: run exactly what is shown
c  approve, with a comment for the worker
e  edit the JSON payload; the changed call is shown again before it can run
r  reject, with a reason for the worker
i  it happened: of a call that was started and cut off; it is not run again, and the worker is told
h  choose the hunks of a file's change that are kept; what is left is shown again before it can run
v  view all of it, page by page
w  approve calls like this from now on: shows the exact rule, and what it would have approved so far
s  skip this ticket: it is cancelled, tickets that need it are blocked
q  pause the run; the call waits, `conductor run` goes on here
Ctrl-C stops at once. Nothing is the default: Enter alone does nothing."""
_DISPENSABLE = ("s skip", "h hunks", "w always", "v view")  # where the keys need more room than there is
_RESERVED_ROWS = 4  # below a preview: what is hidden, an answer, the keys, and one row of what was before
_LEAST_ROWS = 6
_WIDE = 100


class TerminalClutch:
    """Asks the person at a terminal. Raises `UsageError` when there is none."""

    name = "terminal"

    def __init__(self, stdin: TextIO | None = None, stdout: TextIO | None = None) -> None:
        source, target = stdin or sys.stdin, stdout or sys.stdout
        if not (source.isatty() and target.isatty()):
            raise UsageError(
                "the terminal clutch needs a terminal as its input and output",
                hint="Use --clutch jsonl, or --clutch deny.",
            )
        self._screen = Screen(source, target)
        self._before: Callable[[], None] = lambda: None

    def clear_by(self, clear: Callable[[], None]) -> None:
        """Have `clear` take away what others show on this terminal before each question."""
        self._before = clear

    def show_below(self, status: Callable[[], str]) -> None:
        """Have what `status` returns shown below each call, a line or "" for none."""
        self._screen.status = status

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Show the call and return what the person decides; a terminal that is gone pauses the run.

        Raises KeyboardInterrupt on Ctrl-C.
        """
        self._before()
        self._screen.look, self._screen.attention = preview.look, Attention()
        try:
            return _Review(self._screen, call, preview).decide()
        except EOFError:
            return Aborted()
        except OSError as error:
            if error.errno != errno.EIO:  # what a terminal that hung up answers with
                raise
            return Aborted()
        finally:
            if preview.looked:
                preview.looked(self._screen.attention.seconds)


class _Review:
    """One call at the clutch: what of it was seen so far, and what each key does."""

    def __init__(self, screen: Screen, call: ToolCall, preview: Preview) -> None:
        self._screen = screen
        self._call = call
        self._preview = preview
        self._lines = preview_lines(preview)
        self._seen = False  # all of the preview has been on the screen
        self._actions: Mapping[str, Callable[[], Decision | None]] = {
            "a": self._approve,
            "e": self._edit,
            "c": self._comment,
            "r": self._reject,
            "i": self._happened,
            "v": self._view,
            "s": self._skip,
            "q": Aborted,
            "?": self._help,
            "w": self._always,
            "h": self._hunks,
            "resumed": self._show,
        }

    def decide(self) -> Decision:
        """Show the call, then act on keys until one of them decides."""
        self._show()
        while True:
            action = self._actions.get(self._screen.ask(self._key_line()))
            decision = action() if action else None
            if decision is not None:
                self._screen.print(*fold(outcome(decision, self._call), self._screen.width))
                return decision

    def _key_line(self) -> str:
        """Return the keys there is room for; the help has all of them."""
        diff = self._preview.kind == "diff"
        if self._preview.outcome_unknown:
            return _UNKNOWN_KEYS
        if self._screen.width > _WIDE:
            return _WIDE_KEYS.replace("r reject", "h hunks · r reject") if diff else _WIDE_KEYS
        keys = _DIFF_KEYS if diff else _KEYS
        for key in _DISPENSABLE:
            keys = keys if len(keys) < self._screen.width else keys.replace(f"{key} · ", "")
        return keys

    def _show(self) -> None:
        """Print the call, cut to the screen; what does not fit is counted."""
        width = self._screen.width
        head = self._head()
        self._screen.print(Text(), *head)
        status = self._screen.status()
        room = max(_LEAST_ROWS, self._screen.height - len(head) - _RESERVED_ROWS - bool(status))
        first = list(islice(rows(self._lines, self._preview.path, width), room + 2))
        room += len(first) == room + 1  # a last row takes no more room than saying that there is one
        hidden, _ = self._screen.page(iter(first), room)
        if hidden:
            self._screen.say(f"{self._left(hidden)}: v shows all of it", "yellow")
        else:
            self._seen = True
        if status:
            self._screen.say(status, "dim")

    def _head(self) -> list[Text]:
        width = self._screen.width
        return header(self._preview, self._call.tool, self._lines, width) + notice_rows(self._preview, width)

    def _left(self, hidden: Row) -> str:
        """Say how much there is from a row on: whole lines, and the rest of one that is cut."""
        whole = len(self._lines) - hidden.line - (hidden.at > 0)
        rest = max(1, len(self._lines[hidden.line].text) - hidden.at)  # tabs are shown wider than they are
        said = [f"{rest:,} more characters of this line"] if hidden.at else []
        said += [f"{whole:,} more line{'s' if whole > 1 else ''}"] if whole else []
        return " and ".join(said)

    def _approve(self) -> Decision | None:
        question = ""
        if self._preview.dangerous:
            question = "approve? "
            self._screen.say(f"Dangerous: {self._preview.dangerous}. Type yes to approve it.", "yellow")
        if not self._seen:
            question = "approve unseen? "
            self._screen.say("Not all of it was shown: v shows it, or type yes to approve it unseen.", "yellow")
        if question and self._screen.line(question) != "yes":
            return None
        return Approved(self._call.arguments)

    def _comment(self) -> Decision | None:
        comment = self._screen.line("approve, and tell the worker: ")
        if not (comment and comment.strip()):
            self._screen.say("Nothing was said: a approves without a comment.", "dim")
            return None
        return Approved(self._call.arguments, comment=comment.strip()) if self._approve() else None

    def _always(self) -> Decision | None:
        """Have the person choose a rule that covers the call; the call is approved with it."""
        chosen = choose_rule(self._screen, self._preview)
        if chosen is None or self._approve() is None:
            return None
        return Approved(self._call.arguments, chosen)

    def _edit(self) -> Decision | None:
        text = write_payload(self._call.arguments)
        while True:
            edited = self._screen.edited(text)
            if edited is None:
                return None
            try:
                arguments = read_payload(edited)
            except NoPayload as error:
                self._screen.say(f"This cannot be used: {error.mistake}", "yellow")
                if not self._screen.choose("e edit again · x give up this edit", yes="e", no="x"):
                    return None
                text = edited
                continue
            if same_payload(arguments, self._call.arguments):
                self._screen.say("Nothing was changed.", "dim")
                return None
            return Approved(arguments)

    def _reject(self) -> Decision | None:
        reason = self._screen.line("reason for the worker: ")
        return None if reason is None else Rejected(reason.strip())

    def _happened(self) -> Decision | None:
        if not self._preview.outcome_unknown:
            return None
        comment = self._screen.line("it happened; what the worker should know (may be empty): ")
        return None if comment is None else Happened(comment.strip())

    def _skip(self) -> Decision | None:
        return Skipped() if self._screen.choose("y skip this ticket · n go back", yes="y", no="n") else None

    def _view(self) -> Decision | None:
        """Show everything page by page; only who came to the end has seen all of it."""
        source = rows(self._lines, self._preview.path, self._screen.width)
        hidden, source = self._screen.page(source, self._screen.height - 1)
        if hidden is None:
            self._seen = True
            return None
        while hidden:
            key = self._screen.ask(f"space goes on · q back to the decision · ({self._left(hidden)})")
            if key in ("q", "escape"):
                break
            if key in (" ", "v", "enter"):
                hidden, source = self._screen.page(source, self._screen.height - 2)
        self._seen = self._seen or hidden is None
        self._screen.print(*self._head())  # the paging has moved it off the screen
        return None

    def _help(self) -> None:
        not_here = {"i": not self._preview.outcome_unknown, "h": self._preview.kind != "diff"}
        lines = [line for line in _HELP.split("\n") if not not_here.get(line[:2].rstrip())]
        width = max(20, self._screen.width - 1)
        for line in chain.from_iterable(wrap(line, width, subsequent_indent="   ") for line in lines):
            self._screen.print(Text(line, style="dim"))

    def _hunks(self) -> Decision | None:
        return choose_hunks(self._screen, self._call, self._preview)
