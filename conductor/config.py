"""Configuration: built-in defaults, the user's settings, a project's conductor.toml, the environment; later ones win.

A conductor.toml comes with a repository, so what in it would loosen what the user has set is withheld until the user
says yes to exactly this file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from msgspec import Struct

from conductor.errors import InvalidFile, Problem
from conductor.loosening import tightened
from conductor.settings import Config, configured, mistakes
from conductor.toml_source import Key, TomlSource, read_toml

PROJECT_FILE = "conductor.toml"
USER_FILE = "config.toml"


class LoadedConfig(Struct, frozen=True):
    """A configuration and where it came from.

    `withheld` has a line for each thing in the project's file that is not in force because it would loosen what the
    user has set. `digest` stands for that file in that project, "" when there is none; it is what a yes is bound to.
    `text` is what that file says.
    """

    config: Config
    withheld: tuple[str, ...] = ()
    digest: str = ""
    files: tuple[Path, ...] = ()
    text: str = ""


def load_config(
    project: Path,
    *,
    user_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    is_trusted: Callable[[str], bool] = lambda _: False,
) -> LoadedConfig:
    """Return the configuration in force in the folder `project`.

    `is_trusted` is asked with the digest of the project's file whether the user said yes to it. Raises `InvalidFile`
    with every mistake of both files and the environment.
    """
    variables = os.environ if environ is None else environ
    user_file = (user_dir or user_directory(variables)) / USER_FILE
    project_file = project / PROJECT_FILE
    problems: list[Problem] = []
    user = _read(user_file, problems)
    own = _read(project_file, problems)
    overrides = _from_environment(variables, problems)
    if problems := problems or list(_unknown_servers([source for source in (user, own) if source])):
        raise InvalidFile(problems)
    digest, withheld = "", ()
    settings = user.data if user else {}
    if own:
        digest = _bound_digest(own, project)
        wanted = own.data
        if not is_trusted(digest):
            wanted, withheld = tightened(_merged(settings, overrides), wanted)
        settings = _merged(settings, wanted)
    config = configured(_merged(settings, overrides))
    files = tuple(path for path, source in ((user_file, user), (project_file, own)) if source)
    return LoadedConfig(config, withheld, digest, files, own.text if own else "")


def user_directory(environ: Mapping[str, str]) -> Path:
    """Return $CONDUCTOR_CONFIG_HOME, $XDG_CONFIG_HOME/conductor or ~/.config/conductor, the first that is set."""
    if own := environ.get("CONDUCTOR_CONFIG_HOME"):
        return Path(own)
    shared = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not shared.is_absolute():  # so says the XDG specification
        shared = Path(environ.get("HOME") or Path.home(), ".config")
    return shared / "conductor"


def _bound_digest(source: TomlSource, project: Path) -> str:
    # The folder counts too: the same `make test` is another command in another repository.
    return hashlib.sha256(f"{project.resolve()}\0{source.digest}".encode("utf-8", "surrogateescape")).hexdigest()


# Reading one source


def _read(path: Path, problems: list[Problem]) -> TomlSource | None:
    """Return the file at `path`; None when there is none or when it has mistakes, which are added to `problems`."""
    if not os.path.lexists(path):
        return None
    try:
        source = read_toml(path)
    except InvalidFile as error:
        problems += error.problems
        return None
    found = [source.problem(key, message) for key, message in mistakes(source.data)]
    problems += sorted(found, key=lambda problem: problem.line)
    return source


def _unknown_servers(sources: Sequence[TomlSource]) -> Iterator[Problem]:
    """Yield a problem for each tool of a server that neither file has."""
    known = {name for source in sources for name in source.data.get("mcp", ())}
    for source in sources:
        for name, archetype in source.data.get("archetypes", {}).items():
            for index, tool in enumerate(archetype.get("tools", ())):
                server = tool.removeprefix("mcp:").partition("/")[0]
                if tool.startswith("mcp:") and server not in known:
                    yield source.problem(("archetypes", name, "tools", index), f"there is no [mcp.{server}]")


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _switch(text: str) -> object:
    return {"1": True, "true": True, "0": False, "false": False}.get(text.lower(), text)


VARIABLES: Mapping[str, tuple[str, str, Callable[[str], object]]] = MappingProxyType(
    {
        "CONDUCTOR_MODEL": ("models", "default", str),
        "CONDUCTOR_MODEL_CHEAP": ("models", "default_cheap", str),
        "CONDUCTOR_MODEL_LARGE": ("models", "large", str),
        "CONDUCTOR_COMPRESSOR": ("context", "compressor", str),
        "CONDUCTOR_API_BASE": ("models", "api_base", str),
        "CONDUCTOR_STREAM": ("models", "stream", _switch),
        "CONDUCTOR_ADAPTER": ("models", "adapter", str),
        "CONDUCTOR_CACHE": ("models", "cache", str),
        "CONDUCTOR_PROTOCOL": ("models", "protocol", str),
        "CONDUCTOR_TIMEOUT_S": ("models", "timeout_s", _number),
        "CONDUCTOR_MAX_OUTPUT_TOKENS": ("models", "max_output_tokens", _number),
        "CONDUCTOR_CONTEXT_WINDOW": ("models", "context_window", _number),
        "CONDUCTOR_BUDGET_USD": ("budget", "usd", _number),
        "CONDUCTOR_BUDGET_TOKENS": ("budget", "tokens", _number),
        "CONDUCTOR_BUDGET_MINUTES": ("budget", "minutes", _number),
    }
)


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    settings: dict[str, dict[str, object]] = {}
    names: dict[Key, str] = {}
    for variable, (section, name, parse) in VARIABLES.items():
        if text := environ.get(variable):
            settings.setdefault(section, {})[name] = parse(text)
            names[section, name] = variable
    problems += [Problem("environment", 0, names[key], message) for key, message in mistakes(settings)]
    return settings


# Putting them together


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` on top: tables are merged, gates too (by name), `frozen` adds up, else `over` wins."""
    result = dict(base)
    for name, value in over.items():
        present = result.get(name)
        if name == "mcp" and isinstance(value, dict) and isinstance(present, dict):
            # A server is replaced as a whole: one file's variables must not reach another file's command.
            result[name] = {**cast("dict[str, Any]", present), **cast("dict[str, Any]", value)}
        elif isinstance(value, dict) and isinstance(present, dict):
            result[name] = _merged(cast("dict[str, Any]", present), cast("dict[str, Any]", value))
        elif isinstance(value, list) and isinstance(present, list) and name == "gates":
            gates = cast("list[dict[str, Any]]", [*present, *value])
            result[name] = list({gate["name"]: gate for gate in gates}.values())
        elif isinstance(value, list) and isinstance(present, list) and name == "frozen":
            result[name] = list(dict.fromkeys(cast("list[str]", [*present, *value])))
        else:
            result[name] = value
    return result
