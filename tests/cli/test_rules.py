from __future__ import annotations

from pathlib import Path

import pytest

from conductor.cli.commands import run_typer
from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.errors import InvalidFile, UsageError

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
