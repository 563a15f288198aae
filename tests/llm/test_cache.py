"""Completions kept on disk: what is found, what is asked again, what damage does, and several processes at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from conductor.errors import TransientModelError
from conductor.llm.cache import Cached, CacheMode, CachePolicy
from conductor.llm.completions import CompletionStore, Stats
from conductor.messages import Completion, Effect, Message, ToolCall, ToolSpec, Usage

TOOLS = [ToolSpec("write", "Write.", {"type": "object"}, Effect.READ)]
ASKED = [Message("system", "Be brief."), Message("user", "Grüß Gott")]
ANSWER = Completion(
    "Text ü",
    (ToolCall("call_1", "write", {"path": "a"}), ToolCall("call_2", "t", {}, raw='{"a', malformed="oops")),
    "tool_calls",
    Usage(100, 10, 60, 0.5),
    "openai/m",
    attempts=3,
    asked_s=1.5,
)


class Model:
    name = "openai/m"

    def __init__(self, *answers: Completion) -> None:
        self.answers = list(answers) or [ANSWER]
        self.asked = 0

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.fixture
def store(tmp_path: Path) -> CompletionStore:
    return CompletionStore(tmp_path / "kept")


def cached(store: CompletionStore, mode: CacheMode, model: Model, said: list[str] | None = None) -> Cached:
    heard: list[str] = [] if said is None else said
    return Cached(model, CachePolicy(store, mode, heard.append), settings=["http://x", None])


def test_what_was_kept_is_asked_of_nobody_and_costs_nothing(store: CompletionStore) -> None:
    first, again = Model(), Model()
    assert cached(store, "write", first).complete(ASKED, TOOLS) == ANSWER
    found = cached(store, "read", again).complete(ASKED, TOOLS)
    assert found == replace(ANSWER, usage=Usage(), saved=ANSWER.usage, attempts=0, asked_s=0.0)
    assert (first.asked, again.asked) == (1, 0)
    assert store.stats() == Stats(1, store.stats().bytes, hits=1, misses=1, written=1, bad=0)


@pytest.mark.parametrize(
    ("messages", "tools", "settings"),
    [
        ([*ASKED, Message("user", "more")], TOOLS, ["http://x", None]),
        ([ASKED[0], Message("user", "Gruß Gott")], TOOLS, ["http://x", None]),
        (ASKED, [], ["http://x", None]),
        (ASKED, [replace(TOOLS[0], description="Write!")], ["http://x", None]),
        (ASKED, TOOLS, ["http://y", None]),
        (ASKED, TOOLS, ["http://x", 100]),
    ],
)
def test_whatever_differs_in_the_request_makes_another_entry(
    store: CompletionStore, messages: list[Message], tools: list[ToolSpec], settings: list[str | int | None]
) -> None:
    cached(store, "write", Model()).complete(ASKED, TOOLS)
    model = Model()
    Cached(model, CachePolicy(store, "read", print), settings=settings).complete(messages, tools)
    assert model.asked == 1


def test_modes(store: CompletionStore) -> None:
    other = replace(ANSWER, text="other")
    cached(store, "read", Model()).complete(ASKED, TOOLS)
    assert store.stats().entries == 0, "read keeps nothing"
    cached(store, "refresh", Model()).complete(ASKED, TOOLS)
    refreshing = Model(other)
    cached(store, "refresh", refreshing).complete(ASKED, TOOLS)
    assert refreshing.asked == 1
    assert cached(store, "read", Model()).complete(ASKED, TOOLS).text == "other"
    assert store.stats().entries == 1


def test_a_failure_is_not_kept(store: CompletionStore) -> None:
    class Failing(Model):
        def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
            raise TransientModelError("503")

    with pytest.raises(TransientModelError):
        cached(store, "write", Failing()).complete(ASKED, TOOLS)
    assert store.stats().entries == 0


def only_file(store: CompletionStore) -> Path:
    (path,) = (store.folder / "entries").iterdir()
    return path


@pytest.mark.parametrize("harm", ["changed", "truncated", "gone"])
def test_damage_is_counted_said_and_rebuilt_where_that_is_allowed(store: CompletionStore, harm: str) -> None:
    cached(store, "write", Model()).complete(ASKED, TOOLS)
    path = only_file(store)
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-5] if harm == "truncated" else whole.replace(b"Text", b"Tent"))
    check = store.validate()
    assert (check.entries, check.good, check.bad) == (1, 0, 1)

    said: list[str] = []
    model = Model()
    assert cached(store, "read", model, said).complete(ASKED, TOOLS) == ANSWER
    assert model.asked == 1 and len(said) == 1 and "asked again" in said[0]
    assert (store.stats().bad, store.validate().bad) == (1, 1), "read may not write"

    cached(store, "write", model, said).complete(ASKED, TOOLS)
    assert (store.stats().bad, len(said)) == (2, 2)
    assert store.validate().good == 1
    assert cached(store, "read", Model(), said).complete(ASKED, TOOLS).attempts == 0
    assert only_file(store).read_bytes() == whole


def test_purge_removes_everything_or_what_is_bad(store: CompletionStore) -> None:
    for text in ("a", "b", "c"):
        store.write(text, text.encode() * 10)
    (store.folder / "entries" / "left-over").write_bytes(b"12345")
    files = {store.read(text): text for text in "abc"}
    assert set(files) == {b"a" * 10, b"b" * 10, b"c" * 10}
    next(p for p in (store.folder / "entries").iterdir() if p.read_bytes() == b"b" * 10).write_bytes(b"bb")
    assert store.validate().unlisted == ("left-over",)
    assert store.purge(only_bad=True) == (1, 7)
    assert store.stats() == Stats(2, 20, hits=3, misses=0, written=3, bad=0)
    assert store.purge() == (2, 20)
    assert store.stats() == Stats(0, 0, 0, 0, 0, 0)
    assert list((store.folder / "entries").iterdir()) == []


def test_two_entries_of_one_content_do_not_lose_each_others_file(store: CompletionStore) -> None:
    store.write("a", b"same")
    store.write("b", b"same")
    store.write("a", b"other")
    assert store.purge(only_bad=True) == (0, 0)
    store.write("a", b"third")
    assert len(list((store.folder / "entries").iterdir())) == 2, "what nobody needs any more is gone"
    store.write("a", b"other")
    assert (store.read("a"), store.read("b")) == (b"other", b"same")


def test_a_cache_that_cannot_be_used_is_said_once_and_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    said: list[str] = []
    model = cached(CompletionStore(tmp_path / "kept"), "write", Model(), said)
    assert [model.complete(ASKED, TOOLS), model.complete(ASKED, TOOLS)] == [ANSWER, ANSWER]
    assert len(said) == 1 and "cannot be used" in said[0]


def test_a_manifest_that_is_no_database_is_said(store: CompletionStore) -> None:
    store.folder.mkdir()
    (store.folder / "manifest.db").write_bytes(b"this is no database, and long enough to be seen as none" * 50)
    said: list[str] = []
    assert cached(store, "write", Model(), said).complete(ASKED, TOOLS) == ANSWER
    assert "cannot be used" in said[0]


_PROCESS = """
import sys
from pathlib import Path
from conductor.llm.completions import CompletionStore
store = CompletionStore(Path(sys.argv[1]))
for n in range(20):
    store.write(str(n), f"{n} of somebody {'x' * n * 50}".encode())
    assert store.read(str(n)) is not None
    if sys.argv[2] == "purging" and n % 5 == 4:
        store.purge()
"""


def test_processes_at_once_do_each_other_no_harm(store: CompletionStore) -> None:
    """One of them purges now and then: what it removes is gone for the others, never half there."""
    started = [
        subprocess.Popen([sys.executable, "-c", _PROCESS, str(store.folder), kind], stderr=subprocess.PIPE)
        for kind in ("writing", "writing", "writing")
    ]
    assert [process.communicate()[1] for process in started] == [b"", b"", b""]
    assert store.stats() == Stats(20, store.stats().bytes, hits=60, misses=0, written=60, bad=0)
    assert (store.validate().good, store.validate().unlisted) == (20, ())
    before = store.stats().entries
    purged = subprocess.run(
        [sys.executable, "-c", _PROCESS, str(store.folder), "purging"], capture_output=True, check=True
    )
    assert purged.stderr == b"" and before == 20
    assert (store.stats().entries, store.validate().bad) == (0, 0)
