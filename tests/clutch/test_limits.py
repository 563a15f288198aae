"""What no allow rule covers: every name of it, spelled once more here."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.clutch.limits import Limits

STEERING = """
conftest.py pyproject.toml setup.py setup.cfg tox.ini pytest.ini ruff.toml noxfile.py sitecustomize.py usercustomize.py
Makefile GNUmakefile justfile Dockerfile package.json tsconfig.json CMakeLists.txt meson.build build.rs Cargo.toml
Rakefile Gemfile build.gradle pom.xml tasks.py fabfile.py conanfile.py
src/a.pth src/rules.mk vite.config.js vite.config.ts vite.config.mjs vite.config.cjs
"""
INSTALLED = ["venv/x.py", "web/node_modules/x.js", "lib/site-packages/x.py", "src/__pycache__/x.pyc"]
HIDING = """
bash sh dash zsh ksh fish env xargs eval exec command builtin source . sudo su doas nohup time timeout nice ionice
setsid stdbuf ssh find watch parallel script flock chroot unshare nsenter bwrap busybox strace ltrace gdb coproc
trap alias function awk gawk sed perl tar rg fd
"""
ASKED = """
rm rmdir unlink shred dd truncate mkfs kill pkill killall chmod chown mv ln
curl wget nc ncat scp sftp rsync ftp telnet socat
"""
GIT = "push clean reset checkout restore rm config filter-branch gc submodule -c"


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    (tmp_path / ".git").mkdir()
    return Limits(tmp_path.resolve(), ("tracks/t.toml",), sandboxed=lambda: True, find=lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize("path", STEERING.split())
def test_a_file_that_decides_what_commands_do_may_be_read_and_not_written(limits: Limits, path: str) -> None:
    assert limits.doubt_about_path(path, writes=True) == f"{path} decides what commands do"
    assert limits.doubt_about_path(path, writes=False) == ""


@pytest.mark.parametrize("path", INSTALLED)
def test_installed_tools_are_not_written(limits: Limits, path: str) -> None:
    assert limits.doubt_about_path(path, writes=True) == f"{path} belongs to installed tools"
    assert limits.doubt_about_path(path, writes=False) == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "it leads out of the project"),
        ("/etc/passwd", "it leads out of the project"),
        ("~/x", "it leads out of the project"),
        ("src/../../x", "it leads out of the project"),
        ("out/x", "it leads out of the project"),
        ("src/.env", "it is hidden: rules leave such files to you"),
        (".git/config", "it is hidden: rules leave such files to you"),
        ("Conductor.toml", "it is one of Conductor's own files"),
        ("tracks/T.toml", "it is one of Conductor's own files"),
        ("src/a.py", ""),
        ("src/t.toml", ""),
    ],
)
def test_paths(limits: Limits, path: str, why: str) -> None:
    (limits.root / "out").symlink_to("/usr")
    assert limits.doubt_about_path(path, writes=False) == why
    assert limits.doubt_about_path(path, writes=True) == why


@pytest.mark.parametrize("program", HIDING.split())
def test_a_program_that_runs_its_arguments_is_never_covered(limits: Limits, program: str) -> None:
    assert limits.doubt_about_program([program.upper(), "x"], None).startswith(f"{program} runs what its arguments say")


@pytest.mark.parametrize("program", ASKED.split())
def test_what_destroys_or_uses_the_network_is_asked_about_every_time(limits: Limits, program: str) -> None:
    assert limits.doubt_about_program([program, "x"], None) == f"{program} is asked about every time"


@pytest.mark.parametrize("word", GIT.split())
def test_uses_of_git_that_are_asked_about_every_time(limits: Limits, word: str) -> None:
    assert limits.doubt_about_program(["git", word], None) == "this use of git is asked about every time"
    assert limits.doubt_about_program(["git"], None) == "this use of git is asked about every time"
    assert limits.doubt_about_program(["git", "status"], None) == ""


@pytest.mark.parametrize("word", ["-c", "-Bc", "-e", "--eval", "--eval=x", "--print", "--print=x"])
def test_code_among_the_arguments_of_an_interpreter(limits: Limits, word: str) -> None:
    assert "runs what its arguments say" in limits.doubt_about_program(["python3.12", "-B", word, "x"], None)
    assert limits.doubt_about_program(["python3.12", "src/a.py"], None) == ""
