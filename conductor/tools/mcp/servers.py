"""The servers of one run: started when a worker that may use them begins, ended with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from conductor.errors import Refused
from conductor.tools.mcp.base import Accepted, Channel, Definition, JsonObject, Server
from conductor.tools.mcp.session import Session
from conductor.tools.mcp.tool import McpTool, definition_of, tool_name
from conductor.withheld import Secrets

PREFIX = "mcp:"


class McpServers:
    """The configured servers by name. `say` is told, in one line, of each that cannot be used.

    With `start` False no server is started or asked; its tools are those that were accepted before.
    """

    def __init__(
        self,
        servers: Iterable[Server],
        book: Accepted,
        *,
        cwd: Path,
        logs: Path,
        environ: Mapping[str, str],
        secrets: Secrets = Secrets(),  # noqa: B008 - it cannot be changed
        say: Callable[[str], None] | None = None,
        start: bool = True,
    ) -> None:
        self._servers = {server.name: server for server in servers}
        self._book = book
        self._cwd = cwd
        self._logs = logs
        self._environ = environ
        self._secrets = secrets
        self._say = say
        self._start = start
        self._live: dict[str, _Live] = {}

    def tools(self, names: Sequence[str]) -> dict[str, McpTool]:
        """Return the tools that `mcp:SERVER` and `mcp:SERVER/TOOL` stand for; servers that are not in force have none.

        Those of a server that does not answer are what was accepted before, each a clear refusal when called.
        """
        wanted: dict[str, set[str]] = {}
        for name in names:
            server, _, tool = name.removeprefix(PREFIX).partition("/")
            wanted.setdefault(server, set()).add(tool)
        found: dict[str, McpTool] = {}
        for server in (self._servers[name] for name in wanted if name in self._servers):
            definitions, call = self._ask(server)
            for definition in definitions:
                if wanted[server.name] & {"", definition.tool}:
                    name = tool_name(server.name, definition.tool, found)
                    found[name] = McpTool(name, server, definition, self._book, call)
        return found

    def close(self) -> None:
        """End every server that was started."""
        while self._live:
            self._live.popitem()[1].session.close()

    def _ask(self, server: Server) -> tuple[list[Definition], Callable[[str, JsonObject], JsonObject]]:
        if not self._start:
            return self._remembered(server), _refuse("it was not started")
        live = self._live.get(server.name)
        if live and live.session.is_broken:
            del self._live[server.name]
            live.session.close()
            live = None
        if live is None:
            try:
                live = self._live[server.name] = self._begin(server)
            except Refused as refusal:
                if self._say:
                    self._say(f"the MCP server {server.name} cannot be used: {self._secrets.hide(str(refusal))}")
                return self._remembered(server), _refuse(str(refusal))
        return live.definitions, live.session.call

    def _begin(self, server: Server) -> _Live:
        channel = self._channel(server)
        try:
            session = Session(channel, timeout_s=server.timeout_s)
            return _Live(session, session.tools())
        except BaseException:  # Ctrl-C as well: the process is ours to end
            channel.close()
            raise

    def _channel(self, server: Server) -> Channel:
        if server.url:
            from conductor.tools.mcp.http import HttpChannel

            return HttpChannel(server, environ=self._environ)
        from conductor.tools.mcp.stdio import StdioChannel

        log = self._logs / f"mcp-{server.name}.log"
        return StdioChannel(server, cwd=self._cwd, log=log, environ=self._environ, hide=self._secrets.hide_bytes)

    def _remembered(self, server: Server) -> list[Definition]:
        return [definition_of(name, kept) for name, kept in self._book.accepted(server.key).items()]


class _Live:
    """A server at work and what it said of its tools, once: what it says later in the run is not listened to."""

    def __init__(self, session: Session, definitions: list[Definition]) -> None:
        self.session = session
        self.definitions = definitions


def _refuse(why: str) -> Callable[[str, JsonObject], JsonObject]:
    def call(tool: str, arguments: JsonObject) -> JsonObject:
        del tool, arguments
        raise Refused(why)

    return call
