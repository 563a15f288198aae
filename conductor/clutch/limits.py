"""What no allow rule may cover, whatever it says: doubts about paths and commands, each in words a human is told."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from conductor.clutch.profiles import Profile, profile_of


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_OWN = _set("conductor.toml")
# Files that decide what later commands do: writing them is as good as running code.
_STEERING = _set(
    "conftest.py pyproject.toml setup.py setup.cfg tox.ini pytest.ini ruff.toml noxfile.py sitecustomize.py"
    " usercustomize.py makefile gnumakefile justfile dockerfile package.json tsconfig.json cmakelists.txt meson.build"
    " build.rs cargo.toml rakefile gemfile build.gradle pom.xml tasks.py fabfile.py conanfile.py"
)
_STEERING_ENDS = (".pth", ".mk", ".config.js", ".config.ts", ".config.mjs", ".config.cjs")
_TOOLS_LIVE_IN = _set("venv node_modules site-packages __pycache__")
# Their arguments hold commands of their own, which a reader of words does not see.
_WRAPPERS = _set(
    "bash sh dash zsh ksh fish env xargs eval exec command builtin source . sudo su doas nohup time timeout nice ionice"
    " setsid stdbuf ssh find watch parallel script flock chroot unshare nsenter bwrap busybox strace ltrace gdb coproc"
    " trap alias function awk gawk sed perl tar rg fd"
)
_DESTROYERS = _set("rm rmdir unlink shred dd truncate mkfs kill pkill killall chmod chown mv ln")
_NETWORK = _set("curl wget nc ncat scp sftp rsync ftp telnet socat")
_GIT_ALWAYS_ASKED = _set("push clean reset checkout restore rm config filter-branch gc submodule")
_INTERPRETER = re.compile(r"(?:python|pypy|node|ruby|php|lua|deno|bun)[\d.]*")
_INLINE_CODE = re.compile(r"-[A-Za-z]*[ce]|--eval(?:=.*)?|--print(?:=.*)?", re.DOTALL)
_LEADS_OUT = re.compile(r"(?:^|[=:,]|^-\w)[/~@]")


def hides_commands(argv: Sequence[str]) -> bool:
    """Say whether the program of `argv` runs what its arguments say, so that its words do not show what would run."""
    program = argv[0].rpartition("/")[2].casefold()  # `.` is one too, and no name of a path
    if _INTERPRETER.fullmatch(program):
        return any(_INLINE_CODE.fullmatch(word) for word in argv[1:])
    return program in _WRAPPERS


class Limits(Struct, frozen=True):
    """The project that rules are for. `protected` are further paths in it that workers may not touch.

    `sandboxed()` says whether commands run where nothing outside the project can be changed. `find` is `shutil.which`.
    """

    root: Path
    protected: tuple[str, ...] = ()
    sandboxed: Callable[[], bool] = lambda: False
    find: Callable[[str], str | None] = shutil.which

    def doubt_about_path(self, path: str, *, writes: bool) -> str:
        """Return why no rule may let `path` be used, "" when one may."""
        if not path or path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts:
            return "it leads out of the project"
        parts = [part.casefold() for part in PurePosixPath(path).parts]
        if doubt := self._doubt_about_parts(parts):
            return doubt
        if writes and (parts[-1:] and (parts[-1] in _STEERING or parts[-1].endswith(_STEERING_ENDS))):
            return f"{path} decides what commands do"
        if writes and not _TOOLS_LIVE_IN.isdisjoint(parts):
            return f"{path} belongs to installed tools"
        return self._doubt_about_links(path)

    def doubt_about_operand(self, word: str) -> str:
        """Return why no rule may let a command have `word` (a path, pytest's node or git's revision), "" if it may."""
        if not word or word.startswith("-") or _LEADS_OUT.search(word):
            return f"{word!r} is no plain file of the project"
        parts = [part.casefold() for part in re.split(r"[/:=,]", word) if part not in ("", ".")]
        if ".." in parts or any(part.startswith("..") for part in parts):
            return f"{word!r} leads out of the project"
        paths = (word, word.partition("::")[0], word.rpartition(":")[2])
        doubts = (self._doubt_about_links(path) for path in paths)
        return self._doubt_about_parts(parts) or next(filter(None, doubts), "")

    def doubt_about_program(self, argv: Sequence[str], known: Profile | None) -> str:
        """Return why no rule may let the program of `argv` run, "" when one may."""
        program = argv[0].casefold()
        if "/" in program:
            return "a rule names programs, not paths to them"
        if hides_commands(argv):
            return f"{program} runs what its arguments say, and rules do not look into those"
        if program in _DESTROYERS or program in _NETWORK:
            return f"{program} is asked about every time"
        if program == "git" and (doubt := self._doubt_about_git(argv)):
            return doubt
        if not self.sandboxed() and (known is None or known.runs_code or self._is_of_the_project(program)):
            return "it runs code of the project, and no sandbox holds"
        return ""

    def doubt_about_command(self, argv: Sequence[str]) -> str:
        """Return why no rule may let exactly `argv` run, "" when one may."""
        if doubt := self.doubt_about_program(argv, profile_of(argv)):
            return doubt
        doubts = (self._doubt_about_word(word) for word in argv[1:])
        return next(filter(None, doubts), "")

    def _doubt_about_word(self, word: str) -> str:
        if not word.startswith("-"):
            return self.doubt_about_operand(word) if "/" in word or not re.search(r"\s", word) else ""
        if _LEADS_OUT.search(word):
            return f"{word!r} may lead out of the project"
        return self._doubt_about_parts([part.casefold() for part in re.split(r"[/:=,]", word)])

    def _doubt_about_git(self, argv: Sequence[str]) -> str:
        if len(argv) < 2 or argv[1].startswith("-") or argv[1] in _GIT_ALWAYS_ASKED:
            return "this use of git is asked about every time"
        # Without it, git may take a planted folder for the repository and run what the settings there name.
        return "" if (self.root / ".git").exists() else "the project has no .git of its own"

    def _doubt_about_parts(self, parts: Sequence[str]) -> str:
        """`parts` are of a path relative to the project, in lower case; one after the other may stand for a path."""
        named = {tuple(PurePosixPath(name.casefold()).parts) for name in self.protected}
        if not _OWN.isdisjoint(parts) or any(tuple(parts[-len(path) :]) == path for path in named):
            return "it is one of Conductor's own files"
        if any(part.startswith(".") and part not in (".", "..") for part in parts):
            return "it is hidden: rules leave such files to you"
        return "it leads out of the project" if ".." in parts else ""

    def _doubt_about_links(self, path: str) -> str:
        """Follow links: what they lead to must be as free of doubt as the name."""
        try:
            real = Path(os.path.realpath(self.root / path))
            parts = [part.casefold() for part in real.relative_to(self.root).parts]
        except (OSError, ValueError):
            return "it leads out of the project"
        return self._doubt_about_parts(parts)

    def _is_of_the_project(self, program: str) -> bool:
        found = self.find(program)
        return found is None or Path(os.path.abspath(found)).is_relative_to(self.root)  # noqa: PTH100 (links stay)
