"""From an older schema of track files to the newest. What people wrote stays as it is, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from conductor.errors import InvalidFile, UsageError
from conductor.toml_source import read_toml
from conductor.user_file import write_private

_BOM = "\ufeff"


class TrackStep(Struct, frozen=True):
    """What leads from the schema before `schema` to it."""

    schema: int
    what: str
    take: Callable[[str], str]


def _first(text: str) -> str:
    end = "\r\n" if "\r\n" in text.partition("\n\n")[0] else "\n"
    mark = _BOM if text.startswith(_BOM) else ""
    return f"{mark}schema = 1{end}{text.removeprefix(_BOM)}"


STEPS = (TrackStep(1, "the file says which schema it is of", _first),)


class TrackUpgrade(Struct, frozen=True):
    """What leads, or led, from one schema to another. `copy` is where the old file is kept."""

    path: Path
    schema: int
    steps: tuple[TrackStep, ...]
    copy: Path | None = None


def upgrade_track(path: Path, *, dry_run: bool) -> TrackUpgrade:
    """Bring a track file to the newest schema; with `dry_run` nothing is written.

    Raises `InvalidFile` when it is no TOML or of a later schema, `UsageError` when it cannot be written.
    """
    source = read_toml(path)
    schema = source.data.get("schema", 0)
    if not isinstance(schema, int) or schema > STEPS[-1].schema:
        message = f"is {schema!r}; this version of Conductor reads {STEPS[-1].schema}"
        raise InvalidFile([source.problem(("schema",), message)], hint="Upgrade Conductor.")
    found = TrackUpgrade(path, schema, tuple(step for step in STEPS if step.schema > schema))
    if dry_run or not found.steps:
        return found
    before = path.read_bytes()
    text = before.decode("utf-8")
    for step in found.steps:
        text = step.take(text)
    copy = path.with_name(f"{path.name}.schema-{schema}")
    try:
        mode = path.stat().st_mode
        copy.write_bytes(before)
        write_private(path, text)
        path.chmod(mode)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    return TrackUpgrade(path, schema, found.steps, copy)
