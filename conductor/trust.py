"""What the user has said yes to for good, kept in their own configuration directory and never in a repository."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from conductor.errors import InvalidFile, Problem, UsageError
from conductor.user_file import locked, write_private

_NAME = "trust.json"


class TrustStore:
    """Digests the user trusts, in `<user_dir>/trust.json`, a file that only the user may read."""

    def __init__(self, user_dir: Path) -> None:
        self._path = user_dir / _NAME

    def is_trusted(self, digest: str) -> bool:
        """Say whether the user said yes to what has this digest. Raises `InvalidFile` when the file cannot be used."""
        return bool(digest) and digest in self._entries()

    def trust(self, digest: str, what: str) -> None:
        """Keep the user's yes; `what` says to a reader of the file what it was about.

        Raises `InvalidFile` when the present file cannot be used, `UsageError` when it cannot be written.
        """

        def add(entries: dict[str, Any]) -> None:
            entries[digest] = {"what": what, "at": datetime.now(UTC).isoformat(timespec="seconds")}

        self._change(add)

    def accepted(self, source: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the definitions accepted of `source`, by name. Raises `InvalidFile` when the file cannot be used."""
        kept = self._entries().get(source)
        found = kept.get("accepted") if isinstance(kept, dict) else None  # type: ignore[unknown]
        items = cast("dict[str, Any]", found).items() if isinstance(found, dict) else ()
        return {name: cast("dict[str, Any]", value) for name, value in items if isinstance(value, dict)}

    def accept(self, source: str, name: str, definition: Mapping[str, Any], what: str) -> None:
        """Keep the user's yes to what `source` says of `name`, in the place of an earlier yes; as `trust` otherwise."""

        def add(entries: dict[str, Any]) -> None:
            entry = {**dict(definition), "what": what, "at": datetime.now(UTC).isoformat(timespec="seconds")}
            entries[source] = {"accepted": {**self.accepted(source), name: entry}}

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
