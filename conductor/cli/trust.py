"""`conductor trust`."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from conductor.cli.options import JsonOption, ProjectOption
from conductor.visible import visible

if TYPE_CHECKING:
    from conductor.cli.output import Output
    from conductor.trust import Allowed, TrustStore

_COMPARED = 1024 * 1024


def trust(
    track: Annotated[
        Path | None,
        typer.Argument(help="A track file, for its checks. Default: the project's conductor.toml.", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show what waits and what has changed; allow nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts that have shown it to someone.")] = False,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Allow what a project's conductor.toml, or a track's checks, may do on this machine.

    It shows what would loosen your own settings, or the commands that would run, and how the file differs from the one
    you allowed last. The yes holds for the file as it is now; after a change it asks again.

    Examples:

      conductor trust

      conductor trust tracks/first.toml --show

      conductor trust --json
    """
    from conductor.cli.output import Output
    from conductor.config import user_directory
    from conductor.trust import TrustStore

    store = TrustStore(user_directory(os.environ))
    asked = _of_track(track, project) if track else _of_settings(project, store)
    last = store.allowed(asked.file)
    if yes and asked.waiting and not show:
        asked.allow()
    if json:
        typer.echo(
            json_module.dumps(_as_json(asked, last, waits=bool(asked.waiting) and not (yes and not show)), indent=2)
        )
        return
    out = Output()
    _tell(asked, last, out, whole=show)
    out.close()
    if asked.waiting and not show:
        if not yes:
            _ask()
            asked.allow()
        typer.echo("Allowed, for this file as it is now.")


class _Asked(Struct, frozen=True):
    """A file with what in it waits for a yes, a line each after `title`; `text` is None where there is no such file."""

    file: Path
    title: str
    waiting: tuple[str, ...]
    text: str | None
    allow: Callable[[], None]


def _of_settings(project: Path | None, store: TrustStore) -> _Asked:
    from conductor.config import PROJECT_FILE, load_config
    from conductor.plan import find_project

    root = (project or find_project(Path.cwd())).resolve()
    loaded, file = load_config(root, is_trusted=store.is_trusted), root / PROJECT_FILE
    text = loaded.text if loaded.digest else None
    return _Asked(file, "asks for", loaded.withheld, text, partial(store.allow, loaded.digest, file, loaded.text))


def _of_track(track: Path, project: Path | None) -> _Asked:
    """Return the verify commands of a track that were not allowed yet, as they would be held here."""
    from conductor.app import permits_of, sandbox_of
    from conductor.checks import check_name, permit_of
    from conductor.errors import UsageError
    from conductor.plan import load_plan
    from conductor.toml_source import read_toml

    plan = load_plan(track, project)
    source, terms, permits = read_toml(plan.track_path), sandbox_of(plan).terms, permits_of(plan)
    if source.digest != plan.digest:
        raise UsageError(f"{plan.track_path} was changed while it was read", hint="Run again.")
    checks = [(check_name("verify", ticket.id), ticket.verify) for ticket in plan.track.tickets if ticket.verify]
    bound = {permit_of(plan.digest, "verify", command, terms): (name, command) for name, command in checks}
    new = {digest: check for digest, check in bound.items() if not permits.is_trusted(digest)}

    def line(name: str, command: str) -> str:
        before = permits.before(name)
        told = f"  (allowed before: {before})" if before not in ("", command) else ""
        return visible(f"{name}: {command}{told}", one_line=True)

    def allow() -> None:
        for digest, check in new.items():
            permits.trust(digest, *check)
        permits.allow(plan.digest, source.text)

    waiting = tuple(line(*check) for check in new.values())
    return _Asked(permits.track, f"runs these checks {terms}", waiting, source.text, allow)


def _tell(asked: _Asked, last: Allowed | None, out: Output, *, whole: bool) -> None:
    """Print what waits; where something does, or with `whole`, what has changed as well."""
    if asked.waiting:
        out.write(f"{asked.file} {asked.title}:\n", "text")
        for line in asked.waiting:
            out.write(f"  {line}\n", "text")
    elif asked.text is None:
        out.write(f"{asked.file}: there is none.\n", "text")
    else:
        out.write(f"{asked.file}: nothing waits for your yes.\n", "text")
    if last is None or not (asked.waiting or whole):
        return
    if last.text == asked.text:
        out.write(f"You allowed it on {last.when}, as it is now.\n", "text")
        return
    out.write(f"\nWhat has changed since you allowed it on {last.when}:\n", "text")
    named = _difference(asked, last) or "(what it was then was not kept)\n"
    out.write(named[max(0, named.find("@@")) :], "diff")  # the lines before it name the file


def _difference(asked: _Asked, last: Allowed | None) -> str:
    """Return what has changed since the last yes as a unified diff, "" where there was none or its text is gone."""
    from conductor.tools.text import unified_diff

    if last is None or last.text is None:
        return ""
    if len(last.text) + len(asked.text or "") > _COMPARED:
        return f"{asked.file.name} is too large to be compared\n"
    return unified_diff(asked.file.name, last.text, asked.text)


def _as_json(asked: _Asked, last: Allowed | None, *, waits: bool) -> dict[str, Any]:
    return {
        "file": str(asked.file),
        "exists": asked.text is not None,
        "waits": waits,
        "asks_for": list(asked.waiting),
        "allowed_at": last.at if last else "",
        "difference": _difference(asked, last),
    }


def _ask() -> None:
    """Have the person say yes. Raises `NeedsHuman` without one."""
    from conductor.cli.ask import agreed, can_ask
    from conductor.errors import NeedsHuman

    if not can_ask():
        raise NeedsHuman("this needs a person's yes", hint="Run it in a terminal, or with --yes.")
    if not agreed("allow this"):
        raise NeedsHuman("nothing was allowed")
