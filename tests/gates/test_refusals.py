"""What a checker says that cannot check: which file is to be mended, and that it is no fault of the code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conductor.gates.base import Gate, GateResult, run_gate
from conductor.gates.cache import GateCache
from conductor.gates.registry import reader_of
from conductor.sandbox.registry import unconfined

BIN = Path(sys.executable).parent
PYTEST = "pytest -q -p no:cacheprovider"


def ask(root: Path, command: str, parser: str, timeout_s: float = 60, *, required: bool = False) -> GateResult:
    gate = Gate("check", command, parser=parser, timeout_s=timeout_s, required=required)
    return run_gate(gate, command, root, unconfined(), reader_of)


def broken(root: Path, command: str, files: dict[str, str]) -> str:
    (root / "a.py").write_text("A = 1\n")
    for name, text in files.items():
        (root / name).write_text(text)
    result = ask(root.resolve(), f"{BIN}/{command}", command.partition(" ")[0])
    assert not result.passed
    return str(result.broken or "")


@pytest.mark.parametrize(
    ("command", "files", "said"),
    [
        ("ruff check .", {"ruff.toml": "\nselect ["}, "ruff.toml:2 "),
        ("ruff check .", {"ruff.toml": 'lint.select = ["ZZZ9"]'}, "ruff.toml Unknown rule selector `ZZZ9`"),
        ("ruff format --check .", {"ruff.toml": 'required-version = "==0.1"'}, "ruff.toml Required version `==0.1`"),
        ("ruff check .", {"pyproject.toml": "[tool"}, "pyproject.toml:1 unclosed table"),
        ("ruff check .", {"ruff.toml": 'extend = "x.toml"'}, "x.toml No such file"),
        ("ruff check .", {"ruff.toml": 'extend = "x.toml"', "x.toml": "extend = 3"}, "x.toml:1 invalid type: integer"),
        ("ruff check --nope .", {}, "error: unexpected argument '--nope'"),
        ("pyright", {"pyproject.toml": "\n[tool"}, "pyproject.toml:2 could not be parsed"),
        ("pyright", {"pyproject.toml": "[tool.pyright]\nextends = 'x.toml'\n"}, "x.toml could not be read"),
        ("pyright --nope", {}, "Unexpected option --nope"),
        (PYTEST, {"pyproject.toml": "[tool"}, "pyproject.toml Expected ']'"),
        (PYTEST, {"pytest.ini": "[pyt"}, "pytest.ini:1 unexpected value"),
        (PYTEST, {"pytest.ini": "[pytest]\naddopts = --nope\n"}, "pytest.ini unrecognized arguments: --nope"),
        (PYTEST, {"pytest.ini": "[pytest]\nrequired_plugins = zork\n"}, "Missing required plugins: zork"),
        (f"{PYTEST} --nope", {}, "unrecognized arguments: --nope"),
    ],
)
def test_settings_and_options_that_it_cannot_take_are_named(
    tmp_path: Path, command: str, files: dict[str, str], said: str
) -> None:
    assert broken(tmp_path, command, files).startswith(said)


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("ruff check gone.py", {}),
        ("pyright gone.py", {}),
        (f"{PYTEST} gone.py", {}),
        (f"{PYTEST} a.py::test_gone", {}),
        (PYTEST, {"conftest.py": "import nowhere\n"}),
        (PYTEST, {"test_a.py": "import sys\nsys.exit(3)\n"}),
    ],
)
def test_what_the_code_may_be_to_blame_for_is_no_broken_checker(
    tmp_path: Path, command: str, files: dict[str, str]
) -> None:
    assert broken(tmp_path, command, files) == ""


@pytest.mark.parametrize("parser", ["ruff", "pyright"])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -SEGV $$", "it ended with exit code 139: it said nothing"),
        ("printf '#\\n# Out of memory\\n 1: 0xfe\\n' >&2; exit 251", "it ended with exit code 251: # Out of memory"),
        (
            "printf 'Traceback (most recent call last):\\n  x\\nOSError: no network\\n' >&2; exit 70",
            "it ended with exit code 70: OSError: no network",
        ),
        ("sleep 30", "it ran longer than 0.4 s"),
    ],
)
def test_a_crash_and_a_checker_that_hangs_are_said_in_its_own_words(
    tmp_path: Path, parser: str, script: str, said: str
) -> None:
    assert str(ask(tmp_path, script, parser, 0.4 if "sleep" in script else 60).broken) == said


@pytest.mark.parametrize("parser", ["ruff", "pyright", "pytest"])
@pytest.mark.parametrize("script", ["echo it failed; exit 2", "echo no make target >&2; exit 2"])
def test_a_script_around_a_checker_may_fail_as_it_likes(tmp_path: Path, parser: str, script: str) -> None:
    assert ask(tmp_path, script, parser).broken is None


def test_tests_that_hang_are_the_codes_own(tmp_path: Path) -> None:
    assert ask(tmp_path, "sleep 30", "pytest", 0.3).broken is None


def test_the_program_that_is_missing_is_named_wherever_it_stands(tmp_path: Path) -> None:
    assert ask(tmp_path, "true && nowhere-to-be-found", "ruff").skipped.startswith("nowhere-to-be-found not found, ")
    needed = ask(tmp_path, "true && nowhere-to-be-found", "", required=True)
    assert (needed.skipped, needed.passed, str(needed.broken)) == ("", False, "nowhere-to-be-found not found")
    assert ask(tmp_path, "./not-written-yet", "", required=True).broken is None


@pytest.mark.slow
def test_settings_that_break_while_pyright_is_kept_running_are_noticed(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    (root / "a.py").write_text("A = 1\n")
    cache = GateCache(root, warm=True)
    gate = Gate("types", f"{BIN}/pyright", parser="pyright")
    try:
        assert cache.ask(gate, gate.command, unconfined())[0].passed
        (root / "pyrightconfig.json").write_text("{not")
        for text in ("A = 1\n", "A = 2\n"):
            (root / "a.py").write_text(text)
            assert str(cache.ask(gate, gate.command, unconfined())[0].broken).startswith("pyrightconfig.json could not")
        (root / "pyrightconfig.json").write_text("{}")
        assert cache.ask(gate, gate.command, unconfined())[0].passed
        (root / "notes.txt").write_text("x")
        cache.ask(gate, gate.command, unconfined())
        (root / "notes.txt").write_text("y")
        (root / "a.py").write_text("A: int = ''\n")
        result = cache.ask(gate, gate.command, unconfined())[0]
        assert b"kept running" in result.stderr
        assert result.exit_code == 1
    finally:
        cache.close()
