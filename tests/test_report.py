"""What a track took, read off its journal; and the rules that would have saved prompts."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conductor import events
from conductor.cli.commands import run_typer
from conductor.clutch.limits import Limits
from conductor.clutch.policy import suggestions
from conductor.clutch.scripted import Answer, ScriptedClutch, approve
from conductor.events.calls import MAX_LOOK_S
from conductor.export.run import Total
from conductor.inspector.observe import attempts
from conductor.journal import Journal, read
from conductor.messages import Approved, Rejected
from conductor.models import Ticket
from conductor.report import TicketReport, report
from conductor.undo import carry_out, undoing
from tests.bench import DONE, Bench, ListModel, Turn, calls
from tests.e2e.driver import call, make_project

EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
FAIL = ("run_shell", {"command": "echo boom >&2; exit 3"})
STATUS = ("run_shell", {"command": "ls"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    return tmp_path.resolve()


def worked(root: Path, turns: list[Turn], answers: list[Answer] | None = None, verify: str = "") -> Bench:
    bench = Bench(root, lambda: [Ticket("T1", "A", "a.py", "Do it.", verify=verify)], ListModel({"T1": turns}))
    bench.engine(ScriptedClutch(answers or [approve] * 20)).run()
    return bench


def of(bench: Bench) -> TicketReport:
    return report(read(bench.store.rows()), ["T1"]).tickets["T1"]


def test_decisions_checks_hints_and_tokens_are_counted(root: Path) -> None:
    good = ("write_file", {"path": "a.py", "content": "good\n"})
    edited = Approved({"path": "a.py", "old_string": "1", "new_string": "3"})
    bench = worked(
        root,
        [calls(EDIT, FAIL, ("delete_file", {"path": "a.py"})), DONE, calls(good), DONE],
        [edited, approve, approve, Rejected("no"), approve, approve],
        verify="grep -q good a.py",
    )
    took = of(bench)
    assert (took.approved, took.edited, took.rejected) == (3, 1, 1)
    assert (took.checks_passed, took.checks_failed, took.corrections) == (1, 1, 1)
    assert took.hints == 2
    assert (took.turns, took.tokens) == (4, 440)
    assert took.worked_s > 0


def test_what_was_undone_is_counted_and_still_took_what_it_took(root: Path) -> None:
    bench = worked(root, [calls(EDIT), calls(STATUS), DONE])
    track = bench.engine().track
    with undoing(track, bench.store, root, "T1") as (found, journal):
        carry_out(found, journal, track.ticket("T1"), root)
    took = of(bench)
    assert (took.undone, took.turns, took.approved) == (2, 3, 2)


def test_attention_is_the_same_figure_in_the_report_the_inspector_and_the_page(root: Path) -> None:
    """Measured, unmeasured and too long to be true, a policy's, and that of an earlier version."""

    def decided(call_id: str, by: str, waited_s: float, **more: float) -> events.CallDecided:
        return events.CallDecided(call_id, "approve", by, "", {}, {}, False, "", waited_s=waited_s, **more)

    bench = worked(root, [DONE])
    journal = Journal(bench.store, "t")
    for decision in (
        decided("c1", "terminal", 4_000.0, looked_s=7.0),
        decided("c2", "terminal", 9_000.0),
        decided("c3", "jsonl", 3.0),
        decided("c4", "rule:12345678", 50.0),
    ):
        journal.record(decision, ticket_id="T1")
    entries = [event for event in journal.entries() if event.ticket_id == "T1"]
    page = Total()
    for event in entries:
        page.add(event)
    (attempt,) = attempts(entries)

    assert page.attention_s == attempt.attention_s == of(bench).attention_s == 7.0 + MAX_LOOK_S + 3.0


def test_rules_that_would_have_saved_most_come_first_and_none_with_a_regret(root: Path) -> None:
    listing = [calls(("run_shell", {"command": f"ls{flag}"})) for flag in ("", " -a", " -l")]
    reading = [calls(("read_file", {"path": "a.py", "start_line": n})) for n in range(1, 6)]
    refused = [calls(("run_shell", {"command": f"pwd{flag}"})) for flag in ("", " -P", " -L", " -L -P")]
    answers: list[Answer] = [approve] * 8 + [approve, approve, approve, Rejected("not again")]
    bench = Bench(
        root,
        lambda: [Ticket("T1", "A", "a.py", "Do it.")],
        ListModel({"T1": [*listing, *reading, *refused, DONE]}),
        max_turns=20,
    )
    bench.engine(ScriptedClutch(answers)).run()
    found = suggestions(read(bench.store.rows()), Limits(root, (), lambda: True))
    assert [rule.approved for rule in found] == [5, 3], [rule.text for rule in found]
    assert "read_file" in found[0].text and "ls" in found[1].text
    assert not any("pwd" in rule.text for rule in found)


class Loads(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]
        self.found += [tag] * (tag in ("script", "link", "img", "iframe"))


def test_the_page_and_json_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    hostile = '<script>alert(1)</script>\x1b[2J" onload="x'
    turns = {"T1": [{"tool_calls": [call("run_shell", command="ls")]}, {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1", "title": hostile}], turns, files={"notes.txt": "x\n"})
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.chdir(project)
    assert run_typer(["run", "tracks/track.toml", "--auto", "--no-sandbox"]) == 0
    capsys.readouterr()
    assert run_typer(["report", "--html", "r.html"]) == 0
    page = (project / "r.html").read_text()
    loads = Loads()
    loads.feed(page)
    assert loads.found == [] and "\x1b" not in page
    capsys.readouterr()
    assert run_typer(["report", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["tickets"][0]["by_policy"] == 1 and said["total"]["turns"] == 2
    assert run_typer(["report"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text and "T1" in text
