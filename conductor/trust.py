"""What the user has said yes to for good, kept in their own configuration directory and never in a repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from conductor.errors import InvalidFile, Problem, UsageError
from conductor.user_file import locked, write_private

_NAME = "trust.json"
_TEXTS = "allowed"


class Allowed(Struct, frozen=True):
    """What the user allowed of a file last: when, and its text (None where none was kept)."""

    at: str
    text: str | None

    @property
    def when(self) -> str:
        """The moment, as people write it."""
        return f"{self.at[:16].replace('T', ' ')} UTC"


class TrustStore:
    """Digests the user trusts, in `<user_dir>/trust.json`, a file that only the user may read.

    Texts of the files that were allowed as a whole lie beside it, so that a change can be shown.
    """

    def __init__(self, user_dir: Path) -> None:
        self._path = user_dir / _NAME
        self._texts = user_dir / _TEXTS

    def is_trusted(self, digest: str) -> bool:
        """Say whether the user said yes to what has this digest. Raises `InvalidFile` when the file cannot be used."""
        return bool(digest) and digest in self._entries()

    def trust(self, digest: str, what: str) -> None:
        """Keep the user's yes; `what` says to a reader of the file what it was about.

        Raises `InvalidFile` when the present file cannot be used, `UsageError` when it cannot be written.
        """

        self._change(lambda entries: entries.update({digest: _entry(what)}))

    def allow(self, digest: str, file: Path, text: str) -> None:
        """Keep the user's yes to a whole file, with its text in the place of what was kept of it; else as `trust`."""

        def add(entries: dict[str, Any]) -> None:
            older = [name for name, entry in entries.items() if _is_about(entry, file) and name != digest]
            self._texts.mkdir(mode=0o700, exist_ok=True)
            write_private(self._texts / digest, text)
            entries.pop(digest, None)  # the last is what was allowed last
            entries[digest] = _entry(str(file))
            for name in older:
                with suppress(OSError):
                    (self._texts / name).unlink(missing_ok=True)

        self._change(add)

    def allowed(self, file: Path) -> Allowed | None:
        """Return what the user allowed of a file last, None for nothing. Raises `InvalidFile` as `is_trusted` does."""
        for digest, entry in reversed(self._entries().items()):
            if _is_about(entry, file):
                with suppress(OSError, ValueError):
                    return Allowed(entry["at"], (self._texts / digest).read_bytes().decode())
                return Allowed(entry["at"], None)
        return None

    def accepted(self, source: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the definitions accepted of `source`, by name. Raises `InvalidFile` when the file cannot be used."""
        kept = self._entries().get(source)
        found = kept.get("accepted") if isinstance(kept, dict) else None  # type: ignore[unknown]
        items = cast("dict[str, Any]", found).items() if isinstance(found, dict) else ()
        return {name: cast("dict[str, Any]", value) for name, value in items if isinstance(value, dict)}

    def accept(self, source: str, name: str, definition: Mapping[str, Any], what: str) -> None:
        """Keep the user's yes to what `source` says of `name`, in the place of an earlier yes; as `trust` otherwise."""

        def add(entries: dict[str, Any]) -> None:
            entries[source] = {"accepted": {**self.accepted(source), name: {**dict(definition), **_entry(what)}}}

        self._change(add)

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        try:
            with locked(self._path):
                entries = self._entries()
                change(entries)
                write_private(self._path, json.dumps(entries, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UsageError(f"{self._path} cannot be written: {error.strerror}") from error

    def _entries(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._invalid(f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise self._invalid("is not JSON") from error
        if not isinstance(entries, dict):
            raise self._invalid("is not a JSON object")
        return cast("dict[str, Any]", entries)

    def _invalid(self, message: str) -> InvalidFile:
        return InvalidFile([Problem(str(self._path), 0, "", message)], hint="Delete it to be asked again.")


class TrackPermits(Struct, frozen=True):
    """What the user allowed of the checks that a track file brings, each under a digest of all that it depends on."""

    store: TrustStore
    track: Path

    def is_trusted(self, digest: str) -> bool:
        """Say whether the user said yes to what has this digest, in this very file. Raises `InvalidFile`."""
        return self.store.is_trusted(self._bound(digest))

    def trust(self, digest: str, check: str, command: str) -> None:
        """Keep the user's yes to a check. Raises as `TrustStore.trust` does."""
        self.store.trust(self._bound(digest), f"{check}: {command}")
        self.store.accept(self._source, check, {"command": command}, str(self.track))

    def allow(self, digest: str, text: str) -> None:
        """Keep the text of the whole file, whose digest is given, to show later changes against. Raises as above."""
        self.store.allow(self._bound(digest), self.track, text)

    def before(self, check: str) -> str:
        """Return the command of this check that the user allowed last, "" for none. Raises `InvalidFile`."""
        return str(self.store.accepted(self._source).get(check, {}).get("command", ""))

    @property
    def _source(self) -> str:
        return f"checks of {self.track}"

    def _bound(self, digest: str) -> str:
        # The place counts too: the same `make test` is another command in another repository.
        return hashlib.sha256(f"{self.track}\0{digest}".encode("utf-8", "surrogateescape")).hexdigest()


def _entry(what: str) -> dict[str, str]:
    return {"what": what, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def _is_about(entry: object, file: Path) -> bool:
    return isinstance(entry, dict) and entry.get("what") == str(file) and isinstance(entry.get("at"), str)  # type: ignore[unknown]
