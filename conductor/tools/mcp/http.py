"""A server that runs somewhere and is asked by HTTP: each message a POST, answered as JSON or as an event stream.

https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#streamable-http
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

from conductor.errors import Refused
from conductor.tools.mcp.base import MAX_ANSWER_BYTES, Broken, JsonObject, Server, filled_in, message_of

if TYPE_CHECKING:
    import httpx

_CONNECT_TIMEOUT_S = 10.0
_LEAVE_S = 2.0


class HttpChannel:
    """The address of a server and the session it gave. Redirects are not followed: the headers may hold a key."""

    def __init__(self, server: Server, *, environ: Mapping[str, str]) -> None:
        """Prepare the connection; nothing is sent yet. Raises `Broken` for headers that cannot be made."""
        import httpx

        own = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        own["Accept-Encoding"] = "identity"  # or a small answer could become a huge one
        try:
            self._client = httpx.Client(headers=filled_in(server.headers, environ) | own, follow_redirects=False)
        except (ValueError, UnicodeError) as error:
            raise Broken(f"its headers cannot be sent: {error}") from None
        self._url = server.url
        self._session: dict[str, str] = {}
        self._messages: Iterator[JsonObject] = iter(())

    def send(self, message: JsonObject, deadline: float) -> None:
        """POST a message and throw the answer away; a request is sent when its answer is asked for."""
        answer = _messages(self._client, self._url, message, self._session, deadline)
        if "method" in message and "id" in message:
            self._messages = answer
            return
        with _reaching():
            list(answer)

    def receive(self, deadline: float) -> JsonObject:
        """Return the next message of the answer to what was sent last."""
        with _reaching():
            message = next(self._messages, None)
        if message is None:
            raise Broken("its answer ended too early")
        if time.monotonic() > deadline:
            raise Refused("it did not answer in time")
        return message

    def agree(self, version: str) -> None:
        """Name the protocol's version in every further request."""
        self._session["MCP-Protocol-Version"] = version

    def close(self) -> None:
        """Say that the session is over, without minding whether anybody listens."""
        with contextlib.suppress(Refused), _reaching():
            if "Mcp-Session-Id" in self._session:
                self._client.delete(self._url, headers=self._session, timeout=_LEAVE_S)
        self._client.close()


def _messages(
    client: httpx.Client, url: str, message: JsonObject, session: dict[str, str], deadline: float
) -> Generator[JsonObject]:
    """Send `message` and yield what comes back. A session that the server names is added to `session`."""
    import httpx

    silence = max(deadline - time.monotonic(), 0.001)
    timeout = httpx.Timeout(silence, connect=min(silence, _CONNECT_TIMEOUT_S))
    with client.stream("POST", url, content=json.dumps(message), headers=session, timeout=timeout) as response:
        if not response.is_success:
            raise Broken(f"it answered with status {response.status_code}")
        if named := response.headers.get("mcp-session-id"):
            session["Mcp-Session-Id"] = named
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            for data in _event_data(_lines(response, deadline)):
                yield message_of(data)
        elif body := b"\n".join(_lines(response, deadline)).strip():
            yield message_of(body)


def _lines(response: httpx.Response, deadline: float) -> Generator[bytes]:
    """Yield the lines of an answer of bearable size, as they come."""
    rest, size = bytearray(), 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise Broken(f"it sent more than {MAX_ANSWER_BYTES >> 20} MiB in one answer")
        if time.monotonic() > deadline:
            raise Refused("it did not answer in time")
        rest += chunk
        if b"\n" in chunk:
            *lines, last = bytes(rest).split(b"\n")
            yield from (line.removesuffix(b"\r") for line in lines)
            rest = bytearray(last)
    yield bytes(rest)


def _event_data(lines: Iterator[bytes]) -> Generator[bytes]:
    """Yield the data of each server-sent event; names, ids and comments do not matter here."""
    data: list[bytes] = []
    for line in lines:
        if line.startswith(b"data:"):
            data.append(line[5:].strip())
        elif not line and data:
            yield b"\n".join(data)
            data = []
    if data:
        yield b"\n".join(data)


@contextlib.contextmanager
def _reaching() -> Generator[None]:
    import httpx

    try:
        yield
    except httpx.ReadTimeout:
        raise Refused("it did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise Broken(f"it cannot be reached: {error or type(error).__name__}") from None
