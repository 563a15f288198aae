"""What real checkers print about a faulty project is read; what they do not print is not guessed at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.gates.base import Finding, Gate, brought_in, run_gate
from conductor.gates.registry import READERS, checker_of, reader_of
from conductor.sandbox.base import Sandbox
from conductor.sandbox.registry import unconfined
from conductor.shell import CommandResult

BIN = Path(sys.executable).parent
FAULTY = "import os\n\n\ndef half(n: int) -> str:\n    return n / 2\n"
TESTS = "from code import half\n\n\ndef test_half():\n    assert half(4) == 3\n\n\ndef test_fine():\n    pass\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "project"
    root.mkdir()
    (root / "faulty.py").write_text(FAULTY)
    return root


def ask(root: Path, parser: str, command: str) -> tuple[list[str], bool]:
    gate = Gate("gate", command, parser=parser)
    result = run_gate(gate, f"PATH={BIN}:$PATH; {command}", root, unconfined(), reader_of)
    assert result.reading is not None, result.stdout + result.stderr
    return [str(finding) for finding in result.reading.findings], result.passed


def test_ruff_check_is_read_as_json_however_it_was_called(root: Path) -> None:
    gate = Gate("ruff", f"{BIN}/ruff check --isolated faulty.py", parser="ruff")
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert result.reading is not None
    (found,) = result.reading.findings
    assert (found.rule, found.path, found.line, found.fixable) == ("F401", "faulty.py", 1, True)
    assert found.text == "import os"
    assert not result.passed


def test_ruff_format_is_read_from_its_differences(root: Path) -> None:
    (root / "faulty.py").write_text("a = 1\nx = {  'a':1 }\n")
    found, passed = ask(root, "ruff", "ruff format --isolated --diff .")
    assert found == ["format faulty.py:1 is not formatted"]
    assert not passed
    subprocess.run([BIN / "ruff", "format", "-q", "--isolated", "."], cwd=root, check=True)
    assert ask(root, "ruff", "ruff format --isolated --diff .") == ([], True)


@pytest.mark.parametrize("options", ["", " --outputjson"])
def test_pyright_is_read_in_both_forms_with_lines_that_count_from_one(root: Path, options: str) -> None:
    found, passed = ask(root, "pyright", f"pyright{options} faulty.py")
    assert [line.split(" ")[:2] for line in found] == [["reportReturnType", "faulty.py:5"]]
    assert not passed


def test_pytest_names_the_tests_that_failed_and_where(root: Path) -> None:
    (root / "test_it.py").write_text(TESTS.replace("code", "faulty"))
    gate = Gate("tests", f"{BIN}/python -m pytest -q -p no:cacheprovider", parser="pytest")
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert result.reading is not None
    (found,) = result.reading.findings
    assert (found.path, found.line, found.text) == ("test_it.py", 5, "test_half")
    assert result.reading.passed == {"test_it.py::test_fine"}


def test_pytest_without_a_failure_is_read_too(root: Path) -> None:
    (root / "test_it.py").write_text("def test_fine():\n    pass\n")
    assert ask(root, "pytest", "python -m pytest -q -p no:cacheprovider") == ([], True)


def test_ruff_format_is_read_from_its_check_in_any_form(root: Path) -> None:
    (root / "faulty.py").write_text("a = 1\nx = {  'a':1 }\n")
    assert ask(root, "ruff", "ruff format --isolated --check .")[0] == ["format faulty.py:2 is not formatted"]
    reader = reader_of("ruff")
    assert reader is not None
    older = reader.read(b"Would reformat: a b.py\n1 file would be reformatted\n", b"", root)
    assert older is not None
    assert [str(finding) for finding in older.findings] == ["format a b.py is not formatted"]


def test_a_syntax_error_is_a_finding_like_any_other(root: Path) -> None:
    (root / "faulty.py").write_text("def half(:\n")
    assert ask(root, "ruff", "ruff check --isolated .")[0][0].startswith("invalid-syntax faulty.py:1")
    assert ask(root, "pyright", "pyright --outputjson faulty.py")[0]


@pytest.mark.parametrize("name", sorted(READERS))
@given(st.one_of(st.binary(), st.text().map(str.encode), st.sampled_from([b"{}", b"[1]", b"null", b'[{"code":1}]'])))
def test_what_is_not_a_checkers_output_is_left_to_the_exit_code(name: str, output: bytes) -> None:
    reader = reader_of(name)
    assert reader is not None
    reading = reader.read(output, b"", Path("/nowhere"))
    assert reading is None or reading.findings == ()


def test_a_missing_program_is_said_with_the_way_to_get_it_and_skips_the_gate(root: Path) -> None:
    gate = Gate("pyright", "pyright-that-is-not-there --outputjson", parser="pyright")
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert result.skipped == "pyright-that-is-not-there not found, gate skipped: pip install pyright"
    assert result.passed
    module = Gate("tests", f"{sys.executable} -m pytest_that_is_not_there", parser="pytest")
    assert not run_gate(module, module.command, root, unconfined(), reader_of).passed  # not the gate's own program


@pytest.mark.parametrize(
    ("command", "plain"),
    [
        ("ruff check --select=E,F src/a.py", True),
        (".venv/bin/ruff check .", True),
        ("python3 -m ruff check .", True),
        ("ruff check . && true", False),
        ("ruff check $FILES", False),
        ("ruff check 'a b.py'", False),
        ("ruff  check *.py", False),
        ("RUFF_CACHE_DIR=x ruff check", False),
        ("cd src", False),
        ("make lint", False),
        ("ruff check .\n", False),
    ],
)
def test_no_bash_is_started_for_what_means_the_same_to_every_shell(root: Path, command: str, plain: bool) -> None:
    asked: list[tuple[str, bool]] = []

    class Asked(Sandbox, frozen=True):
        def run(self, command: str, *, cwd: Path, timeout_s: float, plain: bool = False) -> CommandResult:
            del cwd, timeout_s
            asked.append((command, plain))
            return CommandResult(0, b"[]", b"", 0.0)

    gate = Gate("ruff", command, parser="ruff", required=True)
    run_gate(gate, command, root, Asked(unconfined().mechanism, unconfined().policy), reader_of)
    assert asked == [(f"exec {command}" if plain else command, plain)]


def test_a_plain_command_that_is_not_there_is_said_as_any_other(root: Path) -> None:
    gate = Gate("ruff", "nowhere/ruff check .", parser="ruff")
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert result.skipped == "nowhere/ruff not found, gate skipped: pip install ruff"


def test_a_checker_that_hangs_is_ended(root: Path) -> None:
    gate = Gate("slow", "sleep 60", parser="ruff", timeout_s=0.2)
    result = run_gate(gate, gate.command, root, unconfined(), reader_of)
    assert (result.exit_code, result.passed, result.skipped) == (124, False, "")


@pytest.mark.parametrize(
    ("command", "checker"),
    [
        ("ruff check .", "ruff"),
        (".venv/bin/ruff format --diff", "ruff"),
        ("python3 -m pytest -q", "pytest"),
        ("python -m mypy", ""),
        ("make test", ""),
        ("", ""),
        ("echo 'ruff", ""),
    ],
)
def test_the_checker_is_known_by_its_command(command: str, checker: str) -> None:
    assert checker_of(command) == checker


def finding(rule: str = "R", line: int = 1, text: str = "x") -> Finding:
    return Finding(rule, "a.py", line, "message", text=text)


def test_a_finding_that_only_moved_is_old_and_a_second_of_its_kind_is_new() -> None:
    new, old = brought_in([finding(line=9), finding(line=12), finding(text="y")], [finding(line=3)])
    assert old == [finding(line=9)]
    assert new == [finding(line=12), finding(text="y")]


@given(st.lists(st.builds(finding, st.sampled_from("RS"), st.integers(1, 9), st.sampled_from("xy"))))
def test_nothing_is_new_where_nothing_changed(findings: list[Finding]) -> None:
    assert brought_in(findings, findings) == ([], findings)
    assert brought_in(findings, []) == (findings, [])
