"""The built-in analyser over recorded failing runs, over generated ones, and over hostile bytes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from conductor.qa.analyser import analyse, read
from conductor.qa.base import FailedRun, limit_words
from conductor.visible import is_suspect

FIXTURES = Path(__file__).parent.parent / "fixtures" / "qa"
CORPUS = Path(__file__).parents[3] / "shared" / "stderr_corpus"
NAMED_FILE = re.compile(r"[\w./-]+\.(?:py|rs|go|ts|js|mjs|c|cpp|h|java|json|toml|sh|txt|pl|sql)\b")


class Case(Struct, frozen=True):
    """A recorded run with its truth: the file at fault, and what a hint may say to have mentioned the cause."""

    id: str
    run: FailedRun
    file: str
    mention_any: tuple[str, ...]

    @property
    def printed(self) -> str:
        return (self.run.stdout + self.run.stderr).decode("utf-8", "replace")

    def mentions(self, hint: str) -> bool:
        return any(text.lower() in hint.lower() for text in self.mention_any)

    def names_file(self, hint: str) -> bool:
        return bool(self.file) and self.file.rsplit("/", 1)[-1] in hint

    def invented(self, hint: str) -> list[str]:
        known = self.printed + self.run.command
        return [file for file in NAMED_FILE.findall(hint) if file.rsplit("/", 1)[-1] not in known]


def recorded() -> list[Case]:
    return [fixture(json.loads(path.read_text("utf-8"))) for path in sorted(FIXTURES.glob("*.json"))]


def fixture(entry: dict[str, Any]) -> Case:
    run = FailedRun(
        entry["command"], entry["exit_code"], entry["stdout"].encode(), entry["stderr"].encode(), entry["cwd"]
    )
    return Case(entry["id"], run, entry["truth"]["file"] or "", tuple(entry["truth"]["mention_any"]))


def corpus() -> list[Case]:
    cases: list[Case] = []
    for path in sorted(CORPUS.glob("*.json")):
        entry = json.loads(path.read_text("utf-8"))
        out, err = path.with_suffix(".stdout").read_bytes(), path.with_suffix(".stderr").read_bytes()
        run = FailedRun(entry["command"], entry["exit_code"], out, err, entry["cwd"])
        cases.append(Case(entry["id"], run, entry["truth"]["file"] or "", tuple(entry["truth"]["mention_any"])))
    return cases


@pytest.mark.parametrize("case", recorded(), ids=lambda case: case.id)
def test_recorded_run(case: Case) -> None:
    hint = analyse(case.run)
    assert 1 <= len(hint.split()) <= 20
    assert "\n" not in hint
    assert case.mentions(hint), hint
    assert not case.invented(hint), hint


def test_the_right_file_is_named_wherever_the_output_names_it() -> None:
    cases = [case for case in recorded() if case.file and case.file.rsplit("/", 1)[-1] in case.printed]
    missed = [case.id for case in cases if not case.names_file(analyse(case.run))]
    assert len(cases) >= 130
    assert not missed


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of failing output is not beside this repository")
def test_corpus_score(record_property: Callable[[str, object], None]) -> None:
    cases = corpus()
    hints = {case.id: analyse(case.run) for case in cases}
    causes = sum(case.mentions(hints[case.id]) for case in cases)
    files = sum(case.names_file(hints[case.id]) for case in cases)
    invented = [hint for case in cases if case.invented(hint := hints[case.id])]
    said = f"cause {causes}, file {files} of {len(cases)}; files invented: {len(invented)}"
    record_property("score", f"hints without a model: {said}")
    assert all(1 <= len(hint.split()) <= 20 for hint in hints.values())
    assert (causes >= 44, files >= 40, invented) == (True, True, [])


def failed(stderr: str, *, command: str = "python app.py", exit_code: int | None = 1, cwd: str = "/p") -> FailedRun:
    return FailedRun(command, exit_code, b"", stderr.encode(), cwd)


def traceback(frames: int, last: str) -> str:
    middle = "".join(f'  File "/p/deep.py", line {n + 1}, in step{n}\n    step{n + 1}()\n' for n in range(frames))
    return f"Traceback (most recent call last):\n{middle}{last}\n"


def test_innermost_frame_of_the_project_speaks_not_the_library() -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/p/app.py", line 4, in main\n    load("x")\n'
        '  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode\n    raise err\n'
        "ValueError: no value\n"
    )
    assert analyse(failed(trace)).startswith("app.py:4 in main: ValueError: no value")


def test_frames_of_an_environment_inside_the_project_are_not_ours() -> None:
    trace = (
        "Traceback (most recent call last):\n"
        '  File "/p/app.py", line 4, in main\n    get(1)\n'
        '  File "/p/.venv/lib/python3.11/site-packages/lib/core.py", line 9, in get\n    raise KeyError(key)\n'
        "KeyError: 1\n"
    )
    assert "app.py:4" in analyse(failed(trace))
    assert "core.py" not in analyse(failed(trace))


def test_an_ignored_exception_after_the_real_one_is_not_reported() -> None:
    trace = traceback(2, "LookupError: the real one") + (
        "Exception ignored in: <function Pool.__del__ at 0x7f>\n"
        'Traceback (most recent call last):\n  File "/p/pool.py", line 3, in __del__\n    self.x()\n'
        "AttributeError: shutting down\n"
    )
    assert "LookupError: the real one" in analyse(failed(trace))


def test_thousands_of_failures_with_one_cause_name_the_function_at_fault() -> None:
    block = (
        "____ test_area[{n}] ____\n\n>       assert area({n}) == 0\n\ntest_geo.py:5: \n_ _ _ _\n\n"
        ">       return n * tow\nE       NameError: name 'tow' is not defined\n\ngeo.py:2: NameError\n"
    )
    blocks = "".join(block.format(n=n) for n in range(4000))
    out = f"==== FAILURES ====\n{blocks}==== short test summary info ====\n4000 failed in 3.21s\n"
    hint = analyse(FailedRun("pytest -q", 1, out.encode(), b"", "/p"))
    assert hint.startswith("geo.py:2: NameError: name 'tow' is not defined")
    assert "4000 tests fail" in hint


def test_an_error_in_the_middle_of_megabytes_of_noise_is_found() -> None:
    noise = b"INFO step done, errors: 0\n" * 150_000
    out = noise + traceback(1, "KeyError: 'tarif'").encode() + noise
    hint = analyse(FailedRun("python app.py", 1, out, b"", "/p"))
    assert "KeyError: 'tarif'" in hint
    assert "deep.py:1 in step0" in hint


def test_no_line_cut_in_two_is_read_as_a_whole_one() -> None:
    line = b"src/a.c:1:2: warning: x is never read; y is never read\n"
    run = FailedRun("make", 1, line * 40_000, b"", "/p")
    lines = set(read(run).stdout)
    assert lines == {line.decode().rstrip(), ""}


@pytest.mark.parametrize(
    ("exit_code", "timed_out", "says"),
    [
        (3, False, "exit code 3"),
        (137, False, "SIGKILL"),
        (139, False, "segmentation fault"),
        (-11, False, "segmentation fault"),
        (124, False, "timed out"),
        (None, True, "timed out"),
    ],
)
def test_a_silent_run_is_told_by_its_exit(exit_code: int | None, timed_out: bool, says: str) -> None:
    hint = analyse(FailedRun("./run", exit_code, b"", b"", "/p", timed_out=timed_out))
    assert says in hint
    assert re.search("no output|printed nothing", hint)


def test_warnings_do_not_hide_the_error() -> None:
    text = (
        "a.c:3:1: warning: unused variable 'x'\na.c:9:5: error: 'count' undeclared\nmake: *** [Makefile:2: a.o] Error 1"
    )
    assert analyse(failed(text, command="make")).startswith("a.c:9: 'count' undeclared")


def test_a_run_we_killed_says_so_beside_its_error() -> None:
    text = b'  File "/p/app.py", line 3, in wait\n    lock.acquire()\nKeyboardInterrupt\n'
    hint = analyse(FailedRun("python app.py", None, b"", text, "/p", timed_out=True))
    assert hint.startswith("app.py:3 in wait: KeyboardInterrupt; timed out")


def test_colours_and_redrawn_progress_are_no_part_of_a_hint() -> None:
    text = "10%\r50%\r\x1b[31mb.go:3:4: undefined: lenght\x1b[0m"
    assert analyse(failed(text, command="go build")) == "b.go:3: undefined: lenght"


@given(stdout=st.binary(max_size=400), stderr=st.binary(max_size=400), code=st.none() | st.integers(-64, 300))
def test_any_bytes_give_one_to_twenty_words(stdout: bytes, stderr: bytes, code: int | None) -> None:
    hint = analyse(FailedRun("cmd", code, stdout, stderr, "/p"))
    assert 1 <= len(hint.split()) <= 20
    assert not is_suspect(hint)


SCRAPS = sorted({line for case in recorded() for line in case.printed.splitlines() if line.strip()})


@settings(max_examples=200)
@given(
    lines=st.lists(st.sampled_from(SCRAPS) | st.text(max_size=30), max_size=40),
    command=st.sampled_from(["pytest", "git push", "x"]),
)
def test_any_mixture_of_real_lines_gives_one_to_twenty_words(lines: list[str], command: str) -> None:
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    hint = analyse(FailedRun(command, 1, text, text[::-1], "/tmp/failing/x"))
    assert 1 <= len(hint.split()) <= 20


@pytest.mark.parametrize(
    "unit",
    [
        "../", "a.", 'File "', "(", "E   assert ( ", "x: ", "\x1b[", "\n", "error: ", "a.c:1:2: error: x\n",
        "FAIL: test_a (t.T)\n", "    at f (a.js:1:2)\n", "● a › b\n", "not ok 1 - a\n", "Error: x\n  at f (a.js:1:2)\n",
        "Caused by: java.io.X: y\n\tat a.b(C.java:1)\n", '  File "a.py", line 1, in f\n    f()\n', "____ a ____\n",
    ],
)  # fmt: skip
def test_ten_megabytes_of_anything_are_no_trap_for_a_pattern(unit: str) -> None:
    line = (unit * 200)[:600]
    data = f"{line}\n".encode() * (10_000_000 // (len(line) + 1))
    before = time.process_time()
    hint = analyse(FailedRun("pytest; git push", 1, data, data, "/p"))
    assert time.process_time() - before < 20  # about one; minutes where a pattern goes back over the same text
    assert 1 <= len(hint.split()) <= 20


def test_limit_words_marks_the_cut_and_bounds_each_word() -> None:
    assert limit_words("one two three.", 2) == "one two…"
    assert limit_words("one two", 2) == "one two"
    assert len(limit_words("x" * 500)) == 80
    assert limit_words("") == ""
    assert "\x1b" not in limit_words("a\x1b[2Jb")
