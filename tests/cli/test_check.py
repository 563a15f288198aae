from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from conductor.cli.check import check
from conductor.errors import InvalidFile, UsageError

HEAD = 'schema = 1\nid = "t"\ntitle = "A track"\n'


def ticket(ticket_id: str, *dependencies: str, extra: str = "") -> str:
    listed = json.dumps(dependencies)
    keys = f'id = "{ticket_id}"\ntitle = "x"\ntarget_file = "a.py"\nprompt = "x"\ndependencies = {listed}'
    return f"[[tickets]]\n{keys}\n{extra}"


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.track = root / "track.toml"
        app = typer.Typer()
        app.command()(check)
        self._app = app

    def check(self, *options: str) -> Result:
        arguments = [str(self.track), "--project", str(self.root), *options]
        environ = {"CONDUCTOR_CONFIG_HOME": str(self.root / "home")}
        return CliRunner(env=environ).invoke(self._app, arguments)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_good_track_is_summed_up_in_the_order_of_a_run(project: Project) -> None:
    project.track.write_text(HEAD + ticket("T2", "T1") + ticket("T1") + ticket("T3", extra='priority = "low"\n'))
    result = project.check()
    assert (result.exit_code, result.output) == (0, "OK: 3 tickets, order T1 -> T2 -> T3\n")
    assert [path.name for path in project.root.iterdir()] == ["track.toml"]


def test_a_long_order_is_cut(project: Project) -> None:
    project.track.write_text(HEAD + "".join(ticket(f"T{n}") for n in range(30)))
    assert project.check().output.endswith("T17 -> T18 -> ... -> T29\n")


def test_mistakes_of_track_and_configuration_come_together(project: Project) -> None:
    project.track.write_text(HEAD + ticket("T1", "T9"))
    (project.root / "conductor.toml").write_text("[budgets]\n")
    error = project.check().exception
    assert isinstance(error, InvalidFile)
    assert [(Path(p.file).name, p.line, p.key) for p in error.problems] == [
        ("track.toml", 9, "tickets[0].dependencies[0]"),
        ("conductor.toml", 1, "budgets"),
    ]


def test_json_names_every_mistake_and_exits_2(project: Project) -> None:
    project.track.write_text(HEAD + ticket("T1", extra='worker_archetype = "codr"\n'))
    result = project.check("--json")
    assert result.exit_code == 2
    assert json.loads(result.output) == {
        "ok": False,
        "problems": [
            {
                "file": str(project.track),
                "line": 10,
                "key": "tickets[0].worker_archetype",
                "message": '"codr" is no archetype of the configuration; did you mean "coder"?',
            }
        ],
        "order": [],
        "withheld": [],
    }


def test_what_waits_for_a_yes_is_said(project: Project) -> None:
    project.track.write_text(HEAD + ticket("T1"))
    (project.root / "conductor.toml").write_text('[archetypes.coder]\ntrust_level = "auto"\n')
    line = "archetypes.coder.trust_level: auto trusts more than your step"
    result = project.check()
    assert result.exit_code == 0
    assert result.output.splitlines()[1] == f"not in force before `conductor trust`: {line}"
    assert json.loads(project.check("--json").output) == {
        "ok": True,
        "problems": [],
        "order": ["T1"],
        "withheld": [line],
    }


def test_a_project_that_is_no_folder_is_said(project: Project) -> None:
    project.root = project.root / "none"
    assert isinstance(project.check().exception, UsageError)
