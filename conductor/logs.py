"""The three logs, written from journal entries as they are kept: the run's, each ticket's, and what commands printed.

They are for tail, grep and less. Everything in them follows from the journal, so they can be deleted and written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from conductor import events
from conductor.errors import StateMismatch
from conductor.events import Event
from conductor.visible import visible

MAX_BYTES = 10_000_000
KEPT = 5  # older files of a log: .1 is the newest of them
_LONGEST = 400
_SERVER = "server.log"
_NUMBER = re.compile(rb"^\S+ #(\d+) ", re.MULTILINE)
_BARE = re.compile(r"[^\s\"'=]+")


class RunLogs:
    """A listener of the journal. Each file begins with the run it belongs to, and a file of another run is rotated.

    `get` returns what a command printed by its hash, `after` the track's entries above a number: a run that goes on
    catches up with what was recorded while none was there to hear. A log that cannot be written is said once, by
    `say`, and never stops the run.
    """

    def __init__(
        self,
        folder: Path,
        get: Callable[[str], bytes],
        *,
        say: Callable[[str], None] | None = None,
        after: Callable[[int], Iterator[Event]] | None = None,
    ) -> None:
        self._folder = folder
        self._get = get
        self._say = say
        self._after = after
        self._runs: dict[str, str] = {}  # by track: the entry the run began with
        self._files: dict[tuple[str, str], LogFile] = {}  # by track and name
        self._commands: dict[str, str] = {}  # by call: started and not finished
        self._broken = False

    def __call__(self, event: Event) -> None:
        """Write what there is to say about an entry."""
        if self._broken:
            return
        try:
            self._write(event)
        except (OSError, StateMismatch) as error:
            self.close()
            self._broken = True
            if self._say:
                self._say(f"the logs cannot be written any more: {error}")

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, event: Event) -> None:
        if isinstance(event.data, events.TrackStarted | events.RunResumed):
            self._begin(event)
            for missed in self._missed(event):
                self._tell(missed)
        if event.track_id in self._runs:  # before that it is said when the run goes on
            self._tell(event)

    def _tell(self, event: Event) -> None:
        data, ticket = event.data, event.ticket_id
        name = f"{_stem(ticket)}.log" if ticket else _SERVER
        self._file(event, name).write(f"{_line(event)}\n".encode())
        match data:
            case events.CallStarted(call_id=call_id, arguments={"command": str(command)}):
                self._commands[call_id] = command
            case events.CallFinished(call_id=call_id, exit_code=int()):
                self._printed(event, data, self._commands.pop(call_id, ""))
            case events.GateFinished(command=command):
                self._printed(event, data, command)
            case events.TicketCompleted() | events.TicketFailed() | events.TicketCancelled():
                for done in (name, _exec(ticket)):
                    if file := self._files.pop((event.track_id, done), None):
                        file.close()
            case _:
                pass

    def _begin(self, event: Event) -> None:
        """Take up the run's files; those of an earlier run of the track are put aside, also where none follows."""
        for key in [key for key in self._files if key[0] == event.track_id]:
            self._files.pop(key).close()
        self._runs[event.track_id] = event.correlation_id
        if isinstance(event.data, events.TrackStarted) and self._folder.is_dir():
            for path in self._folder.glob("task-*.log"):
                if _header_of(path).endswith(f" track {event.track_id}".encode()):
                    _rotate(path)

    def _file(self, event: Event, name: str) -> LogFile:
        key = (event.track_id, name)
        if key not in self._files:
            self._files[key] = LogFile(self._folder / name, self._header(event))
        return self._files[key]

    def _header(self, event: Event) -> bytes:
        return f"# run {self._runs[event.track_id]} track {event.track_id}".encode()

    def _missed(self, event: Event) -> Iterator[Event]:
        """Yield the entries of a run that goes on which are in none of its logs; those that were deleted stay so."""
        if self._after is None or isinstance(event.data, events.TrackStarted):
            return
        ours = self._header(event)
        # What commands printed could look like anything, so it is not asked.
        logs = (path for path in self._folder.glob("*.log") if not path.name.endswith("-exec.log"))
        logs = [path for path in logs if _header_of(path) == ours]
        if last := max(map(_last_number, logs), default=0):
            yield from (missed for missed in self._after(last) if missed.sequence < event.sequence)

    def _printed(self, event: Event, data: events.CallFinished | events.GateFinished, command: str) -> None:
        """Write a command that ended, with every byte it printed."""
        what = f"{data.gate} " if isinstance(data, events.GateFinished) else ""
        parts = [f"=== {event.at} #{event.sequence} {what}{data.call_id}\n$ {visible(command)}\n".encode()]
        for name, digest in (("stdout", data.stdout), ("stderr", data.stderr)):
            content = self._get(digest)
            parts.append(f"--- {name}: {len(content)} bytes\n".encode())
            parts.append(content if content.endswith(b"\n") or not content else content + b"\n")
        parts.append(f"=== #{event.sequence} exit code {data.exit_code} after {data.duration_s:.3f} s\n\n".encode())
        self._file(event, _exec(event.ticket_id)).write(b"".join(parts))


class LogFile:
    """A file that is only added to, of one run; full or of another run, it becomes `.1` and a new one is begun."""

    def __init__(self, path: Path, header: bytes) -> None:
        self._path = path
        self._header = header
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and _header_of(path) != header:
            _rotate(path)
        self._stream = self._open()

    def write(self, record: bytes) -> None:
        """Add a record. It is never cut in two: a longer one than fits is alone in its file."""
        size = self._stream.tell()
        if size + len(record) > MAX_BYTES and size > len(self._header) + 1:
            self._stream.close()
            _rotate(self._path)
            self._stream = self._open()
        self._stream.write(record)

    def close(self) -> None:
        """Close the file; it can be taken up again."""
        self._stream.close()

    def _open(self) -> IO[bytes]:
        stream = self._path.open("ab", buffering=0)
        if not stream.tell():
            stream.write(self._header + b"\n")
        return stream


def rebuild(folder: Path, entries: Iterator[Event], get: Callable[[str], bytes]) -> list[Path]:
    """Write the logs anew from all entries of the journal and return their paths. Raises OSError."""
    for path in (*folder.glob("task-*.log*"), *folder.glob(f"{_SERVER}*")):
        path.unlink()
    failed: list[str] = []
    logs = RunLogs(folder, get, say=failed.append)
    for event in entries:
        logs(event)
    logs.close()
    if failed:
        raise OSError(failed[0])
    return sorted((*folder.glob("task-*.log*"), *folder.glob(f"{_SERVER}*")))


def _exec(ticket_id: str) -> str:
    return f"{_stem(ticket_id)}-exec.log"


def _stem(ticket_id: str) -> str:
    """Return the beginning of a ticket's log names; the logs of a ticket T1-exec are none of T1's."""
    return f"task-{ticket_id}_" if ticket_id.endswith("-exec") else f"task-{ticket_id}"


def _header_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.readline(1000).rstrip(b"\n")


def _last_number(path: Path) -> int:
    """Return the number of the last entry that a log speaks of."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4096))
        return max(map(int, _NUMBER.findall(stream.read())), default=0)


def _rotate(path: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))


def _line(event: Event) -> str:
    """Return an entry on one display-safe line; long values are cut, the journal has them whole."""
    said = " ".join(
        f"{name}={_value(value)}" for name, value in events.to_json(event.data).items() if not _is_nothing(value)
    )
    return visible(f"{event.at} #{event.sequence} {event.kind} {said}".rstrip(), one_line=True)


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", (), [], {})


def _value(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (+{len(text) - _LONGEST})"
