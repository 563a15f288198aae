"""A project is changed between two runs: what matters is named and refused, what does not is no reason to stop."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.driver import assert_calm, call, make_project, run_command

TURNS = {
    "T1": [
        {"tool_calls": [call("read_file", path="seen.py")]},
        {"tool_calls": [call("write_file", path="notes.txt", content="one\n")]},
        {"text": "Done."},
    ],
    "T2": [{"text": "Done."}],
}
TICKETS = [{"id": "T1"}, {"id": "T2", "dependencies": ["T1"]}]
SETTINGS = "[archetypes.coder]\nmax_turns = 20\n"


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        text = (project / file).read_text()
        assert old in text
        (project / file).write_text(text.replace(old, new))

    return change


def touched(project: Path) -> None:
    for path in project.glob("*.*"):
        os.utime(path)


def reformatted(project: Path) -> None:
    track, settings = project / "tracks" / "track.toml", project / "conductor.toml"
    track.write_text("# mine\n" + track.read_text().replace(" = ", "=").replace("\n", "\n\n"), newline="\r\n")
    settings.write_text("# mine\n" + settings.read_text().replace(" = ", "   =   "))


def checked_out(project: Path) -> None:
    for command in (
        ["init", "-q"],
        ["add", "other.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qmx"],
    ):
        subprocess.run(["git", *command], cwd=project, check=True)
    (project / "other.py").write_text("changed\n")
    subprocess.run(["git", "checkout", "-q", "other.py"], cwd=project, check=True)


def reordered(project: Path) -> None:
    track = project / "tracks" / "track.toml"
    head, first, second = track.read_text().split("[[tickets]]\n")
    track.write_text("[[tickets]]\n".join((head, second, first)))


TRACK, CONFIG = "tracks/track.toml", "conductor.toml"
NEW = '[[tickets]]\nid = "T3"\ntitle = "x"\ntarget_file = "x"\nprompt = "x"\n'
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a prompt": (
        replaced(TRACK, '"Do it."', '"Do it, ' + "and well " * 9 + '."'),
        "T1: prompt is another text; T2: prompt",
    ),
    "a short value": (replaced(TRACK, '"Do T2"', '"Do T3"'), "T2: title was 'Do T2', now it is 'Do T3'"),
    "a key more": (
        replaced(TRACK, 'id = "T2"', 'id = "T2"\npriority = "low"'),
        "T2: priority was not set, now it is 'low'",
    ),
    "a ticket more": (replaced(TRACK, 'dependencies = ["T1"]\n', f'dependencies = ["T1"]\n{NEW}'), "ticket T3 is new"),
    "another order": (reordered, "the tickets stand in another order"),
    "the title": (replaced(TRACK, "A small track", "A track"), "title was 'A small track', now it is 'A track'"),
    "the tools": (replaced(CONFIG, "max_turns", 'tools = ["read_file"]\nmax_turns'), "[archetypes.coder] tools was"),
    "the model": (
        replaced(CONFIG, 'default = "scripted:tracks/w', 'default = "scripted:./tracks/w'),
        "[archetypes.coder] model was",
    ),
    "a seen file": (replaced("seen.py", "1", "2"), "seen.py changed since call call_1_1 showed it"),
    "a seen file is gone": (lambda project: (project / "seen.py").unlink(), "seen.py changed since"),
}
FAIR: dict[str, Callable[[Path], None]] = {
    "comments and layout": reformatted,
    "times": touched,
    "git": checked_out,
    "limits": replaced(CONFIG, "max_turns = 20", "max_turns = 21\n[budget]\ntokens = 99999"),
    "trust": replaced("../user/config.toml", "guarded", "step"),
    "a file nobody saw": replaced("other.py", "2", "3"),
    "another place": lambda project: None,
}


@pytest.fixture(scope="module")
def parked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run waits at its second call."""
    files = {"seen.py": "x = 1\n", "other.py": "y = 2\n"}
    project = make_project(tmp_path_factory.mktemp("guards"), TICKETS, TURNS, files=files, settings=SETTINGS)
    (project.parent / "user").mkdir()
    (project.parent / "user" / "config.toml").write_text('[archetypes.coder]\ntrust_level = "guarded"\n')
    assert run_command(project, "run", TRACK, "--clutch", "deny").returncode == 3
    return project


def copied(parked: Path, tmp_path: Path) -> Path:
    project = tmp_path / "sp ace é" / "project"
    shutil.copytree(parked.parent, project.parent)
    return project


@pytest.mark.parametrize("name", REFUSED)
def test_what_matters_is_named_and_waits_for_a_word(parked: Path, tmp_path: Path, name: str) -> None:
    project = copied(parked, tmp_path)
    change, told = REFUSED[name]
    change(project)
    refused = run_command(project, "run", TRACK, "--clutch", "deny")
    assert refused.returncode == 6, refused.stderr
    assert told in refused.stderr and "--accept-changes" in refused.stderr
    assert_calm(refused.stderr)
    accepted = run_command(project, "run", TRACK, "--clutch", "deny", "--accept-changes")
    assert accepted.returncode == (0 if name == "the tools" else 3), accepted.stderr  # there is no tool that would ask
    again = run_command(project, "run", TRACK, "--clutch", "deny")
    assert again.returncode == accepted.returncode, "it was said once"


@pytest.mark.parametrize("name", FAIR)
def test_what_does_not_matter_is_no_reason_to_stop(parked: Path, tmp_path: Path, name: str) -> None:
    project = copied(parked, tmp_path)
    FAIR[name](project)
    assert run_command(project, "run", TRACK, "--clutch", "deny").returncode == 3
    done = run_command(project, "run", TRACK, "--auto")
    assert done.returncode == 0, done.stderr
