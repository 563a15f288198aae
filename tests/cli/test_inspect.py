"""`conductor inspect`, the installed command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from tests.e2e.driver import CONDUCTOR, call, environment, make_project


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CONDUCTOR, *arguments], cwd=project, env=environment(project), capture_output=True, text=True, timeout=60
    )


def a_run(tmp_path: Path) -> Path:
    turns = {"T1": [{"tool_calls": [call("write_file", path="notes.txt", content="a\n")]}, {"text": "Done."}]}
    settings = '[archetypes.coder]\ntrust_level = "auto"\n'
    project = make_project(tmp_path, [{"id": "T1"}], turns, settings=settings)
    assert run(project, "trust", "--yes").returncode == 0
    assert run(project, "run", "tracks/track.toml", "--clutch", "deny").returncode == 0
    return project


def test_odds_costs_and_advice_are_shown_and_drawn(tmp_path: Path) -> None:
    project = a_run(tmp_path)
    shown = run(project, "inspect", "--plot", "odds.svg")
    assert shown.returncode == 0, shown.stderr
    assert "gates passed at first try 0.50" in shown.stdout
    assert "none seen" in shown.stdout
    assert "1 of 1 tickets completed" in shown.stdout
    assert "no human looked: 1 calls" in shown.stdout
    assert ElementTree.parse(project / "odds.svg").getroot().tag.endswith("svg")


def test_a_script_gets_every_number(tmp_path: Path) -> None:
    (worker,) = json.loads(run(a_run(tmp_path), "inspect", "--json").stdout)["workers"]
    assert worker["completed"] == 1
    assert worker["rates"]["undone"]["trials"] == 1
    low, high = worker["rates"]["undone"]["interval"]
    assert 0 <= low < worker["rates"]["undone"]["mean"] < high <= 1


def test_before_any_run_the_prior_is_named(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], {})
    assert "all odds are the prior, 0.50" in run(project, "inspect").stdout


def test_mistakes_are_named(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], {})
    for arguments, said in (
        (("no-such-track",), "no ticket of a track"),
        (("--plot", "odds.gif"), "no .svg file"),
        (("--level", "2"), "level"),
    ):
        result = run(project, "inspect", *arguments)
        assert result.returncode == 2
        assert said in result.stderr


def test_the_threshold_is_the_users(tmp_path: Path) -> None:
    project = a_run(tmp_path)
    assert "90% is not certain yet" not in run(project, "inspect").stdout  # nobody decided anything
    (project / "conductor.toml").write_text("[inspector]\nthreshold = 0.2\n")
    told = run(project, "inspect")
    assert (told.returncode, "inspector.threshold" in told.stderr) == (2, True)


def test_the_report_has_the_odds_of_its_track(tmp_path: Path) -> None:
    project = a_run(tmp_path)
    shown = run(project, "report", "--html", "r.html", "--json")
    (worker,) = json.loads(shown.stdout)["odds"]
    assert worker["rates"]["undone"]["trials"] == 1
    assert "change later undone" in (project / "r.html").read_text()
    assert "change later undone       0.29  0.00 to 0.84  0 of 1" in run(project, "report").stdout
