"""`conductor trust`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from conductor.cli.options import ProjectOption


def trust(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts that have shown it to someone.")] = False,
    project: ProjectOption = None,
) -> None:
    """Allow what this project's conductor.toml asks for.

    That is what would loosen your own settings. After a change of the file it asks again.
    """
    import os
    from pathlib import Path

    from conductor.config import load_config, user_directory
    from conductor.errors import NeedsHuman
    from conductor.plan import find_project
    from conductor.trust import TrustStore
    from conductor.visible import visible

    root = (project or find_project(Path.cwd())).resolve()
    store = TrustStore(user_directory(os.environ))
    loaded = load_config(root, is_trusted=store.is_trusted)
    if not loaded.withheld:
        typer.echo(f"{root}: nothing waits for your yes.")
        return
    typer.echo(f"{root / 'conductor.toml'} asks for:")
    for line in loaded.withheld:
        typer.echo(visible(f"  {line}"))
    if not yes:
        if not sys.stdin.isatty():
            raise NeedsHuman("this needs a person's yes", hint="Run it in a terminal, or with --yes.")
        if not typer.confirm("Allow this?", default=False):
            typer.echo("Nothing was allowed.")
            return
    store.trust(loaded.digest, f"{root / 'conductor.toml'}")
    typer.echo("Allowed, for this file as it is now.")
