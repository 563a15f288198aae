"""`conductor demo`."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from conductor.cli.running import ClutchName, RunOptions, program, run_plan


def demo(
    clutch: Annotated[ClutchName | None, typer.Option(help="As for `conductor run`.", show_default=False)] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where to put the sample project, or where it is. Default: a new scratch folder."),
    ] = None,
) -> int:
    """Try it on a sample project; no key, no network.

    A three-ticket track runs with a scripted worker. You hold the clutch: approve (a), edit (e) or reject (r) what the
    worker proposes.

    Examples:

      conductor demo

      conductor demo --dir bookshop
    """
    from conductor.app import sandbox_of
    from conductor.errors import UsageError
    from conductor.plan import load_plan

    project = (folder or Path(tempfile.mkdtemp(prefix="conductor-demo-")) / "bookshop").resolve()
    track = project / "tracks" / "demo.toml"
    if not track.exists():
        if project.exists() and any(project.iterdir()):
            raise UsageError(f"{project} is neither empty nor a demo", hint="Name a new folder.")
        shutil.copytree(Path(__file__).parents[1] / "demo_project", project, dirs_exist_ok=True, ignore=_NO_CACHES)
    # What is allowed in the demo is forgotten with it.
    os.environ["CONDUCTOR_CONFIG_HOME"] = str(project / ".conductor" / "user")
    typer.echo(f"The sample project is in {project}. Its worker is a script; the clutch is yours.", err=True)
    go_on = f"{program()} demo --dir {shlex.quote(str(project))}"
    os.chdir(project)
    plan = load_plan(track, project)
    if not sandbox_of(plan).holds:
        typer.echo("No sandbox works here, so approving a command takes the typed word yes.", err=True)
    code = run_plan(plan, RunOptions(clutch), go_on=go_on)
    if code == 0:
        typer.echo(f"\nLook back: cd {shlex.quote(str(project))}, then", err=True)
        typer.echo("\n".join(f"  {program()} {words}" for words in _LOOK_BACK), err=True)
    return code


_LOOK_BACK = ("log", "why bookshop/catalog.py", "report", "undo T3 --dry-run --diff")
_NO_CACHES = shutil.ignore_patterns("__pycache__")
