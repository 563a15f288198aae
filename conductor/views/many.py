"""Views of a whole folder: from the cache where nothing changed, else made by several processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from conductor.views.base import Options, Part, View, ViewKind
from conductor.views.cache import Entry, cache_file, load, store
from conductor.views.decode import read_source
from conductor.views.registry import view_of

_WORTH_A_PROCESS = 2_000_000  # bytes of source; below, starting processes takes longer than they save
_CHUNK = 25


class Order(NamedTuple):
    """Which view of each file is wanted."""

    kind: ViewKind
    options: Options
    part: Part


class Shown(NamedTuple):
    """A file and its view, or why there is none."""

    path: str
    view: View | None
    error: str = ""


def views_below(folder: Path, paths: Sequence[str], order: Order) -> Iterator[Shown]:
    """Yield the views of `paths`, all below `folder`, in their order. A file that cannot be read yields its error."""
    return kept_below(folder, paths, order.kind, repr(order), partial(_view, order))


def kept_below(
    folder: Path, paths: Sequence[str], kind: ViewKind, made: str, make: Callable[[str, bytes], View]
) -> Iterator[Shown]:
    """Yield for each of `paths`, all below `folder`, what `make` makes of its path and content, or has made before.

    `made` says what that is, in the cache, where only views of `kind` are kept.
    """
    root, now = folder.resolve(), time.time_ns()
    prefix = os.path.join(folder, "")  # noqa: PTH118 - as text, for thousands of paths
    names = [path.removeprefix(prefix) for path in paths]
    known = load(cache_file(), root, made)
    statuses = [_status(path) for path in paths]
    missing = [
        index
        for index, (name, status) in enumerate(zip(names, statuses, strict=True))
        if status is None or name not in known or not known[name].fits(status)
    ]
    sizes = sum(status.st_size for index in missing if (status := statuses[index]))
    fresh: dict[str, Entry] = {}
    new = _made([paths[index] for index in missing], make, sizes)
    waiting = set(missing)
    for index, path in enumerate(paths):
        if index not in waiting:
            entry = known[names[index]]
            yield Shown(path, View(entry.text, kind, entry.notice))
            continue
        shown = next(new)
        status = statuses[index]
        if status and shown.view and shown.view.kind == kind:
            fresh[names[index]] = Entry(status.st_mtime_ns, status.st_size, shown.view.text, shown.view.notice)
        yield shown
    store(cache_file(), root, made, fresh, known.keys() - set(names), now)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - twice as fast, for thousands of paths
    except OSError:
        return None


def _made(paths: Sequence[str], make: Callable[[str, bytes], View], size: int) -> Iterator[Shown]:
    processes = os.cpu_count() or 1
    if size < _WORTH_A_PROCESS or processes == 1:
        yield from (_read(make, path) for path in paths)
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(min(processes, 8)) as pool:  # tree-sitter holds the interpreter lock: no threads
        yield from pool.map(partial(_read, make), paths, chunksize=_CHUNK)


def _read(make: Callable[[str, bytes], View], path: str) -> Shown:
    try:
        source = read_source(path)
    except OSError as error:
        return Shown(path, None, error.strerror or str(error))
    return Shown(path, make(path, source))


def _view(order: Order, path: str, source: bytes) -> View:
    return view_of(path, source, order.kind, options=order.options, part=order.part)
