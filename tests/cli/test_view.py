"""`conductor view` as a command: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from conductor.cli.view import main

CODE = "import os\nclass A:\n    def f(self, a: int = 1) -> str:  # note\n        return os\n"


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_text(CODE)
    return path


def view(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = "import sys; from conductor.cli import main; sys.argv.insert(1, 'view'); main()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True)


def test_skeleton_is_the_default(file: Path) -> None:
    done = view(file)
    assert done.stdout == b"class A:\n    def f(self, a: int = 1) -> str: pass\n"
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_without_definitions_is_said(file: Path) -> None:
    file.write_text("x = 1\n")
    done = view(file)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        b"",
        b"conductor view: %b: no definitions\n" % bytes(file),
    )
    file.write_text("\n")
    assert view(file).stderr == b""


def test_curated_raw_and_one_definition(file: Path) -> None:
    assert view("--curated", file).stdout.decode() == CODE.replace("  # note\n        return os", " ... # Hidden")
    assert view("--raw", file).stdout.decode() == CODE
    assert view(f"{file}::A.f").stdout.decode() == CODE.split("class A:\n")[1]


def test_several_files_are_titled(file: Path) -> None:
    assert view("--compact", file, file).stdout.decode() == f"# {file}\nclass A:\n def f(self,a:int=1)->str: pass\n" * 2


def test_stdin() -> None:
    assert view("--stdin", stdin=b"def f(): return 1\n").stdout == b"def f(): pass\n"


@pytest.mark.parametrize(
    ("arguments", "said"), [(["no.py"], b"cannot read no.py: No such file"), ([], b"no FILE given")]
)
def test_mistakes_are_one_line_and_exit_2(arguments: list[str], said: bytes) -> None:
    done = view(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"conductor view: " + said)
    assert done.stderr.count(b"\n") == 1


def test_a_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for arguments in (["."], ["--map", "."]):
        assert main(arguments) == 2
        assert capsys.readouterr().err == "conductor view: cannot read .: No such file or directory\n"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    for path, said in (("pipe.py", "not a file; pipe"), ("loop.py", "Too many levels"), ("large.py", "larger than 16")):
        assert main([str(tmp_path / path)]) == 2
        assert said in capsys.readouterr().err
    assert main(["/dev/zero"]) == 2


def test_a_folder_is_shown_though_links_in_it_lead_nowhere(file: Path) -> None:
    (file.parent / "loop.py").symlink_to("loop.py")
    (file.parent / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(file.parent / "pipe.py")
    done = view(file.parent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"# %b\nclass A" % bytes(file))
    (file.parent / "sub").mkdir()
    done = view(file.parent / "sub")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no source files found there" in done.stderr


def test_a_closed_or_full_stream_is_no_crash(file: Path) -> None:
    program = "import sys; from conductor.cli import main; sys.argv.insert(1, 'view'); main()"
    call = f"{sys.executable} -c {shlex.quote(program)}"
    for arguments, code in ((f"{file} >&-", 0), (f"{file} 2>&-", 0), ("--stdin <&-", 0), ("no.py >&-", 2)):
        done = subprocess.run(f"{call} {arguments}", shell=True, capture_output=True)
        assert (done.returncode, b"bug" in done.stderr) == (code, False), arguments
    if Path("/dev/full").exists():
        done = subprocess.run(f"{call} {file} >/dev/full", shell=True, capture_output=True)
        assert done.returncode == 2
        assert b"No space left" in done.stderr
        assert done.stderr.count(b"\n") == 1


def test_a_missing_name_is_named_with_what_is_near(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{file}::A.g"]) == 2
    assert "no definition A.g" in (said := capsys.readouterr().err)
    assert "A.f" in said


def test_the_other_files_are_still_shown(file: Path) -> None:
    done = view("no.py", file)
    assert done.returncode == 2
    assert b"class A" in done.stdout


def test_a_broken_file_is_shown_and_said(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("def f(): return (\ndef g(): pass\n")
    done = view(tmp_path / "b.py")
    assert done.returncode == 0
    assert done.stdout == b"def f(): pass\ndef g(): pass\n"
    assert b"approximate: syntax error at line " in done.stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("def f(): pass\n" * 50_000)
    program = "import sys; from conductor.cli import main; sys.argv.insert(1, 'view'); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "b.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


def test_piped_output_loads_nothing_heavy(file: Path) -> None:
    program = (
        "import sys; from conductor.cli.view import main; main(sys.argv[1:]);"
        "heavy = ('typer', 'click', 'rich', 'pydantic', 'litellm', 'dataclasses', 'ast', 'pathlib');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True)
    assert done.stdout.endswith("[]\n")


def test_json_and_tokens(file: Path) -> None:
    record = json.loads(view("--json", file).stdout)
    assert record["path"] == str(file)
    assert record["text"] == "class A:\n    def f(self, a: int = 1) -> str: pass\n"
    assert 0 < record["tokens"]["after"] < record["tokens"]["before"]
    said = view("--tokens", file).stderr.decode()
    assert said.startswith(f"{file}: {record['tokens']['before']} -> {record['tokens']['after']} tokens (")


def test_a_folder_is_all_of_its_files(file: Path) -> None:
    (file.parent / "sub").mkdir()
    (file.parent / "sub" / "b.py").write_text("def g(): pass\n")
    shown = view(file.parent).stdout.decode()
    assert shown.startswith(f"# {file}\nclass A:")
    assert shown.endswith(f"# {file.parent / 'sub' / 'b.py'}\ndef g(): pass\n")


def test_map(file: Path) -> None:
    assert view("--map", file.parent).stdout.decode() == "# a.py\nclass A:\n def f(self,a:int=1)->str: pass\n"
    assert view("--map", file).returncode == 2
    record = json.loads(view("--map", "--json", file.parent).stdout)
    assert (record["view"], record["notice"][:6]) == ("map", "2 of 2")


def test_changed_takes_no_file_for_a_revision(file: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=file.parent, check=True)
    assert "return os" in view("--changed", file).stdout.decode()  # a new file: all of it changed


def test_views_that_do_not_go_together_are_refused(file: Path) -> None:
    for options in (
        "--raw --hot A.f",
        "--map --changed",
        "--map --lines",
        "--raw --docs first",
        "--curated --budget 9",
        "--hot A.f --focus A.f",
    ):
        done = view(*options.split(), file)
        assert (done.returncode, done.stdout) == (2, b""), options
        assert b"Leave out --" in done.stderr
    assert b"Leave out one of" in view("--focus", "A.f", "--budget", "9", file).stderr
    assert b"Leave out --focus" in view(f"{file}::A.f", "--focus", "A").stderr
    assert view("--raw", "--curated", file).returncode == 2
    assert view("--budget", "-1", file).returncode == 2


def on_a_terminal(*arguments: str | Path, rows: int = 24, **environment: str) -> str:
    program = "import sys; from conductor.cli import main; sys.argv.insert(1, 'view'); main()"
    inherited = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS", "MANPAGER")}
    settings = {**inherited, "TERM": "xterm", "PAGER": "sed s/^/paged:/", "NO_COLOR": "", **environment}
    child = pexpect.spawn(
        sys.executable, ["-c", program, *map(str, arguments)], env=settings, dimensions=(rows, 80), timeout=20
    )
    shown = child.read().decode()
    child.close()
    assert child.exitstatus == 0
    return shown.replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_no_pager_for_what_fits(file: Path) -> None:
    shown = on_a_terminal(file)
    assert "\x1b[" in shown
    assert "paged:" not in shown
    plain = "class A:\n    def f(self, a: int = 1) -> str: pass\n"
    assert on_a_terminal(file, NO_COLOR="1") == plain
    assert on_a_terminal(file, TERM="dumb") == plain


def test_a_terminal_gets_a_pager_for_what_does_not_fit(file: Path) -> None:
    shown = on_a_terminal(file, file, file, rows=6, NO_COLOR="1")
    assert shown.startswith("paged:# ")
    assert shown.count("paged:") == 9


def test_a_long_line_is_not_cut_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text(f"def f({', '.join(f'argument_{n}' for n in range(40))}): pass\n")
    shown = re.sub(r"\x1b\[[\d;]*m", "", on_a_terminal(tmp_path / "b.py"))
    assert "argument_39" in shown


def test_a_terminal_never_gets_control_characters(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("def f(a='\x1b]0;evil\x07'): pass\n")
    assert "\x07" not in on_a_terminal(tmp_path / "b.py")
