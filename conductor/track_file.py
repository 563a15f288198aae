"""Track files: a plan as people write it, in TOML, to a `Track`; every mistake in one go."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, cast

from conductor.errors import InvalidFile, Problem, Refused
from conductor.graph import plan_mistakes
from conductor.models import Priority, Ticket, Track
from conductor.toml_source import Key, TomlSource, did_you_mean, file_digest, read_toml
from conductor.tools.workspace import Workspace
from conductor.visible import is_suspect, visible

SCHEMA = 1

_TRACK_KEYS = ("schema", "id", "title", "description", "tickets")
_TICKET_KEYS = (
    *("id", "title", "target_file", "prompt", "worker_archetype"),
    *("dependencies", "context", "verify", "priority", "frozen"),
)
_GUESSES = 50  # a guess compares with every id: enough of them for a person, few enough for a huge file
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_RULE = "an id is 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
_ARTICLES: Mapping[type, str] = MappingProxyType(
    {str: "a string", int: "a whole number", float: "a fraction", list: "an array", dict: "a table"}
)


def load_track(path: Path, *, project: Path, archetypes: Collection[str] | None = None) -> Track:
    """Read the track at `path`, whose files lie in the folder `project`.

    Where `archetypes` is given, tickets may name no others. Raises `InvalidFile` with every mistake of the file, each
    with its line and key.
    """
    source = read_toml(path)
    reader = _Reader(source, Workspace(project.resolve(), protected=_place_inside(path, project)), archetypes)
    track = reader.track()
    if track is None:
        raise InvalidFile(sorted(reader.problems, key=lambda problem: problem.line))
    return track


def track_digest(path: Path) -> str:
    """Return the SHA-256 of the track file's bytes, in hex. Raises `InvalidFile` when it cannot be read."""
    return file_digest(path)


def _place_inside(path: Path, project: Path) -> tuple[str, ...]:
    real, root = path.resolve(), project.resolve()
    return (real.relative_to(root).as_posix(),) if real.is_relative_to(root) else ()


class _Reader:
    """Goes through a parsed track file once and gathers `problems`; for a wrong value it goes on with a stand-in."""

    def __init__(self, source: TomlSource, workspace: Workspace, archetypes: Collection[str] | None) -> None:
        self.problems: list[Problem] = []
        self._source = source
        self._workspace = workspace
        self._archetypes = archetypes
        self._makers: dict[Path, list[int]] = {}  # which tickets, by position, have this target_file

    def track(self) -> Track | None:
        """Return the track, None when there are problems."""
        data = self._source.data
        self._check_names((), data, _TRACK_KEYS)
        self._check_schema()
        track_id = self._id((), data)
        title = self._text((), data, "title", required=True)
        description = self._text((), data, "description")
        tickets = self._tickets()
        self._check_plan(tickets)
        self._check_targets(tickets)
        self._check_context(tickets)
        return None if self.problems else Track(track_id, title, description, tickets)

    def _ticket(self, at: Key, value: Any) -> Ticket:
        if not isinstance(value, dict):
            self._report(at, f"must be a table, not {_kind_of(value)}")
            return Ticket("", "", "", "")
        table = cast("dict[str, Any]", value)
        self._check_names(at, table, _TICKET_KEYS)
        return Ticket(
            id=self._id(at, table),
            title=self._text(at, table, "title", required=True),
            target_file=self._text(at, table, "target_file", required=True),
            prompt=self._text(at, table, "prompt", required=True),
            worker_archetype=self._archetype(at, table),
            dependencies=self._texts(at, table, "dependencies"),
            context=self._texts(at, table, "context"),
            verify=self._command(at, table),
            priority=self._priority(at, table),
            frozen=self._patterns(at, table),
        )

    # One value

    def _report(self, key: Key, message: str) -> None:
        self.problems.append(self._source.problem(key, message))

    def _value(self, at: Key, table: dict[str, Any], name: str, kind: type, *, required: bool = False) -> Any:
        """Return the value if it is there and a `kind`, else None, with a report where that is a mistake."""
        value = table.get(name)
        if value is None:
            if required:
                self._report((*at, name), "missing")
        elif type(value) is not kind:  # not isinstance: true is no whole number
            self._report((*at, name), f"must be {_ARTICLES[kind]}, not {_kind_of(value)}")
            return None
        return value

    def _text(self, at: Key, table: dict[str, Any], name: str, *, required: bool = False, default: str = "") -> str:
        value = self._value(at, table, name, str, required=required)
        if value is None:
            return default
        if not value.strip() and (required or default):
            self._report((*at, name), "must not be empty")
        return value

    def _command(self, at: Key, table: dict[str, Any]) -> str:
        command = self._text(at, table, "verify")
        if is_suspect(command):
            self._report((*at, "verify"), "has characters that cannot be seen")
        return command

    def _texts(self, at: Key, table: dict[str, Any], name: str) -> tuple[str, ...]:
        """Return the strings of an array, without what is wrong in it, which is reported."""
        values = cast("list[Any]", self._value(at, table, name, list) or [])
        texts: dict[str, None] = {}
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self._report((*at, name, index), f"must be a string, not {_kind_of(value)}")
            elif not value.strip():
                self._report((*at, name, index), "must not be empty")
            elif value in texts:
                self._report((*at, name, index), f"{_quoted(value)} stands here twice")
            else:
                texts[value] = None
        return tuple(texts)

    def _patterns(self, at: Key, table: dict[str, Any]) -> tuple[str, ...]:
        patterns = self._texts(at, table, "frozen")
        for pattern in filter(is_suspect, patterns):
            self._report((*at, "frozen"), f"{_quoted(pattern)} has characters that cannot be seen")
        return patterns

    def _id(self, at: Key, table: dict[str, Any]) -> str:
        value = self._text(at, table, "id", required=True)
        if value.strip() and not _ID.fullmatch(value):
            self._report((*at, "id"), f"{_quoted(value)} is no id: {_ID_RULE}")
        return value

    def _archetype(self, at: Key, table: dict[str, Any]) -> str:
        value = self._text(at, table, "worker_archetype", default="coder")
        if self._archetypes is not None and value.strip() and value not in self._archetypes:
            guess = did_you_mean(value, self._archetypes)
            self._report((*at, "worker_archetype"), f"{_quoted(value)} is no archetype of the configuration{guess}")
        return value

    def _priority(self, at: Key, table: dict[str, Any]) -> Priority:
        value = self._text(at, table, "priority", default="medium")
        if value in tuple(Priority):
            return Priority(value)
        if value.strip():
            known = ", ".join(Priority)
            self._report((*at, "priority"), f"{_quoted(value)} is none of {known}{did_you_mean(value, Priority)}")
        return Priority.MEDIUM

    def _tickets(self) -> list[Ticket]:
        values = self._value((), self._source.data, "tickets", list, required=True)
        if values == []:
            self._report(("tickets",), "a track needs at least one ticket")
        return [self._ticket(("tickets", index), value) for index, value in enumerate(cast("list[Any]", values or []))]

    def _check_names(self, at: Key, table: dict[str, Any], known: tuple[str, ...]) -> None:
        for name in table:
            if name not in known:
                self._report((*at, name), f"unknown key{did_you_mean(name, known)}")

    def _check_schema(self) -> None:
        version = self._value((), self._source.data, "schema", int, required=True)
        if version is not None and version != SCHEMA:
            self._report(("schema",), f"is {version}; this version of Conductor reads {SCHEMA}")

    def _path(self, key: Key, value: str) -> Path | None:
        """Return the real path of a file named in the track, None (and a report) when workers could not use it."""
        if is_suspect(value) or "\n" in value or "\t" in value:
            self._report(key, f"{_quoted(value)} has characters that cannot be seen")
            return None
        if PurePath(value).is_absolute() or ".." in PurePath(value).parts:
            self._report(key, f"{_quoted(value)} must be relative to the project, without ..")
            return None
        try:
            real = self._workspace.resolve(value)
            is_folder = real.is_dir()
        except (Refused, OSError) as error:
            self._report(key, visible(str(error), one_line=True))
            return None
        if is_folder:
            self._report(key, f"{_quoted(value)} is a folder")
            return None
        return real

    # The plan as a whole

    def _check_plan(self, tickets: list[Ticket]) -> None:
        plan = [(ticket.id, ticket.dependencies) for ticket in tickets]
        ids = {ticket.id: None for ticket in tickets if ticket.id}
        for mistake in plan_mistakes(plan):
            message = visible(mistake.message, one_line=True)
            if mistake.dependency:
                guess = mistake.dependency not in ids and len(self.problems) < _GUESSES
                hint = did_you_mean(mistake.dependency, ids) if guess else ""
                self._report(self._element(mistake.position, "dependencies", mistake.dependency), message + hint)
            elif plan[mistake.position][0]:  # missing ids are all alike, and already reported
                self._report(("tickets", mistake.position, "id"), message)

    def _check_targets(self, tickets: list[Ticket]) -> None:
        for position, ticket in enumerate(tickets):
            if ticket.target_file.strip():
                real = self._path(("tickets", position, "target_file"), ticket.target_file)
                if real is not None:
                    self._makers.setdefault(real, []).append(position)

    def _check_context(self, tickets: list[Ticket]) -> None:
        """Each entry is `path` or `path::Symbol`, of a file that is there or that a ticket makes before this one."""
        positions = {ticket.id: position for position, ticket in enumerate(tickets)}
        for position, ticket in enumerate(tickets):
            for entry in ticket.context:
                key = self._element(position, "context", entry)
                real = self._entry(key, entry)
                if real is None or real.exists():
                    continue
                makers = self._makers.get(real, [])
                if not (makers and makers[0] < position) and _waits_for(position, tickets, positions).isdisjoint(
                    makers
                ):
                    self._report(key, f"{_quoted(entry)}: no such file, and no earlier ticket makes it")

    def _element(self, position: int, name: str, value: str) -> Key:
        """Return the key of the first `value` in the array `name` of a ticket."""
        return ("tickets", position, name, self._source.data["tickets"][position][name].index(value))

    def _entry(self, key: Key, entry: str) -> Path | None:
        name, separator, symbol = entry.partition("::")
        if separator and not all(part.isidentifier() for part in symbol.split(".")):
            self._report(key, f"{_quoted(symbol)} is no name of a definition; write path::Class.method")
        return self._path(key, name)


def _waits_for(position: int, tickets: list[Ticket], positions: Mapping[str, int]) -> set[int]:
    """Return the positions of the tickets that must be complete before the one at `position` may run."""
    found: set[int] = set()
    ahead = [position]
    while ahead:
        before = {positions[name] for name in tickets[ahead.pop()].dependencies if name in positions}
        ahead.extend(before - found)
        found |= before
    return found


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds = (kind for kind in _ARTICLES if isinstance(value, kind))
    return next((_ARTICLES[kind] for kind in kinds), "a date or time")


def _quoted(value: str) -> str:
    text = visible(value, one_line=True)
    return f'"{text[:77]}..."' if len(text) > 80 else f'"{text}"'
