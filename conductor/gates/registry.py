"""The table of readers: a checker's name, and what reads its output."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from conductor.gates.base import Reader
from conductor.gates.pyright import PyrightReader
from conductor.gates.pytest import PytestReader
from conductor.gates.ruff import RuffReader

READERS: Mapping[str, Callable[[], Reader]] = MappingProxyType(
    {"ruff": RuffReader, "pyright": PyrightReader, "pytest": PytestReader}
)


def reader_of(name: str) -> Reader | None:
    """Return what reads the output of the checker, None for one that is not known."""
    make = READERS.get(name)
    return make() if make else None


def checker_of(command: str) -> str:
    """Return the known checker that a command line starts, by itself or with `python -m`; "" for any other."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if len(words) > 2 and words[0].rpartition("/")[2].startswith("python") and words[1] == "-m":
        words = words[2:]
    name = words[0].rpartition("/")[2] if words else ""
    return name if name in READERS else ""
