from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.errors import ExitCode, InvalidFile
from conductor.models import Priority, TicketStatus
from conductor.track_file import load_track, track_digest

HEAD = 'schema = 1\nid = "t"\ntitle = "A track"\n'
T1 = '[[tickets]]\nid = "T1"\ntitle = "One"\ntarget_file = "a.py"\nprompt = "Do."\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (root / "a.py").write_text("a = 1\n")
    (root / "src" / "b.py").write_text("b = 1\n")
    return root


def problems(project: Path, text: str) -> list[str]:
    path = project / "track.toml"
    path.write_text(text)
    with pytest.raises(InvalidFile) as caught:
        load_track(path, project=project)
    assert caught.value.exit_code is ExitCode.USAGE
    prefix = f"{path}:"
    assert all(str(problem).startswith(prefix) for problem in caught.value.problems)
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def test_the_documented_example_loads(project: Path) -> None:
    path = project / "track.toml"
    path.write_text(
        """
schema = 1
id = "csv-export"
title = "CSV export"
description = "Reports can be saved as CSV."

[[tickets]]
id = "T1"
title = "Add Report.to_csv"
target_file = "src/report.py"
prompt = "Add a method to_csv() that ..."
worker_archetype = "coder"
dependencies = []                      # ids of tickets
context = ["a.py", "src/b.py::Session.commit"]
verify = "pytest -q tests/test_report.py"
priority = "high"
frozen = ["tests/**"]

[[tickets]]
id = "T2"
title = "Use it"
target_file = "a.py"
prompt = "Use it."
dependencies = ["T1"]
context = ["./src/report.py"]
"""
    )
    track = load_track(path, project=project)
    assert (track.id, track.title, track.description) == ("csv-export", "CSV export", "Reports can be saved as CSV.")
    first, second = track.tickets
    assert first.context == ("a.py", "src/b.py::Session.commit")
    assert first.frozen == ("tests/**",)
    assert (first.verify, first.priority) == ("pytest -q tests/test_report.py", Priority.HIGH)
    assert first.status is TicketStatus.PENDING
    assert (second.worker_archetype, second.verify, second.priority) == ("coder", "", Priority.MEDIUM)
    assert second.status is TicketStatus.LOCKED
    assert len(track_digest(path)) == 64


def test_a_track_may_lie_outside_the_project_and_be_written_inline(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    path.write_text(HEAD + 'tickets = [{id = "T1", title = "One", target_file = "a.py", prompt = "Do."}]\n')
    assert load_track(path, project=project).ticket("T1").prompt == "Do."


def test_all_mistakes_of_a_file_come_in_one_go(project: Path) -> None:
    text = """schema = 2
id = "t"
titel = "A track"

[[tickets]]
id = "T1"
title = "  "
target_file = "../a.py"
prompt = '''
[[tickets]]
id = "T9"
'''
priority = "hgih"
dependencies = ["T2", "T22", ""]

[[tickets]]
id = "T2"
title = 3
target_file = "a.py"
dependencies = [
  "T1",
]
[[tickets]]
id = "T2"
title = "x"
target_file = "conductor.toml"
prompt = "x"
context = ["a.py::", "src"]
verify = true
"""
    assert problems(project, text) == [
        "1: schema: is 2; this version of Conductor reads 1",
        "1: title: missing",
        '3: titel: unknown key; did you mean "title"?',
        "7: tickets[0].title: must not be empty",
        '8: tickets[0].target_file: "../a.py" must be relative to the project, without ..',
        '13: tickets[0].priority: "hgih" is none of critical, high, medium, low, background; did you mean "high"?',
        "14: tickets[0].dependencies[2]: must not be empty",
        '14: tickets[0].dependencies[1]: T1 depends on T22, which is not in this track; did you mean "T2"?',
        "14: tickets[0].dependencies[0]: dependencies form a cycle: T1 -> T2 -> T1",
        "16: tickets[1].prompt: missing",
        "18: tickets[1].title: must be a string, not a whole number",
        "24: tickets[2].id: two tickets have the id T2",
        "26: tickets[2].target_file: conductor.toml is protected; workers may not read or change it",
        '28: tickets[2].context[0]: "" is no name of a definition; write path::Class.method',
        '28: tickets[2].context[1]: "src" is a folder',
        "29: tickets[2].verify: must be a string, not true",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: schema: missing", "1: id: missing", "1: title: missing", "1: tickets: missing"]),
        (HEAD + "tickets = []\n", ["4: tickets: a track needs at least one ticket"]),
        (HEAD + "tickets = {}\n", ["4: tickets: must be an array, not a table"]),
        (HEAD.replace("1", "true") + T1, ["1: schema: must be a whole number, not true"]),
        (HEAD.replace("1", "1.0") + T1, ["1: schema: must be a whole number, not a fraction"]),
        (HEAD.replace('"A track"', "2020-01-01") + T1, ["3: title: must be a string, not a date or time"]),
        (HEAD + T1 + "dependencies = 'T1'\n", ["9: tickets[0].dependencies: must be an array, not a string"]),
        (HEAD + T1 + "dependencies = ['T1']\n", ["9: tickets[0].dependencies[0]: T1 depends on itself"]),
        (HEAD + T1 + "context = ['a.py', 'a.py']\n", ['9: tickets[0].context[1]: "a.py" stands here twice']),
        (HEAD + T1 + "context = [1]\n", ["9: tickets[0].context[0]: must be a string, not a whole number"]),
        (HEAD + T1 + "worker_archetype = ''\n", ["9: tickets[0].worker_archetype: must not be empty"]),
        (HEAD + T1 + "priority = ''\n", ["9: tickets[0].priority: must not be empty"]),
        (
            HEAD + T1 + 'frozen = ["a", "a", 1]\n',
            [
                '9: tickets[0].frozen[1]: "a" stands here twice',
                "9: tickets[0].frozen[2]: must be a string, not a whole number",
            ],
        ),
        (
            HEAD + T1 + 'frozen = ["a\u200bb"]\n',
            ['9: tickets[0].frozen: "a<U+200B>b" has characters that cannot be seen'],
        ),
        (HEAD + T1 + "extra.deep = 1\n", ["9: tickets[0].extra: unknown key"]),
    ],
)
def test_single_mistakes(project: Path, text: str, expected: list[str]) -> None:
    assert problems(project, text) == expected


def test_what_is_no_table_is_said_once_and_stands_in_its_line(project: Path) -> None:
    text = HEAD + 'tickets = [\n  1,\n  {id = "T1", title = "x", target_file = "a.py", prompt = "x", verfy = "x"}]\n'
    assert problems(project, text) == [
        "5: tickets[0]: must be a table, not a whole number",
        '6: tickets[1].verfy: unknown key; did you mean "verify"?',
    ]


@pytest.mark.parametrize("name", ["a b", "-x", ".x", "a/b", "ü", "x" * 65, "a\\n"])
def test_bad_ids(project: Path, name: str) -> None:
    (only,) = problems(project, HEAD + T1.replace('"T1"', f'"{name}"'))
    assert only.startswith("5: tickets[0].id: ")
    assert "is no id" in only


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/etc/passwd", "must be relative to the project"),
        ("src/../../x.py", "must be relative to the project"),
        ("src/../a.py", "must be relative to the project"),
        ("~/x.py", "without ~"),
        ("out/x.py", "lies outside the project"),
        ("src", "is a folder"),
        (".", "is a folder"),
        (".git/config", "is protected"),
        (".conductor/journal.db", "is protected"),
        ("conductor.toml", "is protected"),
        ("track.toml", "is protected"),
        ("./track.toml", "is protected"),
        ("link.toml", "is protected"),
        ("loop/x.py", ""),
        ("x" * 300, ""),
        ("x/" * 600, "not a path"),
        ("a\\u0000.py", "cannot be seen"),
        ("a\\u202e.py", "cannot be seen"),
        ("a\\n.py", "cannot be seen"),
    ],
)
def test_files_no_worker_may_have(project: Path, target: str, message: str) -> None:
    (project / "out").symlink_to("/tmp")
    (project / "loop").symlink_to("loop")
    (project / "link.toml").symlink_to("track.toml")
    for line in (f'target_file = "{target}"', f'target_file = "a.py"\ncontext = ["{target}"]'):
        (only,) = problems(project, HEAD + T1.replace('target_file = "a.py"', line))
        assert message in only


def test_a_file_inside_reached_by_a_link_is_fine(project: Path) -> None:
    (project / "link.py").symlink_to(project / "src" / "b.py")
    path = project / "track.toml"
    path.write_text(HEAD + T1.replace("a.py", "link.py"))
    assert load_track(path, project=project).ticket("T1").target_file == "link.py"


def ticket(ticket_id: str, **keys: object) -> str:
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    return "\n".join(["[[tickets]]", f'id = "{ticket_id}"', 'title = "x"', 'prompt = "x"', *lines, ""])


def test_context_may_be_made_by_an_earlier_ticket_or_one_waited_for(project: Path) -> None:
    path = project / "track.toml"
    waits = ticket("T1", target_file="a.py", context=["new.py::f"], dependencies=["T2"])
    between = ticket("T2", target_file="a.py", dependencies=["T3"])
    maker = ticket("T3", target_file="new.py")
    after = ticket("T4", target_file="a.py", context=["new.py"])
    path.write_text(HEAD + waits + between + maker + after)
    assert [t.id for t in load_track(path, project=project).planned_order()] == ["T3", "T2", "T1", "T4"]
    early = ticket("T1", target_file="a.py", context=["new.py"])
    (only,) = problems(project, HEAD + early + maker)
    assert only.endswith("no such file, and no earlier ticket makes it")


def test_a_file_that_cannot_be_read_is_said(project: Path) -> None:
    with pytest.raises(InvalidFile, match="no such file"):
        load_track(project / "none.toml", project=project)
    with pytest.raises(InvalidFile, match="no such file"):
        track_digest(project / "none.toml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_said(project: Path) -> None:
    path = project / "track.toml"
    path.write_text(HEAD + T1)
    path.chmod(0)
    with pytest.raises(InvalidFile, match="Permission denied"):
        load_track(path, project=project)


def test_a_large_track_with_a_long_cycle_is_refused_in_one_readable_line(project: Path) -> None:
    n = 2_000
    ring = "".join(ticket(f"T{i}", target_file="a.py", dependencies=[f"T{(i + 1) % n}"]) for i in range(n))
    (only,) = problems(project, HEAD + ring)
    assert only.endswith("cycle: T0 -> T1 -> T2 -> T3 -> T4 -> T5 -> ... -> T1996 -> T1997 -> T1998 -> T1999 -> T0")


def test_archetypes_are_checked_where_they_are_known(project: Path) -> None:
    path = project / "track.toml"
    path.write_text(HEAD + T1 + 'worker_archetype = "tester"\n')
    assert load_track(path, project=project).ticket("T1").worker_archetype == "tester"
    assert load_track(path, project=project, archetypes=("coder", "tester")).ticket("T1").worker_archetype == "tester"
    with pytest.raises(InvalidFile, match=r'9: .*"tester" is no archetype of the configuration$'):
        load_track(path, project=project, archetypes=("coder",))


wrong = st.sampled_from(
    [1, True, 2.5, "", " ", "T1", "T2", "a.py", "../x", "\x00", "::", [], {}, ["T1", 1, ""], [[]], "x::y"]
)
keys = st.sampled_from(
    [
        "id",
        "title",
        "target_file",
        "prompt",
        "dependencies",
        "context",
        "verify",
        "priority",
        "worker_archetype",
        "frozen",
        "x",
    ]
)
tables = st.dictionaries(keys, wrong, max_size=8)
files = st.fixed_dictionaries(
    {},
    optional={
        "schema": wrong | st.just(1),
        "id": wrong,
        "title": wrong,
        "y": wrong,
        "tickets": wrong | st.lists(tables | wrong, max_size=4),
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files)
def test_whatever_a_file_says_it_loads_or_its_mistakes_are_named(project: Path, data: dict[str, Any]) -> None:
    path = project / "track.toml"
    path.write_text(tomlkit.dumps(data))
    try:
        assert load_track(path, project=project).planned_order()
    except InvalidFile as error:
        last = path.read_text().count("\n") + 1
        assert all(1 <= problem.line <= last and problem.key and problem.message for problem in error.problems)
