"""What a server is, what it says of a tool, and how messages go to it and come back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from conductor.errors import Refused

MAX_ANSWER_BYTES = 16 * 1024 * 1024
_VARIABLE = re.compile(r"\$\{(\w+)\}")

JsonObject = Mapping[str, Any]


class Server(Struct, frozen=True):
    """How a server is reached: a command to start and talk to by its pipes, or the address of one that runs."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout_s: float = 60.0

    @property
    def where(self) -> str:
        """What a human is told of the place: the address, or the command line."""
        return self.url or " ".join((self.command, *self.args))

    @property
    def key(self) -> str:
        """What its tools are remembered under: another command or address is another server."""
        place = json.dumps([self.url] if self.url else [self.command, *self.args])
        return "mcp:" + hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


class Definition(Struct, frozen=True):
    """What a server says of one of its tools: the words a model reads, and the JSON schema of the arguments."""

    tool: str
    description: str
    schema: JsonObject

    @property
    def words(self) -> str:
        """All of it as text, which is what a human accepts."""
        return f"{self.description.strip()}\n\narguments, as a JSON schema:\n{pretty(self.schema)}"

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"description": self.description, "schema": dict(self.schema)}


class Accepted(Protocol):
    """What the user has accepted of the words of servers, in their own configuration directory."""

    def accepted(self, source: str) -> Mapping[str, JsonObject]:
        """Return what was accepted of `source`, by the name of the tool."""
        ...

    def accept(self, source: str, name: str, definition: JsonObject, what: str) -> None:
        """Keep the user's yes to a definition, in the place of an earlier one."""
        ...


class Channel(Protocol):
    """A way to a server. Every failure is raised as `Refused`, in words for the worker."""

    def send(self, message: JsonObject, deadline: float) -> None:
        """Send one JSON-RPC message, until `time.monotonic()` reaches `deadline`."""
        ...

    def receive(self, deadline: float) -> JsonObject:
        """Return the next message of the server."""
        ...

    def agree(self, version: str) -> None:
        """Take note of the version of the protocol that both sides speak from now on."""
        ...

    def close(self) -> None:
        """End the connection, and the server if it was started here."""
        ...


class Broken(Refused):
    """A server that cannot be used any more: it ended, or what it says is no MCP."""


def filled_in(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return `values` with each `${NAME}` replaced by that variable. Raises `Broken` for one that is not set."""

    def value_of(match: re.Match[str]) -> str:
        if match.group(1) not in environ:
            raise Broken(f"the variable {match.group(1)}, which its configuration names, is not set")
        return environ[match.group(1)]

    return {name: _VARIABLE.sub(value_of, text) for name, text in values.items()}


def message_of(data: bytes) -> JsonObject:
    """Return one JSON-RPC message. Raises `Broken` for anything else."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise Broken(f"it sent what is no JSON: {data[:80]!r}") from None
    if not isinstance(message, dict):
        raise Broken(f"it sent what is no message: {data[:80]!r}")
    return message  # type: ignore[return-value]


def pretty(value: object) -> str:
    """Return a JSON value for people to read; text stays text."""
    return clean(json.dumps(value, indent=2, ensure_ascii=False))


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which JSON can bring and no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
