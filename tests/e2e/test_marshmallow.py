"""tracks/marshmallow over a pseudo-terminal: a real bug, a plausible wrong fix, and the suite that tells them apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conductor.stores.reader import reader
from tests.e2e.driver import assert_calm, environment, journal, run_command
from tests.e2e.terminal import editor, terminal

PREPARE = Path(__file__).parents[2] / "tracks" / "marshmallow" / "prepare.py"
WRONG = "return int(round(value.total_seconds() / base_unit.total_seconds()))"
RIGHT = "return value // base_unit"

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marshmallow") / "prepared"
    done = subprocess.run([sys.executable, str(PREPARE), str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "project", symlinks=True))


def fields(project: Path) -> str:
    return (project / "src" / "marshmallow" / "fields.py").read_text()


def checks(project: Path) -> list[tuple[bool, str]]:
    """Return of each check whether it passed, and the last line of what it printed."""
    entries = [event.data for event in journal(project) if event.kind == "gate_finished"]
    with reader(project / ".conductor") as kept:
        return [(e.passed, kept.get(e.stdout).decode().splitlines()[-1]) for e in entries]


def test_the_track_is_a_valid_one(project: Path) -> None:
    done = run_command(project, "check", "tracks/track.toml")
    assert done.returncode == 0, done.stderr


def test_approved_as_it_is_the_check_fails_and_a_hint_comes_back(project: Path) -> None:
    with terminal(project, "run", "tracks/track.toml") as screen:
        assert WRONG in screen.prompt()
        assert "pytest" in screen.answer("a")
        proposed = screen.answer("a")
        assert RIGHT in proposed and "gave 2, expected 1" in proposed
        assert WRONG in fields(project)
        ((passed, closing),) = checks(project)
        assert not passed and "1 failed, 1113 passed" in closing
        (hint,) = (event.data for event in journal(project) if event.kind == "hint_given")
        assert hint.source == "builtin" and len(hint.text.split()) <= 20
        screen.press("a")  # the second proposal; the check was allowed before and is not asked about again
        assert screen.end() == 0
        assert_calm(screen.screen)
    assert RIGHT in fields(project)
    assert "1114 passed" in checks(project)[-1][1]


def test_edited_at_the_clutch_the_whole_suite_passes(project: Path) -> None:
    env = environment(project, EDITOR=editor(project.parent, WRONG, RIGHT))
    with terminal(project, "run", "tracks/track.toml", env=env) as screen:
        assert WRONG in screen.prompt()
        changed = screen.answer("e")
        assert RIGHT in changed and "int(round" not in changed
        assert "int(value.total_seconds()" in fields(project)  # still as it was
        assert "pytest" in screen.answer("a")
        screen.press("a")
        assert screen.end() == 0
        assert_calm(screen.screen)
    ((passed, closing),) = checks(project)
    assert passed and "1114 passed" in closing
    assert [event.kind for event in journal(project)].count("ticket_completed") == 1
