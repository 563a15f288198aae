"""Who works on a ticket."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from conductor.clutch.base import Clutch
from conductor.context import Compressor, WorkerContext
from conductor.history.recorder import Recorder
from conductor.llm.base import Model
from conductor.messages import ToolSpec
from conductor.models import Archetype, Ticket
from conductor.qa.inspector import Inspector
from conductor.shape.reader import ChangeReader
from conductor.tools.base import Tool
from conductor.tools.workspace import Workspace


class Worker(Struct, frozen=True):
    """Who works on a ticket: the conversation, and the parts its archetype gives it.

    `own_tools` are those by which checks propose changes, whatever the worker may use. `rules()` stands for the rules
    in force that could forbid a call.
    """

    ticket: Ticket
    context: WorkerContext
    archetype: Archetype
    model: Model
    inspector: Inspector
    clutch: Clutch
    tools: Mapping[str, Tool]
    specs: tuple[ToolSpec, ...]
    workspace: Workspace
    recorder: Recorder
    changes: ChangeReader
    own_tools: Mapping[str, Tool]
    rules: Callable[[], str] = lambda: ""
    compressor: Compressor | None = None
