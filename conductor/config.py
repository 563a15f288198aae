"""Configuration: built-in defaults, the user's settings, a project's conductor.toml, the environment; later ones win.

A conductor.toml comes with a repository, so what in it would loosen what the user has set is withheld until the user
says yes to exactly this file.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from msgspec import Struct

from conductor.errors import InvalidFile, Problem
from conductor.settings import NO_MODEL, ArchetypeConfig, Config, LimitConfig, SandboxConfig, configured, mistakes
from conductor.toml_source import Key, TomlSource, dotted, read_toml
from conductor.visible import visible

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
            wanted, withheld = _tightened(_merged(settings, overrides), wanted)
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


class _Said(Struct, frozen=True):
    """A configuration and the settings it was made of: what they name themselves is no default."""

    config: Config
    data: Mapping[str, Any]

    def named(self, *section: str) -> set[str]:
        """Return the keys that stand in a section."""
        found: Any = self.data
        for name in section:
            found = found.get(name, {})
        return set(found)


def _tightened(user: Mapping[str, Any], wanted: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return `wanted` without what would loosen, and a line for each thing left out."""
    allowed = copy.deepcopy(wanted)
    loosenings = list(_loosenings(_Said(configured(user), user), _Said(configured(wanted), wanted)))
    for key, _ in reversed(loosenings):  # from the end, so that positions in arrays hold
        *parents, last = key
        holder: Any = allowed
        for part in parents:
            holder = holder[part]
        del holder[last]
    return allowed, tuple(visible(f"{dotted(key)}: {reason}", one_line=True) for key, reason in loosenings)


def _loosenings(yours: _Said, theirs: _Said) -> Iterator[tuple[Key, str]]:
    user, wanted = yours.config, theirs.config
    yield from _models_elsewhere(yours, theirs)
    if wanted.models.api_base not in (None, user.models.api_base):
        yield ("models", "api_base"), f"sends your code and key to {wanted.models.api_base}"
    for name in wanted.archetypes:
        yield from _archetype_loosenings(name, yours, theirs)
    yield from _budget_loosenings(("budget",), user.budget, wanted.budget)
    yield from _budget_loosenings(("budget", "ticket"), user.budget.ticket, wanted.budget.ticket)
    yield from _sandbox_loosenings(user.sandbox, theirs)
    asked = theirs.data.get("inspector", {}).get("threshold")
    if asked is not None and asked < user.inspector.threshold:
        yield ("inspector", "threshold"), f"{asked} is less than your {user.inspector.threshold}"
    for index, gate in enumerate(wanted.gates):
        if gate not in user.gates:
            yield ("gates", index), f"{gate.name} runs the command {gate.command}"
    for name, server in wanted.mcp.items():
        if user.mcp.get(name) != server:
            place = (
                f"connects to {server.url}"
                if server.url
                else f"starts {' '.join((server.command or '', *server.args))}"
            )
            yield ("mcp", name), place


def _budget_loosenings(at: Key, yours: LimitConfig, wanted: LimitConfig) -> Iterator[tuple[Key, str]]:
    for name in LimitConfig.__struct_fields__:
        most, asked = getattr(yours, name), getattr(wanted, name)
        if most is not None and asked is not None and asked > most:
            yield (*at, name), f"{asked} is more than your {most}"


def _sandbox_loosenings(yours: SandboxConfig, theirs: _Said) -> Iterator[tuple[Key, str]]:
    """Yield what would let commands do more; a file can only ask for other limits if it names them."""
    wanted, named = theirs.config.sandbox, theirs.named("sandbox")
    if "mode" in named and yours.mode not in (wanted.mode, "none"):
        yield ("sandbox", "mode"), f"{wanted.mode} is not your {yours.mode}"
    if wanted.network and not yours.network:
        yield ("sandbox", "network"), "lets commands use the network"
    for name, effect in (("writable", "write to"), ("readable", "read"), ("environment", "see")):
        for index, item in enumerate(getattr(wanted, name)):
            if item not in getattr(yours, name):
                yield ("sandbox", name, index), f"lets commands {effect} {item}"
    for name in ("processes", "memory_mb"):
        most, asked = getattr(yours, name), getattr(wanted, name)
        if name in named and asked > most:
            yield ("sandbox", name), f"{asked} is more than your {most}"


def _archetype_loosenings(name: str, user: _Said, theirs: _Said) -> Iterator[tuple[Key, str]]:
    yours, wanted = user.config.archetypes.get(name, ArchetypeConfig()), theirs.config.archetypes[name]
    named = theirs.named("archetypes", name)
    at: Key = ("archetypes", name)
    if wanted.trust_level.rank > yours.trust_level.rank:
        yield (*at, "trust_level"), f"{wanted.trust_level} trusts more than your {yours.trust_level}"
    chosen = "tools" in user.named("archetypes", name)
    for index, tool in enumerate(wanted.tools if "tools" in named else ()):
        # A server is never among the defaults, and yours may hold your keys.
        new = tool.partition("/")[0] not in yours.tools if tool.startswith("mcp:") else chosen
        if new and tool not in yours.tools:
            yield (*at, "tools", index), f"{tool} is not among your tools of {name}"
    for limit in ("max_turns", "max_corrections"):
        most, asked = getattr(yours, limit), getattr(wanted, limit)
        if limit in named and asked > most:
            yield (*at, limit), f"{asked} is more than your {most}"
    yield from _budget_loosenings((*at, "budget"), yours.budget, wanted.budget)


def _models_elsewhere(user: _Said, wanted: _Said) -> Iterator[tuple[Key, str]]:
    """Yield the models of a provider the user did not choose, and those whose name is an address."""
    chosen = set(_named_models(user).values()) - {NO_MODEL}
    providers = {model.partition("/")[0] for model in chosen}
    for key, model in _named_models(wanted).items():
        if model in {*chosen, NO_MODEL} or model.startswith("scripted:"):
            continue
        if "://" in model or (providers and model.partition("/")[0] not in providers):
            yield key, f"{model} sends your code to a place you have not chosen"


def _named_models(said: _Said) -> dict[Key, str]:
    """Return the models a file names itself, the built-in defaults left out."""
    config, own = said.config, said.named("models") & {"default", "default_cheap", "large"}
    named: dict[Key, str] = {("models", name): getattr(config.models, name) for name in sorted(own)}
    if config.context.compressor:
        named["context", "compressor"] = config.context.compressor
    workers = {("archetypes", name, "model"): archetype.model for name, archetype in config.archetypes.items()}
    return named | {key: model for key, model in workers.items() if model}
