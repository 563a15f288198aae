from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conductor import events
from conductor.cli.commands import run_typer
from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.errors import InvalidFile, UsageError
from conductor.journal import Journal
from conductor.stores.sqlite import SqliteStore

LS = Rule(Verdict.ALLOW, "run_shell", command=("ls",))
NO_PUSH = Rule(Verdict.REFUSE, "run_shell", command=("git", "push"), reason="mine")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RuleFile:
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path))
    return RuleFile(tmp_path)


def test_rules_are_listed_with_number_id_and_exact_text(file: RuleFile, capsys: pytest.CaptureFixture[str]) -> None:
    for rule in (LS, NO_PUSH, Rule(Verdict.ALLOW, "run_shell", command=("pwd",), uses=0)):
        file.add(rule)

    assert run_typer(["rules"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"  1  {LS.id}  allow run_shell ls, with plain flags, on files of the project"
    assert lines[1] == f"  2  {NO_PUSH.id}  refuse run_shell git push"
    assert lines[2].endswith("(over)")


def test_rules_for_scripts(file: RuleFile, past: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_typer(["rules", "add", "git status", "--count", "2", "--expires", "2999-01-31", "--json"]) == 0
    added = json.loads(capsys.readouterr().out)
    assert (added["kept"], added["approved"]) == (True, 2)
    assert added["regrets"] == ["git status  (rejected: not now)"]
    assert run_typer(["rules", "add", "ls", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] is False

    assert run_typer(["rules", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (rule,) = listed["rules"]
    assert listed["file"] == str(file.path)
    assert rule == {
        "number": 1,
        "id": added["id"],
        "text": file.rules()[0].text,
        "over": False,
        "verdict": "allow",
        "tool": "run_shell",
        "command": ["git", "status"],
        "uses": 2,
        "expires": "2999-01-31T00:00:00+00:00",
    }


def test_no_rules_are_said_to_be_none(file: RuleFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_typer(["rules"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "There are no rules" in said.err and str(file.path) in said.err


@pytest.mark.parametrize("name", ["1", LS.id])
def test_a_rule_is_removed_by_number_or_id(file: RuleFile, name: str) -> None:
    file.add(LS)
    file.add(NO_PUSH)

    assert run_typer(["rules", "remove", name]) == 0

    assert file.rules() == (NO_PUSH,)


def test_what_is_not_there_cannot_be_removed(file: RuleFile) -> None:
    file.add(LS)
    for name in ("0", "2", "deadbeef"):
        with pytest.raises(UsageError, match="no rule"):
            run_typer(["rules", "remove", name])
    assert file.rules() == (LS,)


def test_a_file_with_mistakes_is_said_to_have_them(file: RuleFile) -> None:
    file.path.write_text("[[rules]]\n")
    with pytest.raises(InvalidFile, match="verdict"):
        run_typer(["rules"])


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in whose journal a human approved one `git status` and rejected another."""
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    store = SqliteStore(project / ".conductor")
    journal = Journal(store, "t")
    for number, decision in enumerate(("approve", "reject")):
        call_id, arguments = f"c{number}", {"command": "git status"}
        journal.record(events.CallProposed(call_id, "run_shell", arguments, "unsafe", "d"))
        said = "not now" if decision == "reject" else ""
        journal.record(events.CallDecided(call_id, decision, "terminal", "d", arguments, arguments, False, said, 1.0))
    store.close()
    monkeypatch.chdir(project)
    return project


def test_a_rule_is_tried_on_the_past_before_it_is_kept(
    file: RuleFile, past: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_typer(["rules", "add", "git status", "--dry-run"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "allow run_shell git status, with plain flags, on files of the project",
        "  it would have decided on 2 past calls of this project, of which you did not approve:",
        "  - git status  (rejected: not now)",
    ]
    assert file.rules() == ()


def test_a_rule_is_kept_with_its_limits(file: RuleFile, past: Path) -> None:
    assert run_typer(["rules", "add", "make test", "--exactly", "--count", "20", "--expires", "2999-01-31"]) == 0
    assert run_typer(["rules", "add", "--tool", "edit_file", "--path", "src/**"]) == 0
    assert run_typer(["rules", "add", "git push", "--verdict", "refuse", "--reason", "mine"]) == 0

    made, edits, push = file.rules()
    assert made == Rule(
        Verdict.ALLOW, "run_shell", exactly=("make", "test"), uses=20, expires=datetime(2999, 1, 31, tzinfo=UTC)
    )
    assert edits == Rule(Verdict.ALLOW, "edit_file", path="src/**")
    assert push == NO_PUSH


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of the two"),
        (["ls", "--path", "src/**"], "one of the two"),
        (["ls; rm x"], "it chains commands"),
        (["git status --short"], "more than the kind of command"),
        (["frobnicate"], "has no list of plain flags"),
        (["ls", "--verdict", "maybe"], "must be allow, ask or refuse"),
        (["--path", "x", "--tool", "delete_file"], "can be allowed by a rule"),
        (["ls", "--expires", "soon"], "give a time such as"),
        (["ls", "--expires", "1999-01-01"], "that time is over"),
    ],
)
def test_what_cannot_be_a_rule_is_said_and_not_kept(
    file: RuleFile, past: Path, arguments: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        run_typer(["rules", "add", *arguments])
    assert file.rules() == ()
