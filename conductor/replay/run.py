"""A finished run once more: the same engine and tools, the journal in place of model, human and commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from conductor.engine import ConductorEngine
from conductor.errors import ConductorError, NeedsHuman
from conductor.events import CallFinished
from conductor.gates.base import Gate
from conductor.journal import Journal
from conductor.llm.windows import Window
from conductor.messages import content_hash
from conductor.models import Archetype, Track, TrustLevel
from conductor.replay.doubles import (
    CaughtUp,
    NothingAsked,
    RecordedChecks,
    RecordedClutch,
    RecordedHints,
    RecordedModel,
    RecordedSandbox,
    RecordedTool,
    RecordedTree,
)
from conductor.replay.record import Record
from conductor.replay.scene import Scene
from conductor.sandbox.base import Sandbox
from conductor.staff import Parts
from conductor.stores.memory import MemoryStore
from conductor.tools.base import Tool
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Workspace

_NO_LIMIT = 1_000_000
_NOT_COPIED = shutil.ignore_patterns(
    ".conductor", ".git", "node_modules", "__pycache__", ".venv", "venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache"
)


class Report(Struct, frozen=True):
    """How a replay went. The tree is the same when `differences` is empty; `notes` say what was told otherwise."""

    tickets: Mapping[str, str]
    requests: int
    decisions: int
    commands: int
    files: tuple[str, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]


class Setting(Struct, frozen=True):
    """Where and with what a run is replayed. `sandbox` holds commands that are run again; None: none is.

    `workspace` is the scratch folder, which `prepare` has filled; `gates` and `archetype` are the configuration's.
    """

    workspace: Workspace
    archetype: Callable[[str], Archetype]
    gates: tuple[Gate, ...] = ()
    sandbox: Sandbox | None = None


def prepare(project: Path, folder: Path, record: Record, get: Callable[[str], bytes]) -> None:
    """Fill `folder` with the project as it was before the run, as far as the run changed it.

    Raises `StateMismatch` where a content was not kept, OSError where a file cannot be copied.
    """
    shutil.copytree(project, folder, symlinks=True, ignore=_NOT_COPIED, dirs_exist_ok=True)
    scene = Scene(folder, record, get)
    for path, (digest, mode) in record.before().items():
        scene.put(path, digest, mode)


def replay(track: Track, record: Record, get: Callable[[str], bytes], setting: Setting) -> Report:
    """Run the track again in the prepared folder and compare what comes of it with what the journal says."""
    folder = setting.workspace.root
    scene = Scene(folder, record, get)
    requests = sum(map(len, record.replies.values()))
    commands = len(record.commands) + sum(map(len, record.checks.values()))
    differences: list[str] = []
    try:
        _run(track, scene, setting)
        scene.place = len(record.places)
        scene.catch_up()
    except ConductorError as stop:
        differences.append(f"it stopped: {stop}")
    expected = record.after()
    differences += [f"{path} differs" for path in sorted(expected) if not _is(folder / path, *expected[path])]
    notes = tuple(f"call {call_id} told the worker something else than it did then" for call_id in scene.told_otherwise)
    return Report(
        record.ended, requests, len(record.decisions), commands, tuple(sorted(expected)), tuple(differences), notes
    )


def _run(track: Track, scene: Scene, setting: Setting) -> None:
    """Run to the end; where the run had to be gone on with, so has the replay."""
    store = MemoryStore()
    parts = _parts(scene, setting, store)
    for left in range(scene.record.stops, -1, -1):
        journal = Journal(store, track.id, listeners=(scene,))
        try:
            ConductorEngine(deepcopy(track), journal, parts).run()
            return
        except NeedsHuman:
            if not left:
                raise


def _parts(scene: Scene, setting: Setting, store: MemoryStore) -> Parts:
    def archetype(name: str) -> Archetype:
        return replace(
            setting.archetype(name), trust_level=TrustLevel.STEP, max_turns=_NO_LIMIT, max_corrections=_NO_LIMIT
        )

    def choose_tools(names: tuple[str, ...]) -> Mapping[str, Tool]:
        known = builtin_tools()
        chosen: dict[str, Tool] = {
            name: CaughtUp(known[name], scene) for name in (*names, "read_output") if name in known
        }
        served = {d.tool for d in scene.record.finished.values() if isinstance(d, CallFinished)} - known.keys()
        return chosen | {name: RecordedTool(name, scene) for name in served}

    policy = setting.sandbox
    sandbox = policy or RecordedSandbox(
        setting.workspace.sandbox.mechanism, setting.workspace.sandbox.policy, scene=scene
    )
    return Parts(
        clutch=RecordedClutch(scene),
        open_model=lambda _, __: RecordedModel(scene),
        inspector=lambda _: RecordedHints(scene.record),
        archetype=archetype,
        choose_tools=choose_tools,
        workspace=replace(setting.workspace, sandbox=sandbox),
        permits=NothingAsked(),
        window_of=lambda _: Window(1_000_000_000, "a replay needs none"),
        gates=tuple(replace(gate, trusted=False) for gate in setting.gates),
        checks=None if setting.sandbox else RecordedChecks(scene),
        tree=RecordedTree(scene, store.put),
        frozen=scene.record.frozen(),
    )


def _is(path: Path, digest: str, mode: str) -> bool:
    """Say whether a file is what it was, byte for byte."""
    if path.is_symlink():
        return content_hash(str(path.readlink()).encode("utf-8", "surrogateescape")) == digest
    if not path.is_file():
        return digest == ""
    same_mode = not mode or path.stat().st_mode & 0o777 == int(mode, 8) & 0o777
    return content_hash(path.read_bytes()) == digest and same_mode
