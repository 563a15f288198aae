"""`conductor doctor`."""

from __future__ import annotations

import json as json_module
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import typer

from conductor.cli.options import JsonOption, ProjectOption
from conductor.visible import visible
from conductor.withheld import Secrets

_PACKAGES = (
    "litellm",
    "msgspec",
    "prompt-toolkit",
    "rich",
    "typer",
    "tree-sitter",
    "tree-sitter-python",
    "tree-sitter-bash",
    "tomlkit",
)
_MORE: Mapping[str, str] = MappingProxyType(
    {
        "bubblewrap": "install the package bubblewrap; where it is there, the system must allow user namespaces",
        "landlock": "Linux 6.2 or newer has it, unless it was left out of the kernel's list of security modules",
    }
)
_PROGRAMS = ("git", "bash", "ruff", "pyright")


def doctor(
    probe: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Ask this model a few things and keep what it can do.")
    ] = None,
    json: JsonOption = False,
    project: ProjectOption = None,
) -> None:
    """Say what is installed, and what is missing.

    Examples:

      conductor doctor

      conductor doctor --probe openai/qwen2.5-coder
    """
    from conductor.config import load_config, user_directory
    from conductor.plan import find_project
    from conductor.settings import NO_MODEL
    from conductor.trust import TrustStore

    root = (project or find_project(Path.cwd())).resolve()
    config = load_config(root, is_trusted=TrustStore(user_directory(os.environ)).is_trusted).config
    if probe:
        from conductor.cli.probe import probe as ask

        ask(probe, config.models, json=json)
        return
    models = {config.models.default, config.models.default_cheap}
    models |= {archetype.model for archetype in config.archetypes.values() if archetype.model}
    models |= {name for name in (config.models.large, config.context.compressor) if name}
    writable = os.access(root, os.W_OK)
    report = [
        Finding("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        *map(_package, _PACKAGES),
        *map(_program, _PROGRAMS),
        *(_model(name, config.models.api_base) for name in sorted(models - {NO_MODEL})),
        *_sandboxes(config.sandbox.mode),
        *(_server(name, s.command or "", s.url or "", root) for name, s in sorted(config.mcp.items())),
        Finding("project", writable, str(root), "" if writable else "make it writable"),
    ]
    secrets = Secrets(tuple(config.credentials()))  # what is said here is often shown to others
    report = [finding._replace(found=secrets.hide(finding.found)) for finding in report]
    if json:
        typer.echo(json_module.dumps([finding._asdict() for finding in report], indent=2))
        return
    for finding in report:
        mark = "ok     " if finding.ok else "missing"
        typer.echo(f"{mark} {finding.what}: {finding.found}" + (f"  ({finding.hint})" if finding.hint else ""))


class Finding(NamedTuple):
    """One thing that was looked at, and what to do where it is not all right."""

    what: str
    ok: bool
    found: str
    hint: str = ""


def _model(name: str, api_base: str | None) -> Finding:
    from conductor.llm.gateway import openai_base, provider_key

    key = provider_key(name)
    address = openai_base(api_base) if key.provider == "openai" else api_base
    if name.startswith("scripted:") or (key.known and not key.variable):
        return Finding(f"model {name}", True, "needs no key")
    if not key.known:
        return Finding(f"model {name}", True, "a provider this command does not know; its first request will tell")
    if key.is_set or address:
        return Finding(f"model {name}", True, f"{key.variable} is set" if key.is_set else f"at {address}")
    return Finding(f"model {name}", False, f"{key.variable} is not set", f"export {key.variable}=...")


def _server(name: str, command: str, url: str, root: Path) -> Finding:
    """Say whether a server's program is there. It is not started: it is a command like any other."""
    if url:
        return Finding(f"mcp {name}", True, f"at {visible(url, one_line=True)}; its first use will tell")
    path = shutil.which(root / command if "/" in command else command)
    what = visible(path or f"{command} not found", one_line=True)
    return Finding(f"mcp {name}", bool(path), what, "" if path else f"install it, or correct [mcp.{name}]")


def _sandboxes(mode: str) -> Iterator[Finding]:
    """Try each mechanism for real, then say which one would hold the commands of a run."""
    from conductor.sandbox.registry import MECHANISMS, try_out

    elsewhere = "landlock" if sys.platform == "darwin" else "seatbelt"
    trials = {name: try_out(make()) for name, make in MECHANISMS.items() if name not in ("none", elsewhere)}
    for name, trial in trials.items():
        found = trial.why_not or "; ".join(filter(None, ("works", trial.mechanism.gaps, _of_root())))
        yield Finding(f"sandbox {name}", not trial.why_not, found, _MORE.get(name, "") if trial.why_not else "")
    working = [name for name, trial in trials.items() if not trial.why_not and mode in ("auto", name)]
    none = "the settings turn it off" if mode == "none" else "commands run as you, unheld"
    yield Finding("commands run in", bool(working), working[0] if working else f"no sandbox: {none}")


def _of_root() -> str:
    return "as root processes are only counted: a fork bomb is ended late" if os.geteuid() == 0 else ""


def _package(name: str) -> Finding:
    from importlib import metadata

    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", f"pip install {name}")


def _program(name: str) -> Finding:
    beside = Path(sys.executable).parent / name
    path = shutil.which(name) or (str(beside) if beside.exists() else "")
    return Finding(name, bool(path), path or "not found", "" if path else f"install {name}")
