"""A language server talked to over its pipes, read only while an answer is waited for, so without threads.

Messages are those of the Language Server Protocol 3.17: JSON-RPC with a header that says how long each one is.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conductor.shell import end_service

_PIECE = 1 << 16
_MOST = 64 * 1024 * 1024
_TICK_S = 0.5
_LENGTH = re.compile(rb"^Content-Length: *(\d+)", re.IGNORECASE | re.MULTILINE)

_COUNT = re.compile(r"^(?:Found (\d+)|No) source files?( found)?")

Message = dict[str, Any]


class ServerLost(Exception):
    """The server ended, was not in time, or said what no such server says."""


class LanguageServer:
    """One server's process, which is owned from now on. `settings` are what it may ask for, by section."""

    def __init__(self, process: subprocess.Popen[bytes], settings: Mapping[str, object]) -> None:
        self._process = process
        self._settings = settings
        self._sent = 0
        self._unsent = bytearray()
        self._received = bytearray()
        assert process.stdin and process.stdout
        self._stdin, self._stdout = process.stdin.fileno(), process.stdout.fileno()
        for handle in (self._stdin, self._stdout):
            os.set_blocking(handle, False)

    def start(self, root: Path, deadline: float) -> list[str]:
        """Have the server open a project and return the addresses of the files it checks. Raises `ServerLost`.

        It says how many there are, and then of each what it knows of it so far.
        """
        workspace = {"configuration": True, "workspaceFolders": True}
        watching = {"didChangeWatchedFiles": {"dynamicRegistration": True}}
        asked: Message = {
            "processId": None,
            "rootUri": root.as_uri(),
            "capabilities": {"workspace": workspace | watching},
        }
        number = self.ask("initialize", {**asked, "workspaceFolders": [{"uri": root.as_uri(), "name": root.name}]})
        self._until(lambda message: message.get("id") == number, deadline)
        self.tell("initialized", {})
        named: dict[str, None] = {}
        count = -1

        def is_last(message: Message) -> bool:
            nonlocal count
            params: Message = message.get("params") or {}
            if message.get("method") == "window/logMessage" and (found := _COUNT.search(str(params.get("message")))):
                count = int(found[1] or 0)
            elif message.get("method") == "textDocument/publishDiagnostics":
                named[str(params["uri"])] = None
            return len(named) == count

        self._until(is_last, deadline)
        return list(named)

    def ask(self, method: str, params: Message) -> int:
        """Queue a request and return its number, by which `answers` knows the answer."""
        self._sent += 1
        self._queue({"id": self._sent, "method": method, "params": params})
        return self._sent

    def tell(self, method: str, params: Message) -> None:
        """Queue a notification."""
        self._queue({"method": method, "params": params})

    def push(self) -> None:
        """Send as much of what is queued as the pipe takes now. Raises `ServerLost`."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._stdin, self._unsent[:_PIECE])]
        except BlockingIOError:
            return
        except OSError:
            raise ServerLost("it ended") from None

    def answers(self, numbers: Sequence[int], deadline: float) -> dict[int, Any]:
        """Return the results of requests by their numbers. Raises `ServerLost`, for an error in one of them too."""
        left, found = set(numbers), dict[int, Any]()

        def is_last(message: Message) -> bool:
            number = message.get("id")
            if "method" not in message and number in left:
                if "result" not in message:
                    raise ServerLost(f"it cannot: {message.get('error')}")
                left.discard(number)
                found[number] = message["result"]
            return not left

        if left:
            self._until(is_last, deadline)
        return found

    def close(self) -> None:
        """End the server and all it started."""
        end_service(self._process)

    def _queue(self, message: Message) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._unsent += b"Content-Length: %d\r\n\r\n" % len(content) + content

    def _until(self, is_it: Callable[[Message], bool], deadline: float) -> None:
        """Send and receive until a message is the one that is waited for; answer what the server asks meanwhile."""
        while True:
            message = self._next()
            if message is None:
                self._wait(deadline)
                continue
            if "method" in message and "id" in message:
                self._queue({"id": message["id"], "result": self._told(message)})
            if is_it(message):
                return

    def _told(self, request: Message) -> object:
        """Return the answer to a server's own request: its settings, nothing for all else."""
        if request["method"] != "workspace/configuration":
            return None
        return [self._settings.get(str(item.get("section")), {}) for item in request["params"]["items"]]

    def _next(self) -> Message | None:
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = _LENGTH.search(self._received[:head])
        if not length or int(length[1]) > _MOST:
            raise ServerLost("its messages cannot be read")
        end = head + 4 + int(length[1])
        if len(self._received) < end:
            return None
        content = bytes(self._received[head + 4 : end])
        del self._received[:end]
        try:
            return dict[str, Any](json.loads(content))
        except (ValueError, TypeError):
            raise ServerLost("its messages cannot be read") from None

    def _wait(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ServerLost("it did not answer in time")
        writing = [self._stdin] if self._unsent else []
        readable, writable, _ = select.select([self._stdout], writing, [], min(left, _TICK_S))
        if writable:
            self.push()
        if readable:
            data = os.read(self._stdout, _PIECE)
            if not data:
                raise ServerLost("it ended")
            self._received += data
