"""Several processes and one journal: what others ask for is heeded once, in order, and survives a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conductor import events, requests
from conductor.clutch.scripted import approve
from conductor.errors import ExitCode, NeedsHuman, UsageError
from conductor.events import CallProposed
from conductor.journal import Journal
from conductor.ledger import Ledger
from conductor.messages import Aborted, Approved, Completion, Decision, Preview, Rejected, Skipped, ToolCall
from conductor.models import Ticket, Track, TrustLevel
from tests.bench import DONE, Bench, ListModel, calls, tree

WRITE = calls(("write_file", {"path": "a.txt", "content": "one\n"}))
AGAIN = calls(("write_file", {"path": "b.txt", "content": "two\n"}))


def tickets() -> list[Ticket]:
    return [
        Ticket("T1", "First", "a.txt", "Do it."),
        Ticket("T2", "Second", "a.txt", "Do it.", dependencies=("T1",)),
        Ticket("T3", "Third", "a.txt", "Do it."),
    ]


def bench(root: Path, turns: Sequence[Completion] = (WRITE, AGAIN, DONE), **more: Any) -> Bench:
    model = ListModel({"T1": list(turns), "T2": [DONE] * 3, "T3": [DONE] * 3})
    return Bench(root, tickets, model, **more)


def outside(at: Bench) -> Ledger:
    """What another process has of the run."""
    ledger = Ledger(Track("t", "A track", "", at.tickets()), Journal(at.store, "t", node="cli"))
    ledger.replay()
    return ledger


def then(do: Callable[[], object], answer: Callable[[ToolCall, Preview], Decision] = approve) -> Any:
    """An answer before which something happens in another process."""

    def answering(call: ToolCall, preview: Preview) -> Decision:
        do()
        return answer(call, preview)

    return answering


def waiting(at: Bench) -> tuple[str, CallProposed]:
    ((ticket_id, call),) = outside(at).inbox.waiting.items()
    return ticket_id, call


def reply(at: Bench, decision: str, reason: str = "", by: str = "cli:bo") -> None:
    requests.answer(outside(at), *waiting(at), decision, reason, by)


def say(at: Bench, text: str, **more: Any) -> None:
    requests.intervene(outside(at), "T1", text, "cli:bo", **more)


def human_messages(at: Bench, number: int) -> list[str]:
    """What humans said in the number-th request for T1, counted from 1."""
    asked = [messages for ticket, messages in at.model.requests if ticket == "T1"]
    return [m.content for m in asked[number - 1] if m.role == "user" and m.content.startswith("A human says")]


def settled(at: Bench) -> None:
    """The state in memory is the one the journal gives, and the journal is whole."""
    entries = Journal(at.store, "t").entries()
    assert [event.sequence for event in entries] == list(range(1, len(entries) + 1))
    for node in ("engine", "cli"):
        counts = [event.node_count for event in entries if event.node == node]
        assert counts == list(range(1, len(counts) + 1))


def test_guidance_reaches_the_worker_once_with_the_next_request(tmp_path: Path) -> None:
    at = bench(tmp_path)
    assert at.engine([then(lambda: say(at, "Use tabs.")), approve]).run() == ExitCode.OK

    told = ["A human says (before the last 1 change of files): Use tabs."]
    assert [human_messages(at, number) for number in (1, 2, 3)] == [[], told, told]
    (applied,) = at.of_kind("intervention_applied")
    (queued,) = [event for event in at.heard if event.kind == "intervention_queued"]
    assert (applied.intervention, applied.request, applied.by) == (queued.event_id, 2, "cli:bo")
    assert queued.node == "cli"
    settled(at)


def test_what_is_said_when_the_worker_is_done_is_heard_before_the_end(tmp_path: Path) -> None:
    class Late(ListModel):
        def complete(self, messages: Any, tools: Any) -> Completion:
            if messages[-1].role == "tool":  # while the model thinks for the last time
                say(at, "And a test.")
            return super().complete(messages, tools)

    at = bench(tmp_path)
    at.model = Late({"T1": [WRITE, DONE, DONE], "T2": [DONE], "T3": [DONE]})
    assert at.engine().run() == ExitCode.OK
    assert human_messages(at, 3) == ["A human says: And a test."]
    assert at.of_kind("intervention_applied")[0].request == 3


def test_guidance_for_a_parked_run_waits_for_the_next(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    say(at, "Use tabs.")
    say(at, "And no spaces.")
    assert at.engine().run() == ExitCode.OK
    said = human_messages(at, 2)
    assert [text.partition(": ")[2] for text in said] == ["Use tabs.", "And no spaces."]
    assert len(at.of_kind("intervention_applied")) == 2
    settled(at)


def test_guidance_before_the_ticket_begins(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    requests.intervene(outside(at), "T2", "Be brief.", "cli:bo")
    assert at.engine().run() == ExitCode.OK
    first = next(messages for ticket, messages in at.model.requests if ticket == "T2")
    assert first[-1].content == "A human says: Be brief."


def test_guidance_about_older_code_is_kept_and_not_told(tmp_path: Path) -> None:
    at = bench(tmp_path)
    assert at.engine([then(lambda: say(at, "Line 3 is wrong.", about=0)), approve]).run() == ExitCode.OK
    assert human_messages(at, 3) == []
    (stale,) = at.of_kind("intervention_stale")
    assert "version 0" in stale.reason and "version 1" in stale.reason


@pytest.mark.parametrize("ask", ["intervene", "cancel"])
@pytest.mark.parametrize(("ticket_id", "why"), [("T9", "no ticket T9"), ("T1", "T1 is completed")])
def test_a_request_nobody_can_heed_is_not_stored(tmp_path: Path, ask: str, ticket_id: str, why: str) -> None:
    at = bench(tmp_path)
    at.engine().run()
    before = list(at.store.rows())
    with pytest.raises(UsageError, match=why):
        getattr(requests, ask)(outside(at), ticket_id, "x", "cli:bo")
    assert list(at.store.rows()) == before


def test_a_request_that_comes_a_moment_too_late_is_not_stored(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    early = outside(at)
    at.engine().run()
    before = list(at.store.rows())
    with pytest.raises(UsageError, match="T1 is completed"):
        requests.intervene(early, "T1", "x", "cli:bo")
    assert list(at.store.rows()) == before


def test_cancelling_what_waits_and_what_has_not_begun(tmp_path: Path) -> None:
    at = bench(tmp_path)

    def cancel_both() -> None:
        requests.cancel(outside(at), "T3", "not needed", "cli:bo")
        requests.cancel(outside(at), "T1", "", "cli:bo")
        with pytest.raises(UsageError, match="already"):
            requests.cancel(outside(at), "T1", "", "cli:al")

    engine = at.engine([then(cancel_both)])
    assert engine.run() == ExitCode.TICKETS_FAILED
    states = {ticket.id: str(ticket.status) for ticket in engine.track.tickets}
    assert states == {"T1": "cancelled", "T2": "blocked", "T3": "cancelled"}
    assert tree(tmp_path) == {}
    reasons = [cancelled.reason for cancelled in at.of_kind("ticket_cancelled")]
    assert reasons == ["cancelled by bo", "cancelled by bo: not needed"]
    assert [t for t, _ in at.model.requests] == ["T1"]
    settled(at)


def test_a_parked_run_uses_the_answer_without_asking(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    reply(at, "approve", "mind the tabs")
    assert at.engine([approve]).run() == ExitCode.OK  # one answer for the second call

    first, second = at.of_kind("call_decided")
    assert (first.by, first.decision, first.reason) == ("cli:bo", "approve", "mind the tabs")
    assert second.by == "scripted"
    told = [message.content for message in at.model.requests[1][1] if message.role == "tool"]
    assert "said: mind the tabs" in told[0]
    settled(at)


def test_an_answer_outranks_what_the_next_run_would_let_through(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    reply(at, "reject", "not there")
    at.level = TrustLevel.AUTO
    assert at.engine([Aborted()]).run() == ExitCode.OK
    assert not (tmp_path / "a.txt").exists() and (tmp_path / "b.txt").exists()


def test_a_parked_answer_to_what_was_changed_since_is_asked_again(tmp_path: Path) -> None:
    at = bench(tmp_path)
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    reply(at, "approve")
    (tmp_path / "a.txt").write_text("somebody's own\n")
    asked: list[Preview] = []
    with pytest.raises(NeedsHuman):
        at.engine([lambda call, preview: asked.append(preview) or Aborted()]).run()  # type: ignore[func-returns-value]
    assert "somebody's own" in asked[0].text
    assert (tmp_path / "a.txt").read_text() == "somebody's own\n"


def test_the_first_answer_counts(tmp_path: Path) -> None:
    at = bench(tmp_path)

    def two_elsewhere() -> None:
        other = outside(at)
        ticket_id, call = waiting(at)
        reply(at, "reject", "no")
        with pytest.raises(UsageError, match="answered by bo: reject"):
            requests.answer(other, ticket_id, call, "approve", "", "cli:al")

    assert at.engine([then(two_elsewhere), approve]).run() == ExitCode.OK
    first, second = at.of_kind("call_decided")
    assert (first.by, first.decision, second.by) == ("cli:bo", "reject", "scripted")
    assert not (tmp_path / "a.txt").exists()
    assert len([row for row in at.store.rows() if row.kind == "call_answered"]) == 1


def test_an_answer_after_the_decision_is_not_stored(tmp_path: Path) -> None:
    at = bench(tmp_path)
    seen: list[tuple[Ledger, str, CallProposed]] = []
    assert at.engine([then(lambda: seen.append((outside(at), *waiting(at)))), approve]).run() == ExitCode.OK
    with pytest.raises(UsageError, match="decided by scripted: approve"):
        requests.answer(*seen[0], "reject", "", "cli:bo")
    assert "call_answered" not in at.kinds()


@pytest.mark.parametrize("mine", [approve, Rejected("mine"), Skipped()])
def test_an_answer_in_the_last_moment_comes_first(tmp_path: Path, mine: Any) -> None:
    """Between the human's key and the record of it: the journal's order decides, and the call runs once at most."""
    at = bench(tmp_path)
    engine = at.engine([mine, approve])
    record = engine._ledger.journal.record

    def late(*payloads: Any, **more: Any) -> Any:
        if more.get("unless") and any(isinstance(p, events.CallDecided) for p in payloads) and not late_ones:
            late_ones.append(1)
            reply(at, "reject", "no")
        return record(*payloads, **more)

    late_ones: list[int] = []
    engine._ledger.journal.record = late  # type: ignore[method-assign]
    assert engine.run() == ExitCode.OK
    first = at.of_kind("call_decided")[0]
    assert (first.by, first.decision, first.reason) == ("cli:bo", "reject", "no")
    assert not (tmp_path / "a.txt").exists()
    settled(at)


def test_an_answer_while_somebody_edits_comes_first(tmp_path: Path) -> None:
    at = bench(tmp_path)
    edited = Approved({"path": "a.txt", "content": "mine\n"})
    assert at.engine([then(lambda: reply(at, "approve"), lambda *_: edited), approve]).run() == ExitCode.OK
    first = at.of_kind("call_decided")[0]
    assert (first.by, first.edited) == ("cli:bo", False)
    assert (tmp_path / "a.txt").read_text() == "one\n"


def test_state_in_memory_is_the_state_of_the_journal_at_every_decision(tmp_path: Path) -> None:
    at = bench(tmp_path)
    engines: list[Any] = []

    def compare(call: ToolCall, preview: Preview) -> Decision:
        say(at, f"About {call.call_id}.")
        mine, again = engines[0]._ledger, outside(at)
        mine.journal.catch_up()
        assert mine.inbox.guidance("T1") == again.inbox.guidance("T1")
        assert mine.inbox.waiting == again.inbox.waiting
        ours, theirs = mine.context(mine.track.ticket("T1")), again.context(again.track.ticket("T1"))
        assert (ours.messages, ours.last_event_id) == (theirs.messages, theirs.last_event_id)
        return approve(call, preview)

    engines.append(at.engine([compare, compare]))
    assert engines[0].run() == ExitCode.OK
    settled(at)


def test_a_check_is_answered_from_elsewhere_too(tmp_path: Path) -> None:
    at = bench(tmp_path, [DONE])
    at.tickets = lambda: [Ticket("T1", "First", "a.txt", "Do it.", verify="true")]
    with pytest.raises(NeedsHuman):
        at.engine([Aborted()]).run()
    assert waiting(at)[1].preview["text"] == "true"
    reply(at, "approve")
    assert at.engine([Aborted()]).run() == ExitCode.OK
    assert at.of_kind("call_decided")[0].by == "cli:bo"
    assert at.permits.allowed  # a human's yes, wherever it was given, is kept for the command as it stood


def report(at: Bench, text: str = "", output: bytes = b"", **more: Any) -> events.BugReported:
    return requests.report_bug(outside(at), "T1", text, "cli:bo", output=output, **more)


def test_a_bug_is_told_once_with_the_next_request(tmp_path: Path) -> None:
    at = bench(tmp_path)
    output = b"noise\n" * 3000 + b"Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'x'\n"
    rejected = then(lambda: report(at, "It breaks.", output), lambda *_: Rejected("No."))
    at.engine([approve, rejected]).run()

    assert human_messages(at, 2) == []
    told = human_messages(at, 3)
    assert len(told) == 1
    assert "there is a bug. It breaks. What failed comes to this: " in told[0]
    assert "KeyError" in told[0]
    assert "noise" not in told[0]
    bug = at.of_kind("bug_reported")[0]
    assert at.store.get(bug.output) == output
    assert len(bug.hint.split()) <= 20
    assert len(at.of_kind("intervention_applied")) == 1
    settled(at)


def test_a_bug_of_older_code_is_marked_stale_and_not_told(tmp_path: Path) -> None:
    at = bench(tmp_path)
    at.engine([then(lambda: report(at, "It breaks.")), approve]).run()

    assert at.of_kind("bug_reported")[0].about == 0
    assert "version" in at.of_kind("intervention_stale")[0].reason
    assert not any(human_messages(at, number) for number in (1, 2, 3))


def test_a_bug_of_a_ticket_that_is_yet_to_begin_waits_for_it(tmp_path: Path) -> None:
    at = bench(tmp_path)
    at.engine([then(lambda: requests.report_bug(outside(at), "T2", "It breaks.", "cli:bo")), approve]).run()

    first = next(messages for ticket, messages in at.model.requests if ticket == "T2")
    assert first[-1].content == "A human says: there is a bug. It breaks."


def test_nothing_is_stored_of_a_bug_of_a_ticket_that_has_ended(tmp_path: Path) -> None:
    at = bench(tmp_path)
    at.engine().run()
    before, contents = list(at.store.rows()), dict(at.store._blobs)

    with pytest.raises(UsageError, match="T1 is completed") as caught:
        report(at, output=b"It fails.")
    assert "conductor undo T1" in caught.value.hint
    assert list(at.store.rows()) == before
    assert at.store._blobs == contents
