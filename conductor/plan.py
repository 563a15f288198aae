"""A track with everything that is known before it runs, and how it is found."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.config import Config, LoadedConfig, load_config, user_directory
from conductor.errors import UsageError
from conductor.journal import read
from conductor.llm.gateway import CacheMode
from conductor.models import Archetype, Track, TrustLevel
from conductor.stores.access import is_made
from conductor.stores.base import Row
from conductor.stores.reader import reader
from conductor.track_file import load_track, track_digest
from conductor.trust import TrustStore
from conductor.withheld import Secrets

STATE_FOLDER = ".conductor"


class Plan(Struct, frozen=True):
    """A track with everything that is known before it runs."""

    project: Path
    track_path: Path
    track: Track
    digest: str
    loaded: LoadedConfig
    trust: TrustStore
    level: TrustLevel | None = None
    no_sandbox: bool = False
    cache: CacheMode | None = None

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self.loaded.config

    @property
    def secrets(self) -> Secrets:
        """What is written nowhere: credentials of the environment, the settings and the project's .env files."""
        return Secrets(tuple(self.config.credentials()), self.project)

    def archetype(self, name: str) -> Archetype:
        """Return an archetype at the trust level of this run. Raises `UsageError` when there is none of that name."""
        archetype = self.config.archetype(name)
        return archetype if self.level is None else replace(archetype, trust_level=self.level)


def find_project(start: Path) -> Path:
    """Return the project `start` lies in: the nearest folder with a conductor.toml, else with a .git, else `start`.

    Raises `UsageError` where this user may not look.
    """
    start = start.resolve()
    try:
        for mark in ("conductor.toml", ".git"):
            for folder in (start, *start.parents):
                if (folder / mark).exists():
                    return folder
    except PermissionError as error:
        raise UsageError(f"{error.filename} cannot be looked at: {error.strerror}") from None
    return start


def find_track(project: Path) -> Path:
    """Return the track that is meant when none is named: the last one run here, else the only one in tracks/."""
    rows = list[Row]()
    if is_made(project / STATE_FOLDER):
        with reader(project / STATE_FOLDER) as journal:
            rows = list(journal.rows(kinds=[events.TrackStarted.kind]))
    for event in read(reversed(rows)):
        if isinstance(event.data, events.TrackStarted) and (project / event.data.track_file).exists():
            return project / event.data.track_file
    found = sorted((project / "tracks").glob("*.toml"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(path.relative_to(project)) for path in found) or "none in tracks/"
    raise UsageError(f"which track? ({names})", hint="Name the track file, or make one with `conductor init`.")


def load_plan(
    track_path: Path | None,
    project: Path | None = None,
    *,
    level: TrustLevel | None = None,
    no_sandbox: bool = False,
    cache: CacheMode | None = None,
) -> Plan:
    """Read track and configuration; `level` overrides every archetype's trust level for this run.

    `no_sandbox` is the user's own word that commands of this run are not to be held, `cache` stands for models.cache.

    Raises `InvalidFile` with every mistake of a file, `UsageError` when no track is named and none is obvious.
    """
    root = (project or find_project(Path.cwd())).resolve()
    path = (track_path or find_track(root)).absolute()
    store = TrustStore(user_directory(os.environ))
    loaded = load_config(root, is_trusted=store.is_trusted)
    shown = Path(os.path.relpath(path)) if track_path is None else track_path
    digest = track_digest(shown)
    track = load_track(shown, project=root, archetypes=loaded.config.archetypes)
    if track_digest(path) != digest:  # what the user says yes to must be what was read
        raise UsageError(f"{path} was changed while it was read", hint="Run again.")
    return Plan(root, path, track, digest, loaded, store, level, no_sandbox, cache)
