from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from conductor.errors import InvalidFile, UsageError
from conductor.trust import TrackPermits, TrustStore


def test_nothing_is_trusted_at_first_and_asking_writes_nothing(tmp_path: Path) -> None:
    assert not TrustStore(tmp_path / "conductor").is_trusted("abc")
    assert list(tmp_path.iterdir()) == []


def test_a_yes_is_kept_for_other_processes_and_for_the_users_eyes_only(tmp_path: Path) -> None:
    home = tmp_path / "config" / "conductor"
    TrustStore(home).trust("abc", "gates of ü")
    TrustStore(home).trust("def", "more")
    assert TrustStore(home).is_trusted("abc")
    assert TrustStore(home).is_trusted("def")
    assert not TrustStore(home).is_trusted("ab")
    kept = home / "trust.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert json.loads(kept.read_text())["abc"]["what"] == "gates of ü"
    assert sorted(path.name for path in home.iterdir()) == ["trust.json", "trust.lock"]


def test_the_digest_of_no_file_is_never_trusted(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.trust("", "nothing")
    assert not store.is_trusted("")


def test_the_text_of_what_was_allowed_last_is_kept_and_no_other(tmp_path: Path) -> None:
    home, file = tmp_path / "user", Path("/p/conductor.toml")
    store = TrustStore(home)
    assert store.allowed(file) is None
    for digest, text in (("d1", "one\r\n"), ("d2", "two ü"), ("d3", ""), ("d1", "one\r\n")):
        store.allow(digest, file, text)
        found = TrustStore(home).allowed(file)
        assert found and found.text == text and found.when.endswith(" UTC")
        (kept,) = (home / "allowed").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
    assert all(map(store.is_trusted, ("d1", "d2", "d3")))
    assert store.allowed(Path("/q/conductor.toml")) is None


def test_a_yes_of_an_earlier_version_has_no_text(tmp_path: Path) -> None:
    TrustStore(tmp_path).trust("d1", "/p/conductor.toml")
    found = TrustStore(tmp_path).allowed(Path("/p/conductor.toml"))
    assert found and found.text is None and found.at


def test_a_yes_to_a_check_holds_for_that_track_file_in_that_place_and_is_remembered(tmp_path: Path) -> None:
    permits = TrackPermits(TrustStore(tmp_path), Path("/p/t.toml"))
    permits.trust("d1", "verify of T1", "make test")
    permits.trust("d2", "verify of T2", "make more")
    assert permits.is_trusted("d1") and permits.is_trusted("d2")
    assert (permits.before("verify of T1"), permits.before("verify of T3")) == ("make test", "")
    elsewhere = TrackPermits(TrustStore(tmp_path), Path("/q/t.toml"))
    assert not elsewhere.is_trusted("d1") and elsewhere.before("verify of T1") == ""


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_named_and_left(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trust.json"
    path.write_bytes(content)
    for use in (lambda s: s.is_trusted("abc"), lambda s: s.trust("abc", "")):
        with pytest.raises(InvalidFile, match=r"trust\.json: is not (JSON|a JSON object)"):
            use(TrustStore(tmp_path))
    assert path.read_bytes() == content


def test_a_place_that_cannot_hold_it_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        TrustStore(tmp_path / "file" / "conductor").trust("abc", "")
    (tmp_path / "trust.json").mkdir()
    with pytest.raises(UsageError, match=r"cannot be read|cannot be written"):
        TrustStore(tmp_path).trust("abc", "")


def add(home: Path, start: int) -> None:
    for number in range(start, start + 20):
        TrustStore(home).trust(f"d{number}", "")


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    workers = [multiprocessing.Process(target=add, args=(tmp_path, start)) for start in (0, 20, 40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(json.loads((tmp_path / "trust.json").read_text())) == 60
