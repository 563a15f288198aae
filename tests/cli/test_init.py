from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from conductor.cli.init import init
from conductor.config import load_config
from conductor.errors import UsageError
from conductor.track_file import load_track


def run(folder: Path) -> Result:
    app = typer.Typer()
    app.command()(init)
    return CliRunner().invoke(app, [str(folder)])


def template() -> str:
    return (resources.files("conductor") / "templates" / "conductor.toml").read_text("utf-8")


def loaded(folder: Path, target: str) -> None:
    """What was written passes the checks, and works on `target`."""
    track = load_track(folder / "tracks" / "first.toml", project=folder)
    assert [ticket.target_file for ticket in track.tickets] == [target]
    assert load_config(folder, user_dir=folder / "none", environ={}).withheld == ()


def test_an_empty_project_gets_both_files_and_a_ticket_for_a_new_one(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.output.startswith("wrote  conductor.toml\nwrote  tracks/first.toml\n")
    assert f"  cd {tmp_path}\n" in result.output
    loaded(tmp_path, "hello.py")


@pytest.mark.parametrize("name", ["app.py", 'src/pkg/it\'s "new".py', "ü $x.py"])
def test_an_existing_file_is_preferred_whatever_its_name(tmp_path: Path, name: str) -> None:
    others = ("setup.py", "src/pkg/__init__.py", "tests/test_app.py", ".venv/x.py", "src/.hidden/x.py", "empty.py")
    for other in (name, *others):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("x = 1\n" if other != "empty.py" else "")
    run(tmp_path)
    loaded(tmp_path, name)
    verify = load_track(tmp_path / "tracks" / "first.toml", project=tmp_path).tickets[0].verify
    assert subprocess.run(verify.replace("python3", sys.executable), shell=True, cwd=tmp_path).returncode == 0


def test_what_is_there_is_kept_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "conductor.toml").write_text("# mine\n")
    assert run(tmp_path).output.startswith("kept   conductor.toml (it was there)\nwrote  tracks/first.toml\n")
    (tmp_path / "tracks" / "first.toml").write_text("mine too")
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.output.startswith("kept   conductor.toml (it was there)\nkept   tracks/first.toml (it was there)\n")
    assert (tmp_path / "conductor.toml").read_text() == "# mine\n"
    assert (tmp_path / "tracks" / "first.toml").read_text() == "mine too"


def test_no_link_is_followed_and_nothing_is_written_in_the_way_of_something_else(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path / "none").exception, UsageError)
    (tmp_path / "conductor.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert isinstance(run(tmp_path).exception, UsageError)
    assert not (tmp_path / "elsewhere.toml").exists()
    (tmp_path / "conductor.toml").unlink()
    (tmp_path / "tracks").write_text("a file")
    assert isinstance(run(tmp_path).exception, UsageError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in str(run(tmp_path).exception)


def test_the_defaults_shown_in_the_template_are_the_defaults(tmp_path: Path) -> None:
    before_gates = template().partition("# Commands that say")[0]
    shown = "\n".join(
        line.removeprefix("# ")
        for line in before_gates.splitlines()
        if line.startswith("[") or (re.match(r"# \w+ = ", line) and "# example" not in line)
    )
    assert shown.count(" = ") >= 6
    assert tomllib.loads(shown)["archetypes"]["coder"]["max_turns"] == 30
    (tmp_path / "conductor.toml").write_text(shown)
    with_them = load_config(tmp_path, user_dir=tmp_path / "none", environ={})
    (tmp_path / "conductor.toml").unlink()
    assert with_them.config == load_config(tmp_path, user_dir=tmp_path / "none", environ={}).config
    assert with_them.withheld == ()


def test_every_example_of_the_template_is_valid(tmp_path: Path) -> None:
    (tmp_path / "conductor.toml").write_text(re.sub(r"(?m)^# (?=\w+ = |\[\[)", "", template()))
    config = load_config(tmp_path, user_dir=tmp_path / "none", environ={}, is_trusted=lambda _: True).config
    assert config.gates[0].command == "ruff check {files}"
    assert (config.budget.usd, config.archetype("coder").model) == (1.0, "openai/gpt-5")
