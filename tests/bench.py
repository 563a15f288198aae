"""A workbench for engine tests: a small project, a worker from a list of turns, a scripted clutch, a memory store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from conductor.budgets import Budgets
from conductor.clutch.base import Clutch
from conductor.clutch.policy import RuleBook, RuleClutch
from conductor.clutch.scripted import Answer, ScriptedClutch, approve
from conductor.context import Compressor
from conductor.engine import ConductorEngine
from conductor.events import Event, TicketCommitted
from conductor.gates.base import Gate
from conductor.history.base import NoTree, Tree
from conductor.journal import Journal
from conductor.llm.base import Model
from conductor.llm.budget import Allow, Budgeted
from conductor.llm.prices import ModelFacts
from conductor.llm.windows import Window, Windows
from conductor.messages import Completion, Message, ToolCall, ToolSpec, Usage
from conductor.models import Archetype, Ticket, Track, TrustLevel
from conductor.qa.inspector import Inspector
from conductor.sandbox.base import Sandbox
from conductor.sandbox.registry import unconfined
from conductor.staff import Parts
from conductor.stores.memory import MemoryStore
from conductor.tools.base import Tool
from conductor.tools.registry import builtin_tools, choose
from conductor.tools.workspace import Workspace

Turn = Completion | BaseException
ALL_TOOLS = tuple(builtin_tools())
DONE = Completion("It is done.", usage=Usage(100, 10))


def calls(*proposed: tuple[str, dict[str, Any]], text: str = "") -> Completion:
    """A turn that proposes these calls."""
    made = tuple(ToolCall("", tool, arguments) for tool, arguments in proposed)
    return Completion(text, made, "tool_calls", Usage(100, 10))


class ListModel:
    """Plays turns by ticket; like the shipped scripted model, which turn comes next follows from the messages alone."""

    name = "list"

    def __init__(self, turns: dict[str, Sequence[Turn]]) -> None:
        self._turns = turns
        self.requests: list[tuple[str, list[Message]]] = []

    def complete(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Completion:
        ticket = messages[1].content.removeprefix("# Ticket ").split(":")[0]
        self.requests.append((ticket, list(messages)))
        spoken = sum(message.stands_for or message.role == "assistant" for message in messages)
        turn = self._turns[ticket][spoken]
        if isinstance(turn, BaseException):
            raise turn
        named = [
            replace(call, call_id=call.call_id or f"call_{spoken + 1}_{n}") for n, call in enumerate(turn.tool_calls, 1)
        ]
        return replace(turn, tool_calls=tuple(named))


class Permits:
    """Remembers what was allowed."""

    def __init__(self) -> None:
        self.allowed: dict[str, str] = {}
        self.commands: dict[str, str] = {}

    def is_trusted(self, digest: str) -> bool:
        return digest in self.allowed

    def trust(self, digest: str, check: str, command: str) -> None:
        self.allowed[digest] = f"{check}: {command}"
        self.commands[check] = command

    def before(self, check: str) -> str:
        return self.commands.get(check, "")


class Bench(Struct):
    """Everything an engine needs, kept over several engines: a new engine is what a restart would make."""

    root: Path
    tickets: Callable[[], Iterable[Ticket]]
    model: Model
    store: MemoryStore = field(default_factory=MemoryStore)
    permits: Permits = field(default_factory=Permits)
    level: TrustLevel = TrustLevel.STEP
    max_turns: int = 20
    gates: tuple[Gate, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)
    digest: str = "digest-1"
    heard: list[Event] = field(default_factory=list)
    cheap: Model | None = None
    sandbox: Sandbox = field(default_factory=unconfined)
    book: RuleBook | None = None
    window_of: Callable[[str], Window] = Windows().of
    keep_window: Callable[[str, int], None] = lambda _model, _window: None
    large: str = ""
    compressor: Model | None = None
    models: dict[str, Model] = field(default_factory=dict[str, Model])
    tree: Tree = field(default_factory=NoTree)
    commits: Callable[[], Sequence[tuple[str, TicketCommitted]]] = tuple
    settings: dict[str, str] = field(default_factory=dict)
    choose_tools: Callable[[tuple[str, ...]], Mapping[str, Tool]] = choose

    def engine(self, answers: Iterable[Answer] | Clutch | None = None) -> ConductorEngine:
        clutch = answers if hasattr(answers, "review") else ScriptedClutch(answers or [approve] * 100)
        archetype = Archetype("coder", self.level, ALL_TOOLS, self.max_turns, "Be careful.")
        parts = Parts(
            clutch=clutch,
            open_model=lambda archetype, allow: budgeted(self.models.get(archetype.model, self.model), allow),
            inspector=lambda allow: Inspector(self.cheap and budgeted(self.cheap, allow), timeout_s=2),
            archetype=lambda _: archetype,
            choose_tools=self.choose_tools,
            workspace=Workspace(self.root, protected=("tracks/t.toml",), sandbox=self.sandbox),
            permits=self.permits,
            policy=partial(RuleClutch, self.book) if self.book else lambda inner: inner,
            rules=self.book.digest if self.book else str,
            tree=self.tree,
            commits=self.commits,
            settings=self.settings,
            gates=self.gates,
            budgets=self.budgets,
            window_of=self.window_of,
            keep_window=self.keep_window,
            large=self.large,
            compressor=self._compressor,
            track_file="tracks/t.toml",
            track_digest=self.digest,
            version="test",
        )
        track = Track("t", "A track", "", self.tickets())
        return ConductorEngine(track, Journal(self.store, "t", listeners=(self.heard.append,)), parts)

    def _compressor(self, allow: Allow | None) -> Compressor | None:
        return Compressor(budgeted(self.compressor, allow), self.window_of("list")) if self.compressor else None

    def kinds(self, ticket_id: str | None = None) -> list[str]:
        return [event.kind for event in self.heard if ticket_id in (None, event.ticket_id)]

    def of_kind(self, kind: str) -> list[Any]:
        return [event.data for event in self.heard if event.kind == kind]


def budgeted(model: Model, allow: Allow | None) -> Model:
    """The model as the gateway would open it, of a price that nobody knows."""
    return Budgeted(model, allow, facts=lambda: ModelFacts({})) if allow else model


def tree(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
