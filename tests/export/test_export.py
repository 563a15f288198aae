"""A run as a page: everything is in it, nothing is loaded from elsewhere, and hostile text is text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.clutch.rules import DenyClutch
from conductor.clutch.scripted import approve
from conductor.errors import NeedsHuman
from conductor.export.run import run_page
from conductor.journal import Journal, apply, read
from conductor.ledger import Ledger
from conductor.messages import Approved, Rejected
from conductor.models import Ticket, Track
from conductor.requests import intervene, report_bug
from tests.bench import DONE, Bench, ListModel, calls
from tests.e2e.driver import call, make_project, run_command
from tests.test_page import HOSTILE, Outline

EDIT = ("edit_file", {"path": "a.py", "old_string": "1", "new_string": "2"})
SHELL = ("run_shell", {"command": "printf '\\033[31m<img src=x onerror=alert(1)>\\033[0m\\n'; seq 1000; exit 3"})


@pytest.fixture
def shown(tmp_path: Path) -> Outline:
    (tmp_path / "a.py").write_text("A = 1 # <b>bold</b>\n")
    write = ("write_file", {"path": "new.txt", "content": HOSTILE.replace("\x1b", "")})
    turns = [calls(EDIT, write, text=HOSTILE), calls(SHELL), DONE]
    tickets = lambda: [Ticket("T1", f"Title {HOSTILE}", "a.py", f"Do {HOSTILE}", verify="test -f a.py")]  # noqa: E731
    bench = Bench(tmp_path.resolve(), tickets, ListModel({"T1": turns}))
    edited = Approved({**EDIT[1], "new_string": "7"}, comment=f"better {HOSTILE}")
    bench.engine([edited, approve, Rejected("<b>no</b>"), approve, approve, approve]).run()
    track = Track("t", f"A track {HOSTILE}", HOSTILE, tickets())
    for event in bench.heard:
        apply(track, event)
    return Outline(run_page(track, bench.heard, bench.store.get, "1.2"))


def test_everything_is_told(shown: Outline) -> None:
    for said in (
        *("1 of 1 tickets completed", "Timeline", "Costs", "Files", "T1 Title", "Turn 1", "Turn 3"),
        *("edited, approved", "by scripted", "better <script>", "rejected", "<b>no</b>", "exit code 3"),
        *(
            "-A = 1 # <b>bold</b>",
            "+A = 7 # <b>bold</b>",
            "hint",
            "lines left out",
            "verify",
            "passed",
            "this check by",
        ),
        *("Made by Conductor 1.2", "hash"),
    ):
        assert said in shown.text, said


def test_nothing_is_loaded_and_nothing_runs(shown: Outline) -> None:
    names = {name for name, _ in shown.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "svg"}
    for name, attributes in shown.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("src", "srcset", "action", "data")]
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#ticket-"), name
        if "style" in attributes:
            assert "url(" not in (attributes["style"] or "")
    style = shown.text[: shown.text.index("A track")]
    assert "@import" not in style and "url(" not in style


def test_nothing_shown_controls_a_terminal_or_hides(shown: Outline) -> None:
    assert not {"\x1b", "\u202e"} & set(shown.text)


def test_what_people_said_meanwhile_is_told_in_words(tmp_path: Path) -> None:
    tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.")]  # noqa: E731
    write = ("write_file", {"path": "a.py", "content": "A"})
    bench = Bench(tmp_path.resolve(), tickets, ListModel({"T1": [calls(write), DONE, DONE]}))
    with pytest.raises(NeedsHuman):
        bench.engine(DenyClutch()).run()
    outside = Ledger(Track("t", "", "", tickets()), Journal(bench.store, "t", node="cli"))
    outside.replay()
    report_bug(outside, "T1", f"It is wrong {HOSTILE}", "cli:bo")
    intervene(outside, "T1", "Mind the tests.", "cli:bo")
    bench.engine([approve]).run()
    track = Track("t", "A track", "", tickets())
    text = Outline(run_page(track, list(read(bench.store.rows())), bench.store.get, "1.2")).text
    for said in (
        "paused",
        "Bug reported",
        "by cli:bo, in version 0",
        "It is wrong <script>",
        "was not told: ",
        "request 2",
    ):
        assert said in text, said


def test_a_clock_that_was_set_back_makes_no_time_negative(tmp_path: Path) -> None:
    tickets = lambda: [Ticket("T1", "Title", "a.py", "Do it.")]  # noqa: E731
    write = ("write_file", {"path": "a.py", "content": "A"})
    bench = Bench(tmp_path.resolve(), tickets, ListModel({"T1": [calls(write), DONE]}))
    bench.engine([approve]).run()
    back = [replace(event, at=f"2020-01-01T00:00:{at:02}.000000+00:00") for at, event in enumerate(bench.heard[4:])]
    page = run_page(Track("t", "A track", "", tickets()), [*bench.heard[:4], *back], bench.store.get, "1.2")
    assert not re.search(r"[ >]-\d[\d.,]* s\b", page)
    places = [float(at) for at in re.findall(r"(?:left|width):\s*([-\d.]+)%", page)]
    assert places and all(0 <= at <= 100 for at in places)


def test_the_command_writes_page_and_lines(tmp_path: Path) -> None:
    turns = [{"tool_calls": [call("write_file", path="a.txt", content="a")]}, {"text": "Done."}]
    project = make_project(tmp_path, [{"id": "T1"}], {"T1": turns})
    assert run_command(project, "export").returncode == 2, "nothing has run yet"
    assert run_command(project, "run", "tracks/track.toml", "--auto").returncode == 0

    done = run_command(project, "export", "--html", "run.html", "--jsonl", "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert "A small track" in Outline((project / "run.html").read_text()).text
    kinds = [json.loads(line)["kind"] for line in (project / "run.jsonl").read_text().splitlines()]
    assert (kinds[0], kinds[-1]) == ("track_started", "track_completed")

    assert run_command(project, "export", "--html", "-").stdout == (project / "run.html").read_text()
    assert run_command(project, "export", "--html", "no/such/folder.html").returncode == 2
    assert run_command(project, "export").returncode == 0
    assert (project / "small.html").exists()
