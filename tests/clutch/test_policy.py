from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor import events
from conductor.clutch.limits import Limits
from conductor.clutch.policy import RuleBook, RuleClutch
from conductor.clutch.rule import Rule, Subject, Verdict, read_expiry, subject_of
from conductor.clutch.rule_file import RuleFile
from conductor.clutch.rules import DenyClutch, TrustClutch
from conductor.clutch.scripted import Answer, ScriptedClutch, approve
from conductor.events import Event
from conductor.journal import Journal
from conductor.messages import (
    Aborted,
    Approved,
    ChosenRule,
    Decision,
    Effect,
    Preview,
    Rejected,
    RuleOffer,
    RuleSpan,
    ToolCall,
)
from conductor.models import TrustLevel
from conductor.stores.memory import MemoryStore

TRACK = "digest of the track"
LS = Rule(Verdict.ALLOW, "run_shell", command=("ls",))
NO_PUSH = Rule(Verdict.REFUSE, "run_shell", command=("git", "push"), reason="Releases are mine.")
ASK_GIT = Rule(Verdict.ASK, "run_shell", command=("git",))
SOURCES = Rule(Verdict.ALLOW, "write_file", path="src/**")


class Bench:
    """A project, the user's rules, and a clutch over a scripted human."""

    def __init__(self, folder: Path) -> None:
        self.root = (folder / "project").resolve()
        for name in (".git", "src"):
            (self.root / name).mkdir(parents=True)
        self.limits = Limits(self.root, sandboxed=lambda: True)
        self.file = RuleFile(folder / "user")
        self.history: list[Event] = []
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.human = ScriptedClutch([])

    def book(self, *rules: Rule, track: str = TRACK) -> RuleBook:
        for rule in rules:
            self.file.add(rule)
        return RuleBook(self.file, self.limits, track, lambda: self.history, lambda: self.now)

    def clutch(self, *rules: Rule, level: TrustLevel = TrustLevel.STEP, answers: Iterable[Answer] = ()) -> RuleClutch:
        self.human = ScriptedClutch(answers)
        return RuleClutch(self.book(*rules), TrustClutch(level, self.human))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def command(text: str, call_id: str = "c1") -> tuple[ToolCall, Preview]:
    call = ToolCall(call_id, "run_shell", {"command": text})
    return call, Preview("command", text, "run a command", Effect.UNSAFE, "d")


def write(path: str, tool: str = "write_file") -> tuple[ToolCall, Preview]:
    call = ToolCall("w1", tool, {"path": path, "content": "x"})
    return call, Preview("diff", "+x", f"write {path}", Effect.IDEMPOTENT, "d", path=path)


def choose(number: int, span: RuleSpan) -> Callable[[ToolCall, Preview], Decision]:
    def answer(call: ToolCall, preview: Preview) -> Decision:
        assert preview.offers
        return Approved(call.arguments, ChosenRule(preview.offers().offers[number], span))

    return answer


def test_an_allow_rule_answers_and_is_named(bench: Bench) -> None:
    clutch = bench.clutch(LS)

    assert clutch.review(*command("ls src")) == Approved({"command": "ls src"})
    assert clutch.name == f"rule:{LS.id}"
    assert bench.human.seen == []


def test_what_no_rule_covers_goes_on_to_the_clutch_inside(bench: Bench) -> None:
    clutch = bench.clutch(LS, answers=[Rejected("no")])

    assert clutch.review(*command("ls; rm x")) == Rejected("no")
    assert clutch.name == "scripted"
    assert not bench.human.seen[0][1].must_ask


def test_deny_counts_rules(bench: Bench) -> None:
    clutch = RuleClutch(bench.book(LS), TrustClutch(TrustLevel.STEP, DenyClutch()))

    assert clutch.review(*command("ls")) == Approved({"command": "ls"})
    assert clutch.review(*command("ls /")) == Aborted()


@pytest.mark.parametrize("text", ["git push", "/usr/bin/git -C . push origin", "GIT push", "env git push"])
def test_refuse_beats_allow_trust_and_the_human(bench: Bench, text: str) -> None:
    allow = Rule(Verdict.ALLOW, "run_shell", exactly=("git", "push"))
    clutch = bench.clutch(allow, ASK_GIT, NO_PUSH, level=TrustLevel.AUTO, answers=[approve])

    decision = clutch.review(*command(text))

    assert isinstance(decision, Rejected)
    assert "Releases are mine." in decision.reason
    assert clutch.name == f"rule:{NO_PUSH.id}"
    assert bench.human.seen == []


@pytest.mark.parametrize(("path", "refused"), [("db/prod.sql", True), ("DB/x/y.sql", True), ("src/db.py", False)])
def test_files_can_be_refused_in_any_case(bench: Bench, path: str, refused: bool) -> None:
    clutch = bench.clutch(Rule(Verdict.REFUSE, "write_file", path="db/**"), level=TrustLevel.AUTO)

    assert isinstance(clutch.review(*write(path)), Rejected) is refused


def test_ask_beats_allow_and_trust(bench: Bench) -> None:
    status = Rule(Verdict.ALLOW, "run_shell", command=("git", "status"))
    clutch = bench.clutch(status, ASK_GIT, level=TrustLevel.AUTO, answers=[approve, Rejected("")])

    clutch.review(*command("git status"))
    clutch.review(*write("src/a.py"))

    assert [call.arguments for call, _ in bench.human.seen] == [{"command": "git status"}]


@pytest.mark.parametrize(
    "text", ["cd x && git push", "bash -c 'git push'", "$g push", "python -I -c 'x'", "node --eval=x"]
)
def test_a_command_that_may_hide_a_refused_one_is_asked_about_even_at_auto(bench: Bench, text: str) -> None:
    clutch = bench.clutch(NO_PUSH, level=TrustLevel.AUTO, answers=[Rejected("seen")])

    assert clutch.review(*command(text)) == Rejected("seen")


def test_a_refused_program_is_not_a_refused_word(bench: Bench) -> None:
    clutch = bench.clutch(Rule(Verdict.REFUSE, "run_shell", command=("rm",)), level=TrustLevel.AUTO)

    assert isinstance(clutch.review(*command("rm -rf src")), Rejected)
    assert isinstance(clutch.review(*command("echo rm")), Approved)


def test_a_refuse_rule_without_a_command_is_about_all_of_them(bench: Bench) -> None:
    clutch = bench.clutch(Rule(Verdict.REFUSE, "run_shell"), level=TrustLevel.AUTO)

    assert all(isinstance(clutch.review(*command(text)), Rejected) for text in ("ls", "ls; id", "", "$x"))


def test_without_such_rules_auto_stays_auto(bench: Bench) -> None:
    assert bench.clutch(LS, level=TrustLevel.AUTO).review(*command("a && b")) == Approved({"command": "a && b"})


def test_a_preview_that_must_be_asked_about_is_never_answered_by_a_rule(bench: Bench) -> None:
    clutch = bench.clutch(LS, answers=[Rejected("asked")])
    call, preview = command("ls")

    assert clutch.review(call, replace(preview, must_ask=True)) == Rejected("asked")
    assert bench.human.seen[0][1].offers is None


def test_what_a_human_edited_is_theirs_to_approve(bench: Bench) -> None:
    clutch = bench.clutch(LS, answers=[Approved({"command": "ls"}), Rejected("on second thought")])

    assert clutch.review(*command("ls /")) == Approved({"command": "ls"})
    assert clutch.review(*command("ls")) == Rejected("on second thought")
    assert clutch.review(*command("ls", "c2")) == Approved({"command": "ls"})


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("src/a.py", True),
        ("src/deep/er/b.py", True),
        ("top.py", False),
        ("srcs/a.py", False),
        ("src/conftest.py", False),
        ("src/Conftest.PY", False),
        ("src/.env", False),
        ("src/.git/hooks/x", False),
        ("src/x.pth", False),
        ("src/vite.config.ts", False),
        ("src/venv/lib/x.py", False),
        ("src/../top.py", False),
        ("/etc/passwd", False),
    ],
)
def test_a_folder_rule_covers_its_files_but_none_that_steer_commands(bench: Bench, path: str, covered: bool) -> None:
    clutch = bench.clutch(SOURCES)

    assert clutch.review(*write(path, "edit_file")) == Aborted()
    assert isinstance(bench.clutch().review(*write(path)), Approved) is covered


def test_no_rule_covers_conductors_own_files(bench: Bench) -> None:
    everything = [Rule(Verdict.ALLOW, tool, path="**") for tool in ("write_file", "read_file")]
    bench.limits = replace(bench.limits, protected=("tracks/t.toml",))
    clutch = bench.clutch(*everything, answers=[Rejected("")] * 9)

    for path in ("conductor.toml", ".conductor/journal.db", "tracks/t.toml", "Tracks/T.toml", ".git/config"):
        assert clutch.review(*write(path)) == Rejected("")


def test_no_sandbox_no_code_of_the_project(bench: Bench) -> None:
    pytest_ = Rule(Verdict.ALLOW, "run_shell", command=("pytest",))
    make = Rule(Verdict.ALLOW, "run_shell", exactly=("make", "test"))
    bench.limits = replace(bench.limits, sandboxed=lambda: False, find=lambda name: f"/usr/bin/{name}")
    clutch = bench.clutch(LS, pytest_, make, answers=[Rejected("a"), Rejected("b")])

    assert clutch.review(*command("ls")) == Approved({"command": "ls"})
    assert clutch.review(*command("pytest -q", "c2")) == Rejected("a")
    assert clutch.review(*command("make test", "c3")) == Rejected("b")


def test_a_program_that_the_project_brings_counts_as_its_code(bench: Bench) -> None:
    bench.limits = replace(bench.limits, sandboxed=lambda: False, find=lambda name: f"{bench.root}/bin/{name}")

    assert bench.clutch(LS).review(*command("ls")) == Aborted()


def test_git_is_asked_about_where_a_planted_repository_would_answer(bench: Bench) -> None:
    status = Rule(Verdict.ALLOW, "run_shell", command=("git", "status"))
    clutch = bench.clutch(status)
    assert isinstance(clutch.review(*command("git status")), Approved)

    (bench.root / ".git").rmdir()

    assert clutch.review(*command("git status")) == Aborted()


def test_arguments_beside_the_command_are_not_covered(bench: Bench) -> None:
    call, preview = command("ls")

    assert bench.clutch(LS).review(replace(call, arguments={"command": "ls", "cwd": "/"}), preview) == Aborted()
    assert isinstance(
        bench.clutch().review(replace(call, arguments={"command": "ls", "timeout_s": 5}), preview), Approved
    )


def test_a_number_of_uses_and_an_end(bench: Bench) -> None:
    twice = replace(LS, uses=2)
    today = Rule(Verdict.ALLOW, "run_shell", command=("pwd",), expires=bench.now + timedelta(hours=1))
    clutch = bench.clutch(twice, today)

    results = [clutch.review(*command("ls")) for _ in range(3)]
    assert [isinstance(result, Approved) for result in results] == [True, True, False]
    assert isinstance(clutch.review(*command("pwd", "c2")), Approved)
    bench.now += timedelta(hours=2)
    assert clutch.review(*command("pwd", "c3")) == Aborted()


def test_a_rule_of_another_track_does_not_count(bench: Bench) -> None:
    other = RuleClutch(bench.book(replace(LS, track=TRACK), track="another"), DenyClutch())

    assert other.review(*command("ls")) == Aborted()
    assert isinstance(bench.clutch().review(*command("ls")), Approved)


@pytest.mark.parametrize(
    ("span", "kept"),
    [
        (RuleSpan.RUN, []),
        (RuleSpan.TRACK, [replace(LS, track=TRACK)]),
        (RuleSpan.DAY, [replace(LS, expires=datetime(2030, 1, 2, tzinfo=UTC))]),
        (RuleSpan.ALWAYS, [LS]),
    ],
)
def test_the_human_has_a_rule_kept(bench: Bench, span: RuleSpan, kept: list[Rule]) -> None:
    clutch = bench.clutch(answers=[choose(1, span)])

    assert clutch.review(*command("ls src")).arguments == {"command": "ls src"}  # type: ignore[union-attr]
    assert clutch.name == "scripted"
    assert list(bench.file.rules()) == kept
    assert isinstance(clutch.review(*command("ls -la", "c2")), Approved)
    assert clutch.name.startswith("rule:")


def test_the_narrowest_rule_is_offered_first(bench: Bench) -> None:
    clutch = bench.clutch(answers=[choose(0, RuleSpan.RUN)])
    clutch.review(*command("git status -s"))

    assert isinstance(clutch.review(*command("git status -s", "c2")), Approved)
    assert clutch.review(*command("git status", "c3")) == Aborted()
    assert bench.human.seen[0][1].offers is not None
    assert [offer.text for offer in bench.human.seen[0][1].offers().offers] == [
        "allow run_shell exactly: git status -s",
        "allow run_shell git status, with plain flags, on files of the project",
    ]


def test_a_rule_that_was_not_offered_is_not_kept(bench: Bench) -> None:
    forged = ChosenRule(RuleOffer(Rule(Verdict.ALLOW, "run_shell", command=("pytest",)).id, ""), RuleSpan.ALWAYS)
    clutch = bench.clutch(answers=[lambda call, _: Approved(call.arguments, forged)])

    clutch.review(*command("ls"))

    assert bench.file.rules() == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [("ls; id", "chains"), ("bash -c ls", "do not look"), ("rm x", "every time"), ("cat .env", "hidden")],
)
def test_why_there_is_no_rule(bench: Bench, text: str, why: str) -> None:
    clutch = bench.clutch()
    clutch.review(*command(text))
    offers = bench.human.seen[0][1].offers

    assert offers is not None
    assert offers().offers == ()
    assert why in offers().why_none


def test_files_named_like_globs_are_meant_alone(bench: Bench) -> None:
    clutch = bench.clutch(answers=[choose(0, RuleSpan.RUN)])
    clutch.review(*write("src/[ab]*.py"))

    assert isinstance(clutch.review(*write("src/[ab]*.py")), Approved | Aborted)
    assert clutch.review(*write("src/ab.py")) == Aborted()


def test_the_back_test_counts_what_humans_decided(bench: Bench) -> None:
    journal = Journal(MemoryStore(), "t")

    def decide(call_id: str, text: str, decision: str, by: str = "terminal", edited: bool = False) -> None:
        arguments = {"command": text}
        bench.history += journal.record(
            events.CallProposed(call_id, "run_shell", arguments, "unsafe", "d"),
            events.CallDecided(call_id, decision, by, "d", arguments, arguments, edited, "not now", 1.0),
        )

    decide("1", "ls", "approve")
    decide("2", "ls -la src", "reject")
    decide("3", "ls src", "approve", edited=True)
    decide("4", "ls", "approve", by="trust:auto")
    decide("5", "ls; id", "reject")
    offer = bench.book().offers(subject("ls")).offers

    assert [(found.approved, found.regrets) for found in offer] == [
        (1, ()),
        (3, ("ls -la src  (rejected: not now)", "ls src  (edited)")),
    ]


def subject(text: str) -> Subject:
    return subject_of(ToolCall("", "run_shell", {"command": text}), "")


def test_a_rule_for_this_run_may_be_for_so_many_times(bench: Bench) -> None:
    def twice(call: ToolCall, preview: Preview) -> Decision:
        return Approved(call.arguments, ChosenRule(preview.offers().offers[0], RuleSpan.RUN, uses=2))

    clutch = bench.clutch(answers=[twice, approve])
    for number in range(4):
        clutch.review(*command("ls src", f"c{number}"))

    assert len(bench.human.seen) == 2  # the first, and the one after two that the rule answered
    assert bench.file.rules() == ()


def test_a_kept_rule_has_the_limits_that_were_chosen(bench: Bench) -> None:
    until = bench.now + timedelta(hours=8)

    def limited(call: ToolCall, preview: Preview) -> Decision:
        return Approved(call.arguments, ChosenRule(preview.offers().offers[0], RuleSpan.ALWAYS, 3, until))

    bench.clutch(answers=[limited]).review(*command("ls src"))
    assert [(rule.uses, rule.expires) for rule in bench.file.rules()] == [(3, until)]


@pytest.mark.parametrize(
    ("text", "later"), [("30m", timedelta(minutes=30)), ("8h", timedelta(hours=8)), ("2w", timedelta(weeks=2))]
)
def test_an_expiry_is_so_long_from_now_or_a_date(bench: Bench, text: str, later: timedelta) -> None:
    assert read_expiry(text, bench.now) == bench.now + later
    assert read_expiry("2031-01-31", bench.now) == datetime(2031, 1, 31, tzinfo=UTC)
    for wrong in ("", "8", "0h", "-1d", "soon", "2029-12-31"):
        with pytest.raises(ValueError, match=r"time"):
            read_expiry(wrong, bench.now)


def test_the_digest_stands_for_the_rules_that_could_forbid_a_call(bench: Bench) -> None:
    empty = bench.book().digest()
    assert bench.book(LS).digest() == empty, "an approval may itself keep a rule that allows, or use one up"
    one = bench.book(NO_PUSH).digest()
    both = bench.book(ASK_GIT).digest()
    bench.file.remove(NO_PUSH.id)
    bench.file.remove(ASK_GIT.id)

    assert len({empty, one, both}) == 3
    assert bench.book().digest() == empty
