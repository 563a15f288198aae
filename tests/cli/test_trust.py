"""`conductor trust`: what it shows, what it asks, what the yes is to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conductor.cli.commands import run_typer
from conductor.errors import NeedsHuman
from conductor.visible import is_suspect
from tests.e2e.driver import Json, environment, journal, make_project, run_command
from tests.e2e.terminal import Terminal, terminal

LOOSE = '[archetypes.coder]\ntrust_level = "auto"\n'
GATE = '[[gates]]\nname = "lint"\ncommand = "{}"\n'

Report = Callable[..., Json]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    folder = make_project(tmp_path, [{"id": "T1", "verify": "true"}], {"T1": [{"text": "Done."}]}, settings=LOOSE)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def report(project: Path, capsys: pytest.CaptureFixture[str]) -> Report:
    def run(*arguments: str) -> Json:
        assert run_typer(["trust", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def write(project: Path, text: str) -> None:
    (project / "conductor.toml").write_text(text)


def test_a_first_yes_has_nothing_to_be_compared_with(project: Path, report: Report) -> None:
    first = report()
    assert (first["waits"], first["allowed_at"], first["difference"]) == (True, "", "")
    assert first["asks_for"] == ["archetypes.coder.trust_level: auto trusts more than your step"]
    assert first["file"] == str(project / "conductor.toml")
    assert not (project.parent / "user").exists()

    assert report("--yes")["waits"] is False
    again = report()
    assert (again["waits"], again["asks_for"], again["difference"]) == (False, [], "")
    assert again["allowed_at"]


def test_after_a_change_it_asks_again_and_shows_the_difference(
    project: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report("--yes")
    before = (project / "conductor.toml").read_text()
    write(project, before + GATE.format("ruff check {files}"))

    changed = report()
    assert changed["waits"] and len(changed["asks_for"]) == 2
    assert '+command = "ruff check {files}"\n' in changed["difference"]
    assert report("--yes", "--show")["waits"], "--show allows nothing"

    with pytest.raises(NeedsHuman):
        run_typer(["trust"])
    said = capsys.readouterr().out
    assert "What has changed since you allowed it on 20" in said
    assert '+command = "ruff check {files}"' in said


def test_the_difference_is_to_what_was_allowed_last_not_first(project: Path, report: Report) -> None:
    for command in ("one", "two", "three"):
        write(project, GATE.format(command))
        shown = report("--yes")["difference"]
    assert '-command = "two"\n+command = "three"\n' in shown
    write(project, GATE.format("four"))
    assert '-command = "three"\n+command = "four"\n' in report()["difference"]


def test_a_deleted_file_is_said_to_be_gone(project: Path, report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    report("--yes")
    (project / "conductor.toml").unlink()
    gone = report("-C", str(project))
    assert (gone["exists"], gone["waits"]) == (False, False)
    assert "+++ /dev/null" in gone["difference"] and '-trust_level = "auto"' in gone["difference"]
    assert run_typer(["trust", "--show", "-C", str(project)]) == 0
    assert "conductor.toml: there is none." in capsys.readouterr().out


def test_a_huge_file_is_not_compared_line_by_line(project: Path, report: Report) -> None:
    report("--yes")
    write(project, LOOSE + "# x\n" * 400_000)
    assert report()["difference"] == "conductor.toml is too large to be compared\n"
    assert report("--yes")["waits"] is False


def test_a_yes_from_before_texts_were_kept_says_so(
    project: Path, report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    report("--yes")
    for text in (project.parent / "user" / "allowed").iterdir():
        text.unlink()
    write(project, GATE.format("true"))
    assert run_typer(["trust", "--show"]) == 0
    assert "(what it was then was not kept)" in capsys.readouterr().out


def test_the_checks_of_a_track_are_allowed_at_once_and_a_run_asks_no_more(project: Path, report: Report) -> None:
    track = "tracks/track.toml"
    waits = report(track)
    assert waits["asks_for"] == ["verify of T1: true"]
    assert report(track, "--yes")["waits"] is False
    report("--yes")
    assert run_command(project, "run", track).returncode == 0
    assert "call_proposed" not in [event.kind for event in journal(project)]

    text = (project / track).read_text()
    (project / track).write_text(text.replace('verify = "true"', 'verify = "false"'))
    changed = report(track)
    assert changed["asks_for"] == ["verify of T1: false  (allowed before: true)"]
    assert '-verify = "true"\n+verify = "false"\n' in changed["difference"]


def test_a_run_says_that_what_was_allowed_has_changed(project: Path, report: Report) -> None:
    report("--yes")
    write(project, (project / "conductor.toml").read_text() + GATE.format("true"))
    said = run_command(project, "run", "tracks/track.toml").stderr
    assert "conductor.toml has changed since you allowed it on 20" in said


def test_a_person_is_asked_by_a_deliberate_key(project: Path) -> None:
    for keys, code in ((["\x1b"], 3), (["\r", "n"], 3), (["\x1b[200~y\r\x1b[201~", "n"], 3), (["y"], 0)):
        with terminal(project, "trust") as asked:
            for key in keys:
                asked.process.expect("allow this")
                asked.press(key)
            assert asked.end() == code
    assert json.loads(run_command(project, "trust", "--json").stdout)["waits"] is False


def test_what_a_file_holds_cannot_play_with_the_terminal(project: Path) -> None:
    assert run_command(project, "trust", "--yes").returncode == 0
    write(project, GATE.format("true") + "# \u202e p\u0430ypal\n")
    shown = Terminal(project, "trust", "--show", env=environment(project, NO_COLOR="1"))
    assert shown.end() == 0
    assert "+# <U+202E> p<U+0430>ypal" in shown.screen
    assert not any(map(is_suspect, set(shown.screen) - {"\r"}))
