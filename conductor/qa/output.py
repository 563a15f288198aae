"""A command's output as the readers see it: bounded, decoded, without colours, its paths told apart."""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

_HEAD = 96_000
_TAIL = 160_000
_WINDOW = 12_000
_LONGEST_LINE = 600
_MARKERS = (
    b"Traceback (most recent call last)",
    b": error",
    b"error[",
    b"panicked at",
    b"panic: ",
    b"ERROR",
    b"fatal",
    b"FAIL",
)
# Patterns as text: they are compiled when something has failed, and every run loads this.
_ESCAPES = r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|\x1b[@-Z\\-_]"
_FOREIGN = (
    r"^<|^node:|^internal/|site-packages|dist-packages|node_modules|(?:^|/)lib/python\d|/\.cargo/|^/rustc/|^/usr/|^/lib/|^/opt/"
    r"|/go/pkg/mod/|/(?:local|sdk)/go[\d.]*/|/\.(?:venv|tox|nox|pyenv|npm|rustup)/|^\.\./(?:sysdeps|csu)|^(?:\.\./){3}|^/build/"
)
_SOURCE_FILE = (
    r"\.(?:c|cc|cpp|cxx|h|hh|hpp|m|go|rs|java|kt|scala|swift|py|pyi|js|jsx|mjs|cjs|ts|tsx|mts|cts|vue|svelte|rb|php|pl|pm|lua|cs|fs|hs|ml|"
    r"sh|bash|zsh|sql|proto|toml|ya?ml|json|css|scss|html|md|rst|tf|cfg|ini|csv|txt|zig|nim|dart|ex|exs|erl|el|clj|jl|r|s|S|asm|cmake|gradle)$|(?:^|/)(?:GNUm|M|m)akefile$|Dockerfile$"
)
_FILE_NAME = r"[\w.@+-]+(?:/[\w.@+-]+)*\.[A-Za-z]\w{0,9}\b"


class Output(Struct, frozen=True):
    """The readable part of a failed run. `lines` is standard output followed by standard error."""

    command: str
    exit_code: int | None
    cwd: str
    stdout: tuple[str, ...]
    stderr: tuple[str, ...]
    lines: tuple[str, ...]
    timed_out: bool = False

    def is_ours(self, path: str) -> bool:
        """Say whether `path`, as a tool printed it, is a file of the project rather than of a library."""
        inside = path.removeprefix("file://")
        if inside.startswith(self._root):
            inside = inside[len(self._root) :]
            return re.search(_FOREIGN, f"./{inside}") is None
        return bool(inside) and re.search(_FOREIGN, inside) is None

    def short(self, path: str) -> str:
        """Return `path` relative to the project where it lies inside, else as it was printed."""
        plain = path.strip().removeprefix("file://")
        if plain.startswith(self._root):
            plain = plain[len(self._root) :]
        return posixpath.normpath(plain) if plain else plain

    def place(self, path: str | None, line: str | int | None = None) -> str:
        """Return `file:line` for a hint, only the file where the line is unknown, "" where even that is."""
        if not path:
            return ""
        return f"{self.short(path)}:{line}" if line else self.short(path)

    def relative(self, text: str) -> str:
        """Return `text` with the project's root taken off every path in it."""
        return text.replace(self._root, "") if len(self._root) > 1 else text

    def command_files(self) -> tuple[str, ...]:
        """Return the file names the command line mentions, in order."""
        return tuple(dict.fromkeys(re.findall(_FILE_NAME, self.command[:4_000])))

    @property
    def _root(self) -> str:
        return f"{self.cwd.rstrip('/')}/" if self.cwd else "\x00"


def read_output(
    command: str, exit_code: int | None, cwd: str, stdout: bytes, stderr: bytes, *, timed_out: bool
) -> Output:
    """Return the bounded, decoded output of a run; bytes that are no UTF-8 become U+FFFD."""
    out, err = _lines(stdout), _lines(stderr)
    return Output(command, exit_code, cwd, out, err, out + err, timed_out)


def is_source_file(path: str) -> bool:
    """Say whether `path` ends like a file people write: source code, configuration, a Makefile."""
    return re.search(_SOURCE_FILE, path) is not None


def _lines(data: bytes) -> tuple[str, ...]:
    text = re.sub(_ESCAPES, "", _bounded(data).decode("utf-8", "replace").replace("\r\n", "\n"))
    found: list[str] = []
    for line in text.split("\n"):
        drawn_last = line.rstrip("\r").rsplit("\r", 1)[-1]  # a progress bar redraws its line
        shown = drawn_last[:_LONGEST_LINE].rstrip()
        if shown or found[-3:] != ["", "", ""]:
            found.append(shown)
    return tuple(found)


def _bounded(data: bytes) -> bytes:
    """Return head, tail and what stands around the first error markers between them."""
    if len(data) <= _HEAD + _TAIL:
        return data
    end = len(data) - _TAIL
    parts = [_whole_lines(data, 0, _HEAD)]
    reached = _HEAD
    for at in sorted(filter(lambda at: at >= 0, (data.find(marker, _HEAD, end) for marker in _MARKERS))):
        start = max(reached, at - _WINDOW // 4)
        stop = min(end, at + _WINDOW)
        if stop > start:
            parts.append(_whole_lines(data, start, stop))
            reached = stop
    parts.append(_whole_lines(data, end, len(data)))
    return b"\n".join(parts)


def _whole_lines(data: bytes, start: int, stop: int) -> bytes:
    """Return `data[start:stop]` without the lines cut in two, unless they are longer than any worth reading."""
    if start:
        newline = data.find(b"\n", start, start + _LONGEST_LINE)
        start = newline + 1 if newline >= 0 else start
    if stop < len(data):
        newline = data.rfind(b"\n", stop - _LONGEST_LINE, stop)
        stop = newline if newline >= 0 else stop
    return data[start:stop]
