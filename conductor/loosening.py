"""What a project's conductor.toml may not do on its own: loosen what the user has set.

Models at a place that was not chosen, more trust, tools, turns or money, an opener sandbox, commands of gates and of
servers: each is left out until the user says yes to the file.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from conductor.settings import NO_MODEL, ArchetypeConfig, Config, LimitConfig, SandboxConfig, configured
from conductor.toml_source import Key, dotted
from conductor.visible import visible
from conductor.withheld import Secrets


def tightened(user: Mapping[str, Any], wanted: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings `wanted` without what would loosen those of `user`, and a line for each thing left out."""
    allowed = copy.deepcopy(wanted)
    loosenings = list(_loosenings(_Said(configured(user), user), _Said(configured(wanted), wanted)))
    for key, _ in reversed(loosenings):  # from the end, so that positions in arrays hold
        *parents, last = key
        holder: Any = allowed
        for part in parents:
            holder = holder[part]
        del holder[last]
    return allowed, tuple(visible(f"{dotted(key)}: {reason}", one_line=True) for key, reason in loosenings)


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


def _loosenings(yours: _Said, theirs: _Said) -> Iterator[tuple[Key, str]]:
    user, wanted = yours.config, theirs.config
    yield from _models_elsewhere(yours, theirs)
    if wanted.models.api_base not in (None, user.models.api_base):
        place = Secrets(tuple(wanted.credentials())).hide(wanted.models.api_base)
        yield ("models", "api_base"), f"sends your code and key to {place}"
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
            yield ("gates", index), f"{gate.name} runs the command {gate.command}{_kept_running(gate.command)}"
    for name, server in wanted.mcp.items():
        if user.mcp.get(name) != server:
            starts = f"starts {' '.join((server.command or '', *server.args))}"
            place = f"connects to {server.url}" if server.url else starts
            yield ("mcp", name), Secrets(tuple(server.credentials())).hide(place)


def _kept_running(command: str) -> str:
    """Return what is started besides a gate's command, in words."""
    from conductor.gates.registry import checker_of
    from conductor.gates.warm import server_of

    served = checker_of(command) == "pyright" and server_of(command.replace("{files}", "a.py"))
    return ", and keeps pyright's language server running" if served else ""


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
