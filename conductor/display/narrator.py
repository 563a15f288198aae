"""Journal entries in words: one short line for each that is worth one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from msgspec import Struct

from conductor import events
from conductor.display.summary import TicketStatistics, money
from conductor.events import Event, Payload
from conductor.visible import visible

Role = Literal["plain", "title", "dim", "good", "bad", "wait", "hint"]
_LINE_CHARACTERS = 160
_SHOWN = 8  # findings of a gate
_TARGETS = ("command", "path", "pattern", "call_id")  # the argument that says most about a call, if it has it


class Line(Struct, frozen=True):
    """A display-safe line about a ticket ("" for the run), and the role that its colour follows from."""

    ticket_id: str
    text: str
    role: Role = "plain"


class Narrator:
    """Puts entries into words. It remembers what each ticket used and which call is which.

    `used_before` says what each ticket has used so far; it is asked when a run begins or goes on.
    """

    def __init__(
        self,
        titles: Mapping[str, str],
        used_before: Callable[[], Mapping[str, TicketStatistics]] | None = None,
        seen: str = "",
    ) -> None:
        """`seen` is the clutch whose decisions stand on the same screen already."""
        self._titles = titles
        self._used_before = used_before
        self._seen = seen
        self._spent: dict[str, TicketStatistics] = {}
        self._calls: dict[str, str] = {}  # the calls of the latest turn in words, by call id

    def lines(self, event: Event) -> list[Line]:
        """Return what there is to say about an entry, most often nothing or one line. Every entry has to pass here."""
        data = event.data
        if self._used_before and isinstance(data, events.TrackStarted | events.RunResumed):
            self._spent = dict(self._used_before())
        used = self._spent[event.ticket_id] = self._used(event).after(event)
        if isinstance(data, events.ModelReplied | events.CallsOffered):
            self._calls = {call["call_id"]: call_in_words(call["tool"], call["arguments"]) for call in data.tool_calls}
        elif isinstance(data, events.CallStarted):  # a human may have changed it
            self._calls[data.call_id] = call_in_words(data.tool, data.arguments)
        said = chain(
            _of_run(data), self._of_ticket(event.ticket_id, data, used), self._of_call(data, used), _of_files(data)
        )
        ticket_id = visible(event.ticket_id, one_line=True)
        return [Line(ticket_id, text, role) for text, role in said]

    def doing(self, event: Event) -> str:
        """Return what goes on after an entry until the next, "" where that is not known or is the human's turn."""
        used = self._used(event)
        match event.data:
            case events.TicketStarted() | events.WorkerTold() | events.CallFinished() | events.HintGiven():
                doing = "worker thinking"
            case events.RunResumed():
                return "going on where it stopped"
            case events.CallStarted(call_id=call_id):
                doing = f"running {self._calls.get(call_id, '')}"
            case events.GateStarted(gate=gate, command=command):
                doing = f"checking {gate}: {short(command)}"
            case _:
                return ""
        return f"{event.ticket_id} · {doing} · {_used_up(used, ' · ')}"

    def _used(self, event: Event) -> TicketStatistics:
        return self._spent.get(event.ticket_id, TicketStatistics())

    def _of_ticket(self, ticket_id: str, data: Payload, used: TicketStatistics) -> Iterator[tuple[str, Role]]:
        match data:
            case events.TicketStarted(model=model):
                title = self._titles.get(ticket_id, "")
                yield f"started: {short(title)} ({short(model.rpartition('/')[2])})", "title"
            case events.TicketCompleted(unchanged=unchanged):
                yield f"completed in {_used_up(used, ', ')}{', no file changed' if unchanged else ''}", "good"
            case events.TicketFailed(reason=reason):
                yield f"failed: {short(reason)}", "bad"
            case events.TicketCancelled(reason=reason):
                yield short(reason) if reason.startswith("cancelled by ") else f"cancelled: {short(reason)}", "bad"
            case events.TicketBlocked(dependency_id=dependency_id):
                yield f"blocked: {short(dependency_id)} did not complete", "wait"
            case events.TicketCommitted(commit=commit, files=files, refused=refused):
                yield _committed(commit, files, refused)
            case events.TicketRouted(to_model=model, reason=reason):
                yield f"goes on with {short(model)}: {short(reason)}", "wait"
            case _:
                yield from _of_context(data)

    def _of_call(self, data: Payload, used: TicketStatistics) -> Iterator[tuple[str, Role]]:
        match data:
            case events.ModelReplied(text=text) if text.strip():
                yield short(text), "dim"
            case events.CallDecided(by=by) if by == self._seen:
                pass
            case events.CallDecided(call_id=call_id, decision="reject", by=by, reason=reason):
                said = f": {short(' '.join(reason.split()))}" if reason.strip() else ""
                yield f"{self._calls.get(call_id, call_id)} rejected{_elsewhere(by)}{said}", "wait"
            case events.CallDecided(call_id=call_id, decision="approve", by=by, reason=reason) if (
                _elsewhere(by) or reason.strip()
            ):
                said = f": {short(' '.join(reason.split()))}" if reason.strip() else ""
                yield f"{self._calls.get(call_id, call_id)} approved{_elsewhere(by)}{said}", "good"
            case events.CallFinished(outcome=outcome) if outcome != "rejected":
                ended, role = _ending(data)
                call = self._calls.get(data.call_id) or short(data.tool)
                yield f"turn {used.turns}: {call} -> {ended}", role
            case _:
                yield from _of_check(data)


def _of_context(data: Payload) -> Iterator[tuple[str, Role]]:
    match data:
        case events.ContextBuilt(notices=notices):
            for notice in notices:
                yield f"note: {short(notice)}", "wait"
        case events.ContextCompressed(turns=turns, tokens_before=before, tokens_after=after) as told:
            by = f" by {short(told.compressor)}" if told.source == "model" else ""
            yield f"context: {turns} turns put in short{by}, {before:,} to {after:,} tokens", "dim"
            if told.note:
                yield f"the words of {short(told.compressor)} are not used: {short(told.note)}", "dim"
        case events.WindowLearned(model=model, asked=asked, stated=stated):
            said = f"its window is {stated:,}" if stated else "it does not say how many it takes"
            yield f"{short(model)} refused about {asked:,} tokens as too many; {said}", "wait"
        case _:
            pass


def _committed(commit: str, files: int, refused: str) -> tuple[str, Role]:
    if refused:
        return f"not committed: {short(refused)}", "wait"
    return (
        f"committed {commit[:10]}, {files} file{'s' if files != 1 else ''}" if commit else "nothing to commit"
    ), "dim"


def _of_check(data: Payload) -> Iterator[tuple[str, Role]]:
    match data:
        case events.GateFinished(gate=gate, stale=stale) if stale:
            yield f"{short(gate)}: {short(stale)}; it runs again", "wait"
        case events.GateFinished() as gate:
            yield from verdict(gate)
        case events.BaselineTaken(gate=gate, findings=findings, note=note, broken="") if findings or note:
            yield short(note) if note else f"{short(gate)} finds {len(findings)} already, left alone", "dim"
        case events.CorrectionsExhausted(gate=gate, rounds=rounds):
            yield f"{short(gate)} still fails after {rounds} corrections", "bad"
        case events.HintGiven(stale=stale) if stale:
            yield f"hint left out: {short(stale)}", "dim"
        case events.HintGiven(text=text):
            yield f"hint: {short(text)}", "hint"
        case events.WorkerTold(text=text):
            yield f"told: {short(text)}", "dim"
        case events.InterventionApplied(text=text, by=by):
            yield f"told{_elsewhere(by)}: {short(text)}", "hint"
        case events.BugReported(text=text, hint=hint, by=by):
            yield f"bug reported{_elsewhere(by)}: {short(text or hint)}", "hint"
        case events.InterventionStale(reason=reason):
            yield f"not told: {short(reason)}", "wait"
        case _:
            pass


def verdict(gate: events.GateFinished) -> Iterator[tuple[str, Role]]:
    """Yield how a gate ended, then the first of what it found."""
    if gate.skipped:
        yield short(gate.skipped), "bad"
        return
    if gate.broken:
        yield f"{short(gate.gate)}: {short(gate.command)} -> cannot check", "bad"
        return
    found = f"found {len(gate.findings)}" if gate.findings else f"exit {gate.exit_code}"
    ended = "passed" if gate.passed else found
    older = f", {gate.old} older left alone" if gate.old else ""
    yield f"{short(gate.gate)}: {short(gate.command)} -> {ended}{older}", "plain" if gate.passed else "bad"
    for finding in gate.findings[:_SHOWN]:
        yield f"  {short('{rule} {path}:{line} {message}'.format_map(finding))}", "bad"
    if len(gate.findings) > _SHOWN:
        yield f"  and {len(gate.findings) - _SHOWN} more", "bad"


def _used_up(used: TicketStatistics, separator: str) -> str:
    turns = f"{used.turns} turn{'s' if used.turns != 1 else ''}"
    return f"{turns}{separator}{money(used.usd)}" if used.usd else turns


def short(text: str) -> str:
    """Return the first line of `text` that says something, display-safe and of bounded length."""
    line = next((line for line in text[:4000].splitlines() if line.strip()), "").strip()
    cut = line if len(line) <= _LINE_CHARACTERS else line[: _LINE_CHARACTERS - 1] + "…"
    return visible(cut, one_line=True)


def _of_run(data: Payload) -> Iterator[tuple[str, Role]]:
    match data:
        case events.RunPaused(reason=reason):
            yield f"paused: {short(reason)}", "wait"
        case events.BudgetExceeded(budget=budget, limit=limit, spent=spent):
            yield f"budget reached: {short(budget)} {spent:g} of {limit:g}", "wait"
        case _:
            pass


def _of_files(data: Payload) -> Iterator[tuple[str, Role]]:
    match data:
        case events.CodeChanged(found=True, frozen=frozen) if frozen:
            did = "changed" if data.after else "deleted"
            yield f"a command {did} {short(data.path)}, which is frozen ({short(frozen)})", "bad"
        case events.CallFinished(put_back=files) if files:
            yield f"the command {_did(files)}, which is frozen: put back", "bad"
        case events.GateFinished(gate=gate, put_back=files) if files:
            yield f"{short(gate)} {_did(files)} by itself: put back", "bad"
        case events.CallsOffered(by=by, why=why, tool_calls=calls):
            yield f"{short(by)} {short(why)}" if calls else f"{short(by)} has nothing to offer that can be shown", "dim"
        case _:
            pass


def _did(files: Sequence[Mapping[str, Any]]) -> str:
    """Say what was done to files that were put back."""
    verbs = {True: "created", False: "changed"}
    said = [f"{verbs[not file['before']] if file['after'] else 'deleted'} {short(file['path'])}" for file in files]
    more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return ", ".join(said[:_SHOWN]) + more


def call_in_words(tool: str, arguments: Mapping[str, Any]) -> str:
    """Return a call in a few words: the tool and what it is about."""
    target = next((str(arguments[name]) for name in _TARGETS if arguments.get(name)), "")
    return f"{short(tool)} {short(target)}".rstrip()


def _elsewhere(by: str) -> str:
    """Return who decided in words that follow a verb, "" for the human or the policy of this very run."""
    name = by.removeprefix("cli:")
    return "" if name == by else f" by {short(name)} in another terminal"


def _ending(finished: events.CallFinished) -> tuple[str, Role]:
    """Return how a call ended in a few words."""
    match finished.outcome:
        case "ok" | "error" if finished.exit_code is not None:
            return f"exit {finished.exit_code}", "plain" if finished.exit_code == 0 else "bad"
        case "ok":
            return "done", "plain"
        case "happened":
            return "it happened, a human says", "plain"
        case outcome:
            return f"{outcome}: {short(finished.text)}", "bad"
