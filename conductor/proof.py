"""Whether a journal is what was written: each entry that was changed, dropped, moved or torn, by number and kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from conductor import events
from conductor.journal import digest_of, node_as_written
from conductor.messages import content_hash
from conductor.recall import runs
from conductor.stores.base import Head, Row
from conductor.stores.raw import RawJournal, opened_raw

_WITH_OUTPUT = (events.CallFinished.kind, events.GateFinished.kind, events.BugReported.kind)

_OUTPUTS = ("stdout", "stderr", "output")


class Finding(Struct, frozen=True):
    """One thing that is wrong. `sequence` and `last` are the first and last entry it is about, 0 for none of them.

    `problem` is one of changed, missing, moved, copied, torn, rewritten, content, file.
    """

    problem: str
    message: str
    sequence: int = 0
    last: int = 0
    kind: str = ""


class Proof(Struct, frozen=True):
    """What was looked at, and what was found. `has_marks`: whether a missing end could have been seen."""

    entries: int
    contents: int
    newest: Head
    has_marks: bool
    findings: tuple[Finding, ...]


def verify(folder: Path) -> Proof:
    """Look at everything in the journal of `folder`. Raises `UsageError` when there is none."""
    with opened_raw(folder) as journal:
        chain = _Chain(journal)
        chain.walk()
        found = [Finding("file", f"journal.db: {said}") for said in journal.complaints()]
        found += chain.findings()
        kept = dict(journal.contents())
        found += _contents(kept, chain.outputs, folder)
        return Proof(chain.count, len(kept), chain.last, journal.has_marks, tuple(found))


class _Chain:
    """Goes through the entries once, each against its own hash and the entry before it."""

    def __init__(self, journal: RawJournal) -> None:
        self._journal = journal
        self._found: list[Finding] = []
        self._doubtful: list[Row] = []  # their hash does not fit them
        self._written = bytearray()  # by number: whether an entry that was written with it is here
        self.count = 0
        self.last = Head(0, "")
        self.outputs: dict[str, Row] = {}  # contents that entries refer to
        self._places: dict[str, int] = {}  # of a merged journal: the number each entry was written as, by its hash

    def walk(self) -> None:
        """Look at every entry."""
        origins, sound = self._journal.origins(), True
        for row in self._journal.rows():
            if isinstance(row, int):
                self._found.append(Finding("torn", f"entry {row} cannot be read", row, row))
                self._mark(row)
                sound = False
                continue
            self.count += 1
            if _fits(row, row.sequence):
                self._sound(row, after_sound=sound)
                sound = True
                if origins:
                    self._check_origin(row, origins)
            else:
                self._doubtful.append(row)
                sound = False
            self.last = Head(row.sequence, row.hash)

    def _sound(self, row: Row, *, after_sound: bool) -> None:
        self._mark(row.sequence)
        follows = row.sequence == self.last.sequence + 1
        if after_sound and follows and row.previous_hash != self.last.hash:
            before = f"entry {self.last.sequence} is not the one" if self.last.sequence else "there was one before it"
            self._add("rewritten", row, f"{before} it was written after")
        newest = self._journal.marks.latest
        if row.sequence == newest.sequence and row.hash != newest.hash:
            self._add("rewritten", row, "it is not the one that was written last")
        if row.kind in _WITH_OUTPUT:
            said = json.loads(row.data)
            self.outputs |= {said[name]: row for name in _OUTPUTS if said.get(name)}

    def _check_origin(self, row: Row, origins: dict[int, tuple[int, str, str]]) -> None:
        """Look at an entry of a merged journal in the journal it is from: by itself, and behind the one before it."""
        place = origins.get(row.sequence, (row.sequence, row.previous_hash, row.hash))
        written_as, previous, hashed = place
        written = row._replace(node=node_as_written(row.node), previous_hash=previous, hash=hashed)
        if row.sequence in origins and not _fits(written, written_as):
            self._add("changed", row, f"it is not what was written as entry {written_as} of the journal it is from")
        elif row.kind == events.JournalsMerged.kind:
            if not self._places.keys() >= set(json.loads(row.data)["heads"]):
                self._add("missing", row, "the end of a journal that was merged is not there")
        elif previous and self._places.get(previous) != written_as - 1:
            self._add("missing", row, f"entry {written_as - 1} of the journal it is from is not there")
        self._places[hashed] = written_as

    def findings(self) -> list[Finding]:
        """Return all that is wrong with the entries, by number."""
        self._judge_doubtful()
        end = max(len(self._written) - 1, self._journal.marks.latest.sequence)
        missing = [n for n in range(1, end + 1) if n >= len(self._written) or not self._written[n]]
        for first, last in runs(missing):
            at_end = " at its end" if last == end and self.last.sequence < first else ""
            what = f"entry {first} is" if first == last else f"entries {first} to {last} are"
            self._found.append(Finding("missing", f"{what} missing{at_end}", first, last))
        return sorted(self._found, key=lambda finding: finding.sequence)

    def _judge_doubtful(self) -> None:
        """Tell entries that were moved, as a whole, from those that were changed."""
        if not self._doubtful:
            return
        wanted = {row.previous_hash for row in self._doubtful}
        places = {
            row.hash: row.sequence for row in self._journal.rows() if not isinstance(row, int) and row.hash in wanted
        }
        shift = 0
        for row in self._doubtful:
            tries = (places.get(row.previous_hash, 0) + 1, row.sequence + shift, row.sequence + 1, row.sequence - 1)
            written_as = next((number for number in tries if _fits(row, number)), 0)
            if not written_as:
                self._add("changed", row, "it is not what was written: its hash does not fit it")
                self._mark(row.sequence)
                continue
            shift = written_as - row.sequence
            again = self._mark(written_as)
            self._add(*("copied", row, "it is") if again else ("moved", row, "it was written as"), written_as)

    def _add(self, problem: str, row: Row, message: str, written_as: int = 0) -> None:
        kind = str(row.kind)
        other = f" entry {written_as}" if problem == "moved" else f" a copy of entry {written_as}" if written_as else ""
        said = f"entry {row.sequence} ({kind}): {message}{other}"
        self._found.append(Finding(problem, said, row.sequence, row.sequence, kind))

    def _mark(self, number: int) -> bool:
        """Note that the entry of that number is here, and say whether it was already."""
        if not 0 <= number < 100_000_000:  # a damaged number says nothing
            return False
        if number >= len(self._written):
            self._written.extend(bytes(number - len(self._written) + 1))
        already = bool(self._written[number])
        self._written[number] = 1
        return already


def _fits(row: Row, sequence: int) -> bool:
    try:
        return digest_of(row._replace(sequence=sequence)) == row.hash
    except (TypeError, ValueError):  # a column of another type than was written
        return False


def _contents(kept: dict[str, bool], wanted: dict[str, Row], folder: Path) -> Iterator[Finding]:
    for digest, whole in kept.items():
        if not whole:
            row = wanted.get(digest)
            owner = f", an output of entry {row.sequence} ({row.kind})," if row else ""
            number, kind = (row.sequence, row.kind) if row else (0, "")
            yield Finding("content", f"content {digest[:12]}{owner} is not what was written", number, number, kind)
    for digest, row in wanted.items():
        if digest not in kept and not _filed(folder, digest):
            said = f"content {digest[:12]}, an output of entry {row.sequence} ({row.kind}), is missing"
            yield Finding("content", said, row.sequence, row.sequence, row.kind)


def _filed(folder: Path, digest: str) -> bool:
    """Say whether an output is in a file of its own, as the first format had it, and whole."""
    path = folder / "outputs" / digest[:2] / digest
    return path.is_file() and content_hash(path.read_bytes()) == digest
