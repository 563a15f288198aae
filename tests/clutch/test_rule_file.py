from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.clutch.rule import TOOLS, Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from conductor.errors import InvalidFile, UsageError
from conductor.tools.registry import builtin_tools

LS = Rule(Verdict.ALLOW, "run_shell", command=("ls",))
FULL = Rule(
    Verdict.ALLOW,
    "write_file",
    path="src/**",
    track="abc",
    uses=3,
    expires=datetime(2030, 1, 1, tzinfo=UTC),
    reason="é",
)


def test_no_file_is_no_rules_and_reading_writes_nothing(tmp_path: Path) -> None:
    assert RuleFile(tmp_path / "conductor").rules() == ()
    assert list(tmp_path.iterdir()) == []


def test_rules_come_back_as_they_were_and_are_the_users_alone(tmp_path: Path) -> None:
    exact = Rule(Verdict.ALLOW, "run_shell", exactly=("pytest", "-k", 'a "b" \\ c'))
    refuse = Rule(Verdict.REFUSE, "delete_file")
    for rule in (LS, FULL, exact, refuse):
        RuleFile(tmp_path / "home").add(rule)

    file = RuleFile(tmp_path / "home")
    assert file.rules() == (LS, FULL, exact, refuse)
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('# mine\n[[rules]] # first\nverdict = "refuse"\ntool = "run_shell"\ncommand = ["git", "push"]\n')
    path.chmod(0o600)
    file = RuleFile(tmp_path)

    file.add(LS)
    file.remove(LS.id)

    assert "# mine\n[[rules]] # first\n" in path.read_text()
    assert [rule.verdict for rule in file.rules()] == [Verdict.REFUSE]


def test_the_rules_that_the_documentation_shows_are_rules(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "clutch.md").read_text()
    file = RuleFile(tmp_path)
    file.path.write_text(page.split("```toml\n")[1].split("```")[0])

    assert [str(rule.verdict) for rule in file.rules()] == ["allow", "allow", "allow", "refuse"]


def test_rules_on_one_line_stay_there(tmp_path: Path) -> None:
    file = RuleFile(tmp_path)
    file.path.write_text('rules = [{verdict = "ask", tool = "mcp__files__write"}]  # short\n')

    for rule in (LS, FULL):
        file.add(rule)
    file.spend(FULL.id)
    file.remove(LS.id)

    assert file.rules() == (Rule(Verdict.ASK, "mcp__files__write"), replace(FULL, uses=2))
    assert "# short" in file.path.read_text()


def test_rules_know_the_tools_there_are() -> None:
    assert set(builtin_tools()) == TOOLS


def test_a_change_by_hand_counts_at_once(tmp_path: Path) -> None:
    file = RuleFile(tmp_path)
    file.add(LS)
    assert file.rules() == (LS,)

    file.path.write_text('[[rules]]\nverdict = "ask"\ntool = "run_shell"\n')

    assert file.rules() == (Rule(Verdict.ASK, "run_shell"),)


def test_the_same_rule_is_kept_once(tmp_path: Path) -> None:
    file = RuleFile(tmp_path)
    for rule in (replace(LS, uses=1), replace(LS, uses=5), LS):
        file.add(rule)

    assert file.rules() == (LS,)


def test_uses_are_counted_down_for_every_process(tmp_path: Path) -> None:
    RuleFile(tmp_path).add(replace(LS, uses=2))

    assert [RuleFile(tmp_path).spend(LS.id) for _ in range(3)] == [True, True, False]
    assert RuleFile(tmp_path).rules() == (replace(LS, uses=0),)
    assert not RuleFile(tmp_path).spend("unknown")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("rules = 1", 1, "must be tables"),
        ("[[rule]]\n", 1, 'did you mean "rules"'),
        ('[[rules]]\ntool = "run_shell"\ncommand = ["ls"]', 1, "must be allow, ask or refuse"),
        ('[[rules]]\nverdict = "allow"\ntool = "run_shell"\n\ncommand = "ls"', 5, "must be an array of words"),
        ('[[rules]]\nverdict = "allow"\ntool = "run_shell"\ncommand = ["bash"]', 4, "no list of plain flags"),
        ('[[rules]]\nverdict = "allow"\ntool = "run_shell"', 1, "missing: which command"),
        ('[[rules]]\nverdict = "allow"\ntool = "write_file"', 1, "missing: which files"),
        ('[[rules]]\nverdict = "allow"\ntool = "delete_file"\npath = "x"', 3, "can be allowed by a rule"),
        (
            '[[rules]]\nverdict = "ask"\ntool = "write_file"\ncommand = ["x"]',
            4,
            "nothing that calls of write_file have",
        ),
        ('[[rules]]\nverdict = "ask"\ntool = "run_shell"\npath = "x"', 4, "nothing that calls of run_shell have"),
        (
            '[[rules]]\nverdict = "ask"\ntool = "read_output"\ncommand = ["x"]',
            4,
            "nothing that calls of read_output have",
        ),
        ('[[rules]]\nverdict = "refuse"\ntool = "run_shel"', 3, 'did you mean "run_shell"'),
        ('[[rules]]\nverdict = "ask"\ntool = "run_shell"\ncommand = ["x"]\nexactly = ["x"]', 5, "cannot stand beside"),
        ('[[rules]]\nverdict = "ask"\ntool = "run_shell"\nuses = true', 4, "must be a number of times"),
        ('[[rules]]\nverdict = "ask"\ntool = "run_shell"\nexpires = 2030-01-01', 4, "must be a time with its zone"),
        ('[[rules]]\nverdict = "ask"\ntool = "run_shell"\nexpire = 1', 4, 'did you mean "expires"'),
        ('[[rules]]\nverdict = "ask"\ntool = 1', 3, "must be a string"),
    ],
)
def test_mistakes_are_named_and_no_rule_is_guessed(tmp_path: Path, text: str, line: int, message: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    (tmp_path / "rules.toml").chmod(0o600)

    with pytest.raises(InvalidFile, match=message) as raised:
        RuleFile(tmp_path).rules()
    assert raised.value.problems[0].line == line
    with pytest.raises(InvalidFile):
        RuleFile(tmp_path).add(LS)
    assert (tmp_path / "rules.toml").read_text() == text


def test_a_file_that_others_may_write_holds_no_rules(tmp_path: Path) -> None:
    file = RuleFile(tmp_path)
    file.add(LS)
    file.path.chmod(0o666)

    with pytest.raises(InvalidFile, match="others may write"):
        RuleFile(tmp_path).rules()


def test_a_place_that_cannot_hold_it_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be written"):
        RuleFile(tmp_path / "file").add(LS)


def _add(home: Path, start: int) -> None:
    for number in range(start, start + 5):
        RuleFile(home).add(Rule(Verdict.ASK, "run_shell", command=(f"c{number}",)))


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    workers = [multiprocessing.Process(target=_add, args=(tmp_path, start)) for start in (0, 10, 20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(RuleFile(tmp_path).rules()) == 15
