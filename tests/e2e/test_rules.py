"""The user's rules in a run of the installed command, with nobody at the clutch."""

from __future__ import annotations

from pathlib import Path

from conductor.clutch.rule import Rule, Verdict
from conductor.clutch.rule_file import RuleFile
from tests.e2e.driver import Json, call, journal, make_project, run_command

ALLOW_NOTES = Rule(Verdict.ALLOW, "write_file", path="notes.txt")
ALLOW_LS = Rule(Verdict.ALLOW, "run_shell", command=("ls",))
NO_RM = Rule(Verdict.REFUSE, "run_shell", command=("rm",), reason="Keep them.")


def project_of(folder: Path, *calls: Json) -> Path:
    turns = [{"text": "", "tool_calls": [proposed]} for proposed in calls]
    return make_project(folder, [{"id": "T1"}], {"T1": [*turns, {"text": "It is done."}]})


def run(project: Path, *rules: Rule) -> tuple[int, list[str]]:
    """Run the track without anyone to ask; return the exit code and who decided on each call."""
    for rule in rules:
        RuleFile(project.parent / "user").add(rule)
    done = run_command(project, "run", "tracks/track.toml", "--clutch", "deny")
    return done.returncode, [event.data.by for event in journal(project) if event.kind == "call_decided"]  # type: ignore[union-attr]


def test_rules_answer_where_nobody_does_and_the_journal_names_them(tmp_path: Path) -> None:
    write = call("write_file", path="notes.txt", content="kept\n")
    project = project_of(tmp_path, write, call("run_shell", command="ls"), call("run_shell", command="rm notes.txt"))

    code, deciders = run(project, ALLOW_NOTES, ALLOW_LS, NO_RM)

    assert code == 0
    assert deciders == [f"rule:{rule.id}" for rule in (ALLOW_NOTES, ALLOW_LS, NO_RM)]
    assert (project / "notes.txt").read_text() == "kept\n"
    told = [event.data.text for event in journal(project) if event.kind == "call_finished"]  # type: ignore[union-attr]
    assert "Keep them." in told[-1]


def test_what_no_rule_covers_still_waits(tmp_path: Path) -> None:
    project = project_of(tmp_path, call("run_shell", command="ls; rm notes.txt"))

    assert run(project, ALLOW_LS) == (3, [])


def test_a_repository_cannot_bring_rules(tmp_path: Path) -> None:
    project = project_of(tmp_path, call("run_shell", command="ls"))
    RuleFile(project).add(ALLOW_LS)
    (project / "conductor.toml").write_text(
        (project / "conductor.toml").read_text() + '[[rules]]\nverdict = "allow"\ntool = "run_shell"\n'
    )

    assert run(project) == (2, [])


def test_a_mistake_in_the_rules_is_named_before_anything_runs(tmp_path: Path) -> None:
    project = project_of(tmp_path, call("run_shell", command="ls"))
    file = RuleFile(project.parent / "user")
    file.path.parent.mkdir()
    file.path.write_text('[[rules]]\nverdict = "alow"\n')

    done = run_command(project, "run", "tracks/track.toml", "--clutch", "deny")

    assert done.returncode == 2
    assert "rules.toml:2: rules[0].verdict: must be allow, ask or refuse" in done.stderr
    assert journal(project) == []
