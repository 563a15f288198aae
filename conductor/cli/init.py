"""`conductor init`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from importlib import resources
from itertools import islice
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from conductor.errors import UsageError
from conductor.visible import is_suspect, visible

_LOOKED_AT = 5_000  # files, before it is settled that none is fit: the folder may be someone's home


def init(project: Annotated[Path, typer.Argument(help="The project folder.")] = Path()) -> None:
    """Write a conductor.toml and a first track.

    Files that are there stay as they are.

    Examples:

      conductor init

      conductor init ~/src/my-project
    """
    if not project.is_dir():
        raise UsageError(f"{project} is not a folder")
    templates = resources.files("conductor") / "templates"
    _write_new(project, "conductor.toml", templates.joinpath("conductor.toml").read_text("utf-8"))
    first = Template(templates.joinpath("first.toml").read_text("utf-8"))
    _write_new(project, "tracks/first.toml", first.substitute(_first_ticket(project)))
    typer.echo("\nNext:")
    if project.resolve() != Path.cwd():
        typer.echo(visible(f"  cd {shlex.quote(str(project))}"))
    typer.echo("  conductor doctor                    # which models have keys, what is missing")
    typer.echo("  conductor check tracks/first.toml   # reads the track, runs nothing")
    typer.echo("  conductor run tracks/first.toml     # every call waits for your yes")


def _write_new(project: Path, name: str, text: str) -> None:
    path = project / name
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if not path.is_file():
            raise UsageError(f"{path} cannot be written: something else is in its way") from None
        typer.echo(f"kept   {name} (it was there)")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    else:
        typer.echo(f"wrote  {name}")


def _first_ticket(project: Path) -> Mapping[str, str]:
    target = _python_file(project)
    if target:
        title, verify = f"Document {target}", f"python3 -m py_compile {shlex.quote(target)}"
        prompt = (
            "Read the file. Where its first line is no module docstring, write one: what the module is for, in one\n"
            "or two sentences. Change nothing else."
        )
    else:
        target, title, verify = "hello.py", "Say hello", "python3 hello.py"
        prompt = "Write a module with a function greet(name) that returns a greeting. Run as a script it prints one."
    values = {"title": title, "target": target, "verify": verify}
    return {"prompt": prompt, **{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}}


def _python_file(project: Path) -> str:
    """Return a Python file of the project to try Conductor on, "" when there is none."""
    from conductor.tools.workspace import Workspace

    workspace = Workspace(project.resolve())
    for real in islice(workspace.walk(workspace.root), _LOOKED_AT):
        name = workspace.relative(real)
        if real.suffix == ".py" and _is_ordinary(name) and real.stat().st_size:
            return name
    return ""


def _is_ordinary(name: str) -> bool:
    *folders, file = name.split("/")
    if is_suspect(name) or any(folder.startswith(".") or folder in {"tests", "test", "docs"} for folder in folders):
        return False
    return "site-packages" not in folders and not file.startswith(("_", ".", "test_", "conftest", "setup"))
