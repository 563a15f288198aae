"""One tool of a server, shown and run like any other, and never before a human has seen what is said of it."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from conductor.errors import Refused
from conductor.messages import Effect, ToolResult, ToolSpec
from conductor.tools.base import Action
from conductor.tools.mcp.answer import result_of
from conductor.tools.mcp.base import Accepted, Definition, JsonObject, Server, pretty
from conductor.tools.mcp.schema import mistakes
from conductor.tools.workspace import Workspace
from conductor.visible import visible

_NAME_LENGTH = 64
_FIRST_USE = "FIRST USE of this tool: approving also accepts what its server says of it, which stands below"
_CHANGED = "CHANGED: its server says something else of this tool than what you accepted; the difference stands below"
_UNFIT = "the arguments do not fit the changed tool: approving accepts the change and sends nothing"


class McpTool(Struct, frozen=True):
    """A tool under the name models know it by. `call(tool, arguments)` asks the server."""

    name: str
    server: Server
    definition: Definition
    book: Accepted
    call: Callable[[str, JsonObject], JsonObject]

    @property
    def effect(self) -> Effect:
        """Always unsafe: what a server says of its tools' effects is not believed."""
        return Effect.UNSAFE

    @property
    def spec(self) -> ToolSpec:
        """The tool as models are told of it; of a changed tool what was accepted before, never words nobody saw."""
        told = self._accepted or self.definition
        words = visible(f"[MCP server {self.server.name}] {told.description.strip()}")
        return ToolSpec(self.name, words, told.schema, self.effect)

    def prepare(self, workspace: Workspace, arguments: Mapping[str, Any]) -> Action:
        """Check the arguments by the server's schema and return what would be sent. Raises `Refused`."""
        accepted = self._accepted
        changed = accepted is not None and accepted != self.definition
        wrong = mistakes(self.definition.schema, arguments)
        if wrong and not changed:
            raise Refused(f"{self.name}: the arguments are not right. {'; '.join(wrong)}")
        notices = [_CHANGED] if changed else [] if accepted else [_FIRST_USE]
        if wrong:
            notices.append(_UNFIT)

        def run() -> ToolResult:
            if accepted != self.definition:
                self._accept(workspace.hide(self.server.where))
            if wrong:
                return ToolResult(
                    f"Nothing was sent: {self.name} was changed. It is now:\n{self.definition.words}", ok=False
                )
            return self._send(arguments)

        return Action(
            "text",
            f"call {self.definition.tool} of the MCP server {self.server.name}",
            workspace.hide(self._text(arguments, accepted)),
            run,
            inside=False,
            notices=tuple(notices),
            must_ask=accepted != self.definition,
        )

    @property
    def _accepted(self) -> Definition | None:
        kept = self.book.accepted(self.server.key).get(self.definition.tool)
        return definition_of(self.definition.tool, kept) if kept else None

    def _accept(self, where: str) -> None:
        what = f"{self.definition.tool} of the MCP server {self.server.name}: {where}"
        self.book.accept(self.server.key, self.definition.tool, self.definition.as_json(), what)

    def _send(self, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            return result_of(self.call(self.definition.tool, arguments))
        except Refused as refusal:
            return ToolResult(f"The MCP server {self.server.name} gave no result: {refusal}", ok=False)

    def _text(self, arguments: Mapping[str, Any], accepted: Definition | None) -> str:
        """Return everything a human needs to see: where the call goes, with what, and words not accepted yet."""
        lines = [
            f"server: {self.server.name} ({self.server.where}), which no sandbox holds",
            f"tool: {self.definition.tool}",
            f"arguments:\n{pretty(dict(arguments))}",
        ]
        if accepted is None:
            lines.append(f"\nwhat its server says of it:\n{self.definition.words}")
        elif accepted != self.definition:
            before, after = accepted.words.splitlines(), self.definition.words.splitlines()
            difference = difflib.unified_diff(before, after, "accepted", "now", n=3, lineterm="")
            lines.append("\nwhat its server says of it now:\n" + "\n".join(difference))
        return visible("\n".join(lines))


def definition_of(tool: str, kept: JsonObject) -> Definition:
    """Return a definition from what was kept of it."""
    return Definition(tool, str(kept.get("description", "")), dict(kept.get("schema") or {"type": "object"}))


def tool_name(server: str, tool: str, taken: Mapping[str, object]) -> str:
    """Return the name for models, `mcp__SERVER__TOOL` in 64 letters they accept; a changed one ends in a digest."""
    wanted = f"mcp__{server}__{tool}"
    name = re.sub(r"[^A-Za-z0-9_-]", "_", wanted)
    if name == wanted and len(name) <= _NAME_LENGTH and name not in taken:
        return name
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH - 9]}_{digest}"
