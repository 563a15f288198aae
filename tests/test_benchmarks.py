"""The benchmarks run, at their smallest; what they find is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import examine
from benchmarks.lockstep import Outcome
from benchmarks.report import Figure

ROOT = Path(__file__).parent.parent


def run(name: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", "--no-peer", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def figures(report: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(line["what"], line["who"]): line["median"] for line in report["figures"]}


def test_startup_times_every_command_and_names_what_it_loads():
    report = run("startup", "--rounds", "1")
    assert {who for _, who in figures(report)} >= {"conductor --version", "conductor --help", "conductor view"}
    assert "heavy ones: none" in next(note for note in report["notes"] if note.startswith("conductor --version"))
    loaded = next(note for note in report["notes"] if note.startswith("conductor --help"))
    assert loaded.endswith("heavy ones: typer")


@pytest.mark.slow
def test_steps_has_a_gap_for_each_client_and_step():
    found = figures(run("steps", "--steps", "20"))
    for step in (10, 15):
        for who in ("conductor", "bare loop", "conductor, scripted model"):
            assert found[f"gap at step {step}", who] > 0


def test_a_killed_run_has_lost_nothing_it_acknowledged():
    found = figures(run("kills", "--kills", "2", "--longest", "0.3", "--steps", "5"))
    assert found["of them missing after 2 kills", "conductor"] == 0
    assert found["breaks of the hash chain", "conductor"] == 0
    assert found["entries acknowledged", "conductor"] > 0


@pytest.mark.parametrize("size", [("60", "12"), pytest.param(("1000", "200"), marks=pytest.mark.slow)])
def test_writers_that_are_killed_at_random_leave_no_gap_and_double_nothing(size: tuple[str, str]):
    entries, kills = size
    found = figures(run("writers", "--entries", entries, "--kills", kills))
    assert found.pop(("kills", "conductor")) > 0
    assert found.pop(("entries", "conductor")) == 4 * int(entries)
    assert 0 < found.pop(("acknowledged", "conductor")) <= 4 * int(entries)
    assert set(found.values()) == {0}


@pytest.mark.slow
def test_memory_is_measured_with_and_without_litellm():
    found = figures(run("memory", "--steps", "5"))
    assert found["peak after 5 steps", "conductor"] > found["peak after 5 steps", "conductor, scripted model"] > 0


@pytest.mark.slow
def test_the_clutch_is_measured_beside_a_plain_diff():
    found = figures(run("clutch", "--rounds", "1"))
    assert {who for _, who in found} == {"conductor", "difflib and rich"}
    assert min(found.values()) > 0


def test_the_steps_around_one_are_its_neighbours():
    outcome = Outcome([float(n) for n in range(1, 101)])
    assert outcome.around(10, reach=2) == [8, 9, 10, 11, 12]
    assert outcome.around(2, reach=5)[0] == 1


def test_p90_is_of_the_ordered_values():
    assert Figure("w", "o", [5, 1, 4, 2, 3, 6, 7, 8, 9, 10, 11], "ms").p90 == 10


def test_a_missing_journal_has_no_entries(tmp_path: Path):
    assert examine(tmp_path) == (set(), 0)


def test_rules_stands_beside_the_matchers_that_are_commonly_written():
    found = figures(run("rules"))
    approved = {who: median for (what, who), median in found.items() if what.endswith("attacks approved")}
    assert approved.pop("conductor") == 0
    assert set(approved) == {"startswith", "first words", "split on operators"} and min(approved.values()) > 0


@pytest.mark.slow
def test_prompt_bytes_stay_below_the_limit_of_a_small_window():
    report = figures(run("prompt_bytes"))
    assert report["largest request", "conductor, window of 8,192"] <= 0.8 * 8_192
    small, whole = (report["all 41 requests", who] for who in ("conductor, window of 8,192", "conductor"))
    assert small < whole / 2


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_at_once():
    found = figures(run("after_kill", "--rounds", "1"))
    assert found["request after a kill", "conductor run"] > 0


def test_appends_stand_beside_a_bare_write():
    found = figures(run("appends", "--rounds", "5"))
    assert found["append", "an entry"] > 0 and found["append, p99", "a write and fsync"] > 0
