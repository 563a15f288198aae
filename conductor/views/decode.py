"""The text of a source file, whatever encoding it was written in."""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat

_COOKIE = re.compile(rb"[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
_LARGEST = 16 * 1024 * 1024  # bytes; the tree of a file takes a hundred times its size
_BLANK = re.compile(rb"[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n)")


def read_source(path: str) -> bytes:
    """Return the content of a file. Raises `OSError`, also for a pipe, which may never end, and what is too large."""
    status = os.stat(path)  # noqa: PTH116 - looked at first: to open a pipe waits for whoever writes to it
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "not a file; pipe what it holds to --stdin", path)
    if status.st_size > _LARGEST:
        raise OSError(errno.EFBIG, f"larger than {_LARGEST >> 20} MiB", path)
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 5 ms to load
        return file.read()


def decode_source(data: bytes) -> tuple[str, str]:
    """Return the text of `data` and what has to be said about it ("" when nothing has).

    A byte order mark is dropped, a coding cookie in the first two lines obeyed (Python's own rule, PEP 263); line ends
    stay as they are. Bytes that the encoding does not know become U+FFFD, and the notice names their line.
    """
    if data.startswith(codecs.BOM_UTF8):
        data, encoding = data[3:], "utf-8"
    elif data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        encoding = "utf-16"
    else:
        encoding = _cookie(data)
    try:
        return data.decode(encoding), ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return data.decode(encoding, "replace"), f"approximate: not valid {encoding} at line {line}"
    except LookupError:
        return data.decode("utf-8", "replace"), f"approximate: unknown encoding {encoding}, read as utf-8"


def without_cookie(text: str) -> str:
    """Return `text` with the coding cookie of its first two lines gone; the line stays, empty."""
    lines = text.splitlines(keepends=True)[:2]
    position = 0
    for line in lines:
        match = _COOKIE.match(line.encode("utf-8", "replace"))
        if match is not None:
            end = line[len(line.rstrip("\r\n")) :]
            return text[:position] + end + text[position + len(line) :]
        position += len(line)
    return text


def _cookie(data: bytes) -> str:
    match = _COOKIE.match(data)
    if match is None:
        first = _BLANK.match(data)
        match = _COOKIE.match(data, first.end()) if first else None
    name = match.group(1).decode("ascii", "replace") if match else "utf-8"
    return "utf-8" if name.lower() in ("utf8", "utf-8-sig", "utf-8-unix", "utf-8-dos", "utf-8-mac") else name
