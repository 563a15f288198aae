"""The conversation with one server: the greeting, the list of its tools, and calls, one after the other.

https://modelcontextprotocol.io/specification/2025-06-18
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from typing import Any

from conductor._version import __version__
from conductor.errors import Refused
from conductor.tools.mcp.base import Broken, Channel, Definition, JsonObject, clean

VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")
MAX_TOOLS = 256
MAX_DEFINITION_CHARACTERS = 32_000
_NOT_FOUND = -32601
_CANCEL_S = 1.0


class Session:
    """A server that was greeted. Every failure is a `Refused`; after a `Broken` one each further call is refused."""

    def __init__(self, channel: Channel, *, timeout_s: float) -> None:
        """Greet the server. Raises `Refused` where it does not answer as a server does."""
        self._channel = channel
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._broken = ""
        greeting = {"name": "conductor", "version": __version__}
        offer = {"protocolVersion": VERSIONS[0], "capabilities": {}, "clientInfo": greeting}
        version = self._request("initialize", offer).get("protocolVersion")
        if version not in VERSIONS:
            raise Broken(f"it speaks version {version!r} of the protocol; known are {', '.join(VERSIONS)}")
        channel.agree(version)
        self._notify("notifications/initialized", {})

    def tools(self) -> list[Definition]:
        """Return what the server says of its tools, at most 256; what is no usable definition is left out."""
        found: dict[str, Definition] = {}
        cursor: dict[str, Any] = {}
        for _ in range(MAX_TOOLS):
            page = self._request("tools/list", cursor)
            listed = page.get("tools")
            for entry in listed if isinstance(listed, list) else []:  # type: ignore[unknown]
                if (definition := _definition(entry)) and len(found) < MAX_TOOLS:
                    found.setdefault(definition.tool, definition)
            following = page.get("nextCursor")
            if not isinstance(following, str) or len(found) >= MAX_TOOLS:
                break
            cursor = {"cursor": following}
        return list(found.values())

    def call(self, tool: str, arguments: JsonObject) -> JsonObject:
        """Call a tool and return the result as the server gave it. Raises `Refused`."""
        return self._request("tools/call", {"name": tool, "arguments": dict(arguments)})

    @property
    def is_broken(self) -> bool:
        """Say whether the server cannot be used any more."""
        return bool(self._broken)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _request(self, method: str, params: JsonObject) -> JsonObject:
        if self._broken:
            raise Refused(self._broken)
        request = next(self._ids)
        try:
            deadline = time.monotonic() + self._timeout_s
            self._channel.send({"jsonrpc": "2.0", "id": request, "method": method, "params": params}, deadline)
            return self._answer(request, deadline)
        except Broken as end:
            self._broken = str(end)
            raise
        except (Refused, KeyboardInterrupt):
            with contextlib.suppress(Refused):
                self._notify("notifications/cancelled", {"requestId": request, "reason": "no longer waited for"})
            raise

    def _answer(self, request: int, deadline: float) -> JsonObject:
        """Return the answer to a request; answers to earlier ones, which came too late, are passed over."""
        while True:
            message = self._channel.receive(deadline)
            if "method" in message:
                self._reply(message, deadline)
            elif message.get("id") == request:
                break
        if "error" in message:
            raise Refused(f"it answered with an error: {_error_text(message['error'])}")
        result = message.get("result")
        if not isinstance(result, dict):
            raise Refused("its answer has no result")
        return result  # type: ignore[return-value]

    def _reply(self, message: JsonObject, deadline: float) -> None:
        """Answer what the server asks: a ping. It may not use the model or ask the human from here."""
        if "id" not in message:
            return
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "ping":
            reply["result"] = {}
        else:
            reply["error"] = {"code": _NOT_FOUND, "message": "not supported"}
        self._channel.send(reply, deadline)

    def _notify(self, method: str, params: JsonObject) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self._channel.send(message, time.monotonic() + min(self._timeout_s, _CANCEL_S))


def _definition(entry: Any) -> Definition | None:
    """Return a listed tool, None where it is none or where it says too much to be read by anyone."""
    match entry:
        case {"name": str(name), "inputSchema": dict(schema)} if name and schema.get("type", "object") == "object":  # type: ignore[unknown]
            said = entry.get("description")
            words = clean(said) if isinstance(said, str) else ""
            whole: dict[str, Any] = json.loads(clean(json.dumps({**schema, "type": "object"}, ensure_ascii=False)))
            definition = Definition(clean(name), words, whole)
            return definition if len(definition.words) <= MAX_DEFINITION_CHARACTERS else None
        case _:
            return None


def _error_text(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error  # type: ignore[unknown]
    return clean(str(message))[:2_000]  # type: ignore[unknown]
