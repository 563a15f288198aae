"""Views of folders: the same from the cache as without it, whatever happens to the cache or the files."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conductor.views import many
from conductor.views.base import Options, Part
from conductor.views.cache import cache_file
from conductor.views.many import Order, views_below

SKELETON = Order("skeleton", Options(), Part())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.py", f"def {name}(): return 1\n")
    return tmp_path


def write(path: Path, text: str, age: float = 60) -> None:
    path.write_text(text)
    then = time.time() - age
    os.utime(path, (then, then))


def texts(folder: Path, order: Order = SKELETON) -> list[str]:
    shown = list(views_below(folder, sorted(map(str, folder.glob("*.py"))), order))
    return [item.view.text if item.view else item.error for item in shown]


def expected(*names: str) -> list[str]:
    return [f"def {name}(): pass\n" for name in names]


def test_a_second_look_reads_no_file(folder: Path) -> None:
    assert texts(folder) == expected("a", "b", "c")
    status = (folder / "b.py").stat()
    (folder / "b.py").write_text("def x(): return 1\n")  # as long, and made to look as old
    os.utime(folder / "b.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert texts(folder) == expected("a", "b", "c")
    os.utime(folder / "b.py", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert texts(folder) == expected("a", "x", "c")


def test_what_changed_went_or_came_is_seen(folder: Path) -> None:
    texts(folder)
    write(folder / "a.py", "def longer(): return 1\n")
    (folder / "b.py").unlink()
    write(folder / "d.py", "def d(): pass\n")
    assert texts(folder) == expected("longer", "c", "d")
    assert texts(folder) == expected("longer", "c", "d")


def test_what_changed_a_moment_ago_is_not_kept(folder: Path) -> None:
    write(folder / "a.py", "def a(): return 1\n", age=0)
    texts(folder)
    status = (folder / "a.py").stat()
    (folder / "a.py").write_text("def z(): return 1\n")
    os.utime(folder / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert texts(folder) == expected("z", "b", "c")


def test_other_options_are_other_views(folder: Path) -> None:
    write(folder / "a.py", "def a(x: int, y): return 1\n")
    assert texts(folder)[0] == "def a(x: int, y): pass\n"
    assert texts(folder, Order("skeleton", Options(compact=True), Part()))[0] == "def a(x:int,y): pass\n"
    assert texts(folder, Order("curated", Options(docs="full"), Part()))[0] == "def a(x: int, y): ... # Hidden\n"


@pytest.mark.parametrize("damage", [b"", b"no database" * 1000, None])
def test_a_damaged_cache_is_as_good_as_none(folder: Path, damage: bytes | None) -> None:
    texts(folder)
    cache_file().unlink()
    if damage is None:
        cache_file().mkdir()
    else:
        cache_file().write_bytes(damage)
    assert texts(folder) == expected("a", "b", "c")
    assert texts(folder) == expected("a", "b", "c")
    assert damage is None or cache_file().read_bytes().startswith(b"SQLite format")


def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in ("", "somewhere"):  # a relative one is to be ignored, says the XDG specification
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert cache_file() == tmp_path / ".cache" / "conductor" / "views.db"
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/x")
    assert cache_file() == Path("/tmp/x/conductor/views.db")


def test_many_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(found == expected("a", "b", "c") for found in pool.map(texts, [folder] * 24))


def test_a_notice_is_kept_and_a_raw_view_is_not(folder: Path) -> None:
    write(folder / "a.py", "def a(): return (\n")
    paths = [str(folder / "a.py"), str(folder / "no.py")]
    for _ in range(2):
        broken, missing = views_below(folder, paths, SKELETON)
        assert broken.view is not None
        assert broken.view.notice.startswith("approximate: syntax error")
        assert (missing.view, missing.error) == (None, "No such file or directory")


def test_several_processes_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert texts(folder) == expected("a", "b", "c")
