"""The stores by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from conductor.stores.base import Store
from conductor.stores.memory import MemoryStore


def _sqlite(folder: Path) -> Store:
    from conductor.stores.sqlite import SqliteStore

    return SqliteStore(folder)


def _memory(folder: Path) -> Store:
    del folder
    return MemoryStore()


STORES: Mapping[str, Callable[[Path], Store]] = {"sqlite": _sqlite, "memory": _memory}
