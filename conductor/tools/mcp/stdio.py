"""A server that is started here and talked to by its pipes: one JSON message a line."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from conductor.errors import Refused
from conductor.shell import end_service, start_service
from conductor.tools.mcp.base import MAX_ANSWER_BYTES, Broken, JsonObject, Server, filled_in, message_of
from conductor.withheld import command_environment, hide_bytes

_PIECE = 1 << 16
_MAX_LOG_BYTES = 8 * 1024 * 1024
_TICK_S = 0.5


class StdioChannel:
    """The three pipes of a server's process. They are only read while an answer is waited for, so no thread is needed.

    The process gets the environment without what looks like a credential, and what its configuration names. What it
    prints as errors is added to `log`, up to 8 MB a run, line by line, without what `hide` takes out.
    """

    def __init__(
        self,
        server: Server,
        *,
        cwd: Path,
        log: Path,
        environ: Mapping[str, str],
        hide: Callable[[bytes], bytes] = hide_bytes,
    ) -> None:
        """Start the server. Raises `Broken` when that cannot be done."""
        env = command_environment(environ) | filled_in(server.env, environ)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = log.open("ab", buffering=0)
        except OSError as error:
            raise Broken(f"its log {log} cannot be written: {error.strerror}") from None
        try:
            self._process = start_service([server.command, *server.args], cwd=cwd, env=env)
        except (OSError, ValueError) as error:
            self._log.close()
            raise Broken(f"{server.command} cannot be started: {error}") from None
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in pipes if pipe)
        for handle in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(handle, False)
        self._open = {self._stdout, self._stderr}
        self._received = bytearray()
        self._searched = 0
        self._logged = 0
        self._unlogged = b""
        self._hide = hide

    def send(self, message: JsonObject, deadline: float) -> None:
        """Send a message while reading what the server says, so that neither waits for the other."""
        unsent = memoryview(json.dumps(message).encode() + b"\n")
        while unsent:
            if self._stdin in self._wait(deadline, writing=True):
                try:
                    unsent = unsent[os.write(self._stdin, unsent[:_PIECE]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise Broken(self._ending()) from None

    def receive(self, deadline: float) -> JsonObject:
        """Return the next message; empty lines are none."""
        while True:
            end = self._received.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._received[:end]).strip()
                del self._received[: end + 1]
                self._searched = 0
                if line:
                    return message_of(line)
                continue
            self._searched = len(self._received)
            if len(self._received) > MAX_ANSWER_BYTES:
                raise Broken(f"it sent more than {MAX_ANSWER_BYTES >> 20} MiB in one message")
            if self._stdout not in self._open:
                raise Broken(self._ending())
            self._wait(deadline)

    def agree(self, version: str) -> None:
        """Nothing depends on it here."""

    def close(self) -> None:
        """End the server and all it started."""
        end_service(self._process)
        self._note(b"", everything=True)
        self._log.close()

    def _wait(self, deadline: float, *, writing: bool = False) -> list[int]:
        """Read what is there and return the descriptors that can be written; at the deadline raise `Refused`."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Refused("it did not answer in time")
        readable, writable, _ = select.select(self._open, [self._stdin] if writing else [], [], min(left, _TICK_S))
        for handle in readable:
            self._read(handle)
        return writable

    def _read(self, handle: int) -> None:
        try:
            data = os.read(handle, _PIECE)
        except BlockingIOError:
            return
        if not data:
            self._open.discard(handle)
        elif handle == self._stdout:
            self._received += data
        elif self._logged < _MAX_LOG_BYTES:
            self._logged += len(data)
            self._note(data)

    def _note(self, said: bytes, *, everything: bool = False) -> None:
        """Add what was said to the log, but for a line that has not ended: a secret may be half there."""
        whole, end, rest = (self._unlogged + said).rpartition(b"\n")
        everything = everything or len(rest) > _PIECE
        self._log.write(self._hide(whole + end + rest if everything else whole + end))
        self._unlogged = b"" if everything else rest

    def _ending(self) -> str:
        status = self._process.poll()
        return "it ended" if status is None else f"it ended with exit code {status}"
