"""The allow list against the attacks of `shell_attacks`, through the very clutch that a run has."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.clutch.limits import Limits
from conductor.clutch.rule import Rule, Verdict, subject_of
from conductor.messages import ToolCall
from tests.security.shell_attacks import ALLOWED, ATTACKS, PLAIN, plant

RULES = tuple(Rule(Verdict.ALLOW, "run_shell", command=words) for words in ALLOWED)


@pytest.fixture(scope="module")
def limits(tmp_path_factory: pytest.TempPathFactory) -> Limits:
    root = tmp_path_factory.mktemp("project").resolve()
    plant(root)
    return Limits(root, protected=("tracks/t.toml",), sandboxed=lambda: True)


def approves(command: str, limits: Limits) -> bool:
    subject = subject_of(ToolCall("c1", "run_shell", {"command": command}), "")
    return any(rule.covers(subject, limits) for rule in RULES)


def test_the_table_is_as_long_as_promised() -> None:
    assert len({command for command, _ in ATTACKS}) >= 140
    assert len(PLAIN) == 15


@pytest.mark.parametrize(("command", "how"), ATTACKS, ids=[f"{n}-{how}" for n, (_, how) in enumerate(ATTACKS)])
def test_no_attack_is_approved(command: str, how: str, limits: Limits) -> None:
    assert not approves(command, limits), how


@pytest.mark.parametrize("command", PLAIN)
def test_plain_uses_are_approved(command: str, limits: Limits) -> None:
    assert approves(command, limits)


@settings(max_examples=300, deadline=None)
@given(
    command=st.sampled_from(PLAIN),
    sign=st.sampled_from(
        [*";&|<>()$`{}[]*?!#\\\n\r\t\x00\x1b\u2028", "&&", "||", "|&", "<(", "$(", "${", ">>", "<<", "é"]
    ),
    tail=st.text("lsrm -/.~'\"$", max_size=8),
    place=st.floats(0, 1),
)
def test_a_sign_of_the_shell_anywhere_outside_of_quotes_is_asked_about(
    limits: Limits, command: str, sign: str, tail: str, place: float
) -> None:
    at = round(place * len(command))
    changed = f"{command[:at]}{sign}{tail}{command[at:]}"
    quoted = command[:at].count("'") % 2 or command[:at].count('"') % 2

    assert quoted or not approves(changed, limits)
