"""What an engine works with, and the worker that each ticket gets of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from conductor import events
from conductor.budgets import Budgets
from conductor.checks import Permits
from conductor.clutch.base import Clutch
from conductor.clutch.elsewhere import AnswerableClutch
from conductor.clutch.rules import TrustClutch
from conductor.context import Compressor, WorkerContext
from conductor.errors import Refused
from conductor.gates.base import Checks, Gate
from conductor.history.base import NoTree, Tree
from conductor.history.recorder import Recorder
from conductor.ledger import Ledger
from conductor.llm.base import Model
from conductor.llm.budget import Allow
from conductor.llm.windows import Window, Windows
from conductor.models import Archetype, Ticket, TicketStatus
from conductor.offers import OFFERED_BY
from conductor.qa.inspector import Inspector
from conductor.requests import answers
from conductor.shape.reader import ChangeReader
from conductor.tools.base import Tool
from conductor.tools.workspace import Output, Workspace
from conductor.worker import Worker


class Parts(Struct, frozen=True):
    """Everything replaceable that an engine works with; `conductor.app.build_engine` puts it together.

    `policy` puts what the user decided once (rules) around the clutch of each worker, and `rules()` stands for what of
    it could forbid a call. A model that is opened with an `Allow` asks that before each request. `large` is the model
    that gets a ticket which does not fit the window of its own; `keep_window` is told of windows that servers name.
    `tree` notices what commands do;
    `commits()` puts completed tickets into git. Files that match a pattern of `frozen` take a typed yes.
    """

    clutch: Clutch
    open_model: Callable[[Archetype, Allow | None], Model]
    inspector: Callable[[Allow | None], Inspector]
    archetype: Callable[[str], Archetype]
    choose_tools: Callable[[tuple[str, ...]], Mapping[str, Tool]]
    workspace: Workspace
    permits: Permits
    policy: Callable[[Clutch], Clutch] = lambda clutch: clutch
    rules: Callable[[], str] = lambda: ""
    tree: Tree = field(default_factory=NoTree)
    commits: Callable[[], Sequence[tuple[str, events.TicketCommitted]]] = tuple
    gates: tuple[Gate, ...] = ()
    checks: Checks | None = None
    frozen: tuple[str, ...] = ()
    budgets: Budgets = field(default_factory=Budgets)
    window_of: Callable[[str], Window] = Windows().of
    keep_window: Callable[[str, int], None] = lambda _model, _window: None
    large: str = ""
    compressor: Callable[[Allow | None], Compressor | None] = lambda _: None
    track_file: str = ""
    track_digest: str = ""
    version: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


class Staff:
    """Gives a ticket its worker, put together as its archetype and the run's parts say."""

    def __init__(self, ledger: Ledger, parts: Parts) -> None:
        self._ledger = ledger
        self._parts = parts
        self._changes = ChangeReader(parts.workspace, parts.frozen)

    def worker_for(self, ticket: Ticket) -> Worker:
        """Return the ticket's worker, with the conversation that the journal has of it; a pending ticket is begun."""
        parts, ledger = self._parts, self._ledger
        archetype = parts.archetype(ticket.worker_archetype)
        model = self.open_model(ticket, archetype)
        if ticket.status is TicketStatus.PENDING:
            ledger.record(events.TicketStarted(archetype.name, model.name, archetype.trust_level), ticket=ticket)
        context = ledger.context(ticket)
        tools = parts.choose_tools(archetype.tools)
        workspace = replace(parts.workspace, output_of=partial(self._output, context))
        own_clutch = parts.policy(TrustClutch(archetype.trust_level, parts.clutch))
        return Worker(
            ticket=ticket,
            context=context,
            archetype=archetype,
            model=model,
            inspector=parts.inspector(self._allow(ticket, archetype)),
            clutch=AnswerableClutch(own_clutch, answers(ledger, ticket)),
            tools=tools,
            specs=tuple(tool.spec for tool in tools.values()),
            workspace=workspace,
            recorder=Recorder(
                *(parts.tree, ledger.journal.store.put, ledger.journal.store.get),
                *(workspace, context.correlation_id),
                frozen_by=partial(self._changes.frozen_by, further=ticket.frozen),
            ),
            changes=self._changes,
            own_tools=parts.choose_tools(OFFERED_BY),
            rules=parts.rules,
            compressor=parts.compressor(self._allow(ticket, archetype)),
        )

    def open_model(self, ticket: Ticket, archetype: Archetype) -> Model:
        """Return the model of an archetype, held to what the budgets leave for the ticket."""
        return self._parts.open_model(archetype, self._allow(ticket, archetype))

    def _allow(self, ticket: Ticket, archetype: Archetype) -> Allow | None:
        budgets = self._parts.budgets
        if not budgets.concern(archetype.name):
            return None
        return partial(budgets.check, self._ledger.spending, ticket.id, archetype.name)

    def _output(self, context: WorkerContext, call_id: str) -> Output:
        if call_id not in context.outputs:
            known = ", ".join(context.outputs) or "none yet"
            raise Refused(f"there is no output of a call {call_id!r}; calls with output: {known}")
        stdout, stderr = context.outputs[call_id]
        store = self._ledger.journal.store
        return Output(store.get(stdout), store.get(stderr))
