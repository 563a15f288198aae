"""Where the parts meet: from a track file and its project to an engine that can run it."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor._version import __version__
from conductor.clutch.base import Clutch
from conductor.clutch.limits import Limits
from conductor.clutch.policy import RuleBook, RuleClutch, suggestions
from conductor.clutch.rule_file import RuleFile
from conductor.commits import Commits
from conductor.config import PROJECT_FILE, user_directory
from conductor.context import WorkerContext, messages_of, opening, room_for_views
from conductor.context.seen import seen_in
from conductor.engine import ConductorEngine
from conductor.errors import UsageError
from conductor.events import Event
from conductor.gates.base import Gate
from conductor.gates.cache import GateCache
from conductor.gates.registry import checker_of
from conductor.gateways import Ears, budgets_of, compressor_of, gateway_of, inspector_of, keep_window, windows_of
from conductor.history.snapshots import Snapshots
from conductor.journal import Journal, Listener, chained, node_of, read
from conductor.llm.gateway import OnRetry, OnText
from conductor.logs import RunLogs
from conductor.messages import LineSpan, Message, ToolSpec, content_hash
from conductor.models import Ticket
from conductor.plan import STATE_FOLDER, Plan
from conductor.sandbox.ahead import Ahead
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.registry import choose as choose_sandbox
from conductor.settings import GateConfig
from conductor.staff import Parts
from conductor.stores.access import is_there
from conductor.stores.base import Store
from conductor.stores.reader import read_only
from conductor.stores.registry import STORES
from conductor.tools.mcp.base import Server
from conductor.tools.mcp.servers import McpServers
from conductor.tools.registry import choose
from conductor.tools.workspace import Workspace
from conductor.trust import TrackPermits
from conductor.undo import settle
from conductor.views.registry import view_of

if TYPE_CHECKING:
    from conductor.report import Report


@contextmanager
def build_engine(
    plan: Plan,
    clutch: Clutch,
    *,
    listeners: Sequence[Listener] = (),
    on_retry: OnRetry | None = None,
    on_notice: Callable[[str], None] | None = None,
    on_text: OnText | None = None,
    store: Store | None = None,
    commit: bool = False,
) -> Generator[ConductorEngine]:
    """Yield an engine that holds the track's lock: the only place where the parts meet.

    `on_text` is told what workers say while they say it; with it, answers are streamed unless the settings say no.
    With `commit` each completed ticket becomes a git commit.

    Raises `AlreadyRunning` when another process works on the track, `UsageError` when the journal cannot be written, or
    nothing be committed.
    """
    store = store or STORES["sqlite"](plan.project / STATE_FOLDER)
    try:
        with store.lock(plan.track.id):
            with suppress(OSError):  # under the digest that the run is journaled with
                store.put(plan.track_path.read_bytes())
            logs = _logs(plan, store, on_notice)
            journal = Journal(store, plan.track.id, node=node_of("engine"), listeners=(*listeners, logs))
            tree = tree_of(plan, store)
            settle(plan.track, journal, plan.project)
            checks = GateCache(plan.project, warm=True)
            ears = Ears(on_retry, on_notice, on_text)
            with (
                closing(logs),
                closing(tree),
                closing(checks),
                closing(servers_of(plan, say=on_notice)) as servers,
                closing(Ahead()) as ahead,
            ):
                parts = replace(_parts(plan, clutch, ears, servers, ahead), tree=tree, checks=checks)
                if commit:
                    commits = Commits(plan.project, plan.track, lambda: read(chained(store.rows())), store.get)
                    commits.check()
                    parts = replace(parts, commits=commits.due)
                yield ConductorEngine(plan.track, journal, parts)
    finally:
        store.close()


def servers_of(plan: Plan, *, start: bool = True, say: Callable[[str], None] | None = None) -> McpServers:
    """Return the MCP servers in force, none of them started yet; with `start` False none will be.

    `say` is told, in one line, of each that cannot be used.
    """
    configured = (
        Server(name, s.command or "", s.args, s.env, s.url or "", s.headers, s.timeout_s)
        for name, s in plan.config.mcp.items()
    )
    logs = plan.project / STATE_FOLDER / "logs"
    found = partial(McpServers, configured, plan.trust, cwd=plan.project, logs=logs, environ=os.environ)
    return found(secrets=plan.secrets, say=say, start=start)


def _parts(plan: Plan, clutch: Clutch, ears: Ears, servers: McpServers, ahead: Ahead) -> Parts:
    config = plan.config
    gateway = gateway_of(plan, ears)
    sandbox = replace(sandbox_of(plan), ahead=ahead)
    book = rule_book(plan, sandboxed=lambda: sandbox.holds)
    return Parts(
        clutch=clutch,
        open_model=lambda archetype, allow: gateway.open(
            archetype.model or config.models.default, allow=allow, on_text=ears.on_text
        ),
        inspector=partial(inspector_of, plan, gateway),
        archetype=plan.archetype,
        choose_tools=partial(choose, of_servers=servers.tools),
        workspace=replace(workspace_of(plan), sandbox=sandbox),
        permits=permits_of(plan),
        policy=partial(RuleClutch, book),
        rules=book.digest,
        gates=gates_of(plan),
        frozen=config.tests.frozen,
        budgets=budgets_of(config),
        window_of=cache(windows_of(plan).of),
        keep_window=partial(keep_window, config.models),
        large=config.models.large or "",
        compressor=partial(compressor_of, plan, gateway),
        track_file=os.path.relpath(plan.track_path, plan.project),
        track_digest=plan.digest,
        version=__version__,
        settings=_settings(plan),
    )


def _logs(plan: Plan, store: Store, say: Callable[[str], None] | None) -> RunLogs:
    def after(number: int) -> Iterator[Event]:
        return read(store.rows(track_id=plan.track.id, after=number))

    return RunLogs(plan.project / STATE_FOLDER / "logs", store.get, say=say, after=after)


def _settings(plan: Plan) -> dict[str, str]:
    """Return the settings that matter to what the track's workers do; a run is not gone on with by others unasked."""
    config, found = plan.config, dict[str, str]()
    for name in sorted({ticket.worker_archetype for ticket in plan.track.tickets}):
        archetype = plan.archetype(name)
        found[f"archetypes.{name}.model" if archetype.model else "models.default"] = (
            archetype.model or config.models.default
        )
        found[f"archetypes.{name}.tools"] = ", ".join(archetype.tools)
        found[f"archetypes.{name}.instructions"] = f"SHA-256 {content_hash(archetype.instructions.encode())[:12]}"
    found["models.default_cheap"] = config.models.default_cheap
    if config.context.compressor:
        found["context.compressor"] = config.context.compressor
    return found | {f"gates.{gate.name}": f"{gate.when}: {gate.command}" for gate in config.gates}


def permits_of(plan: Plan) -> TrackPermits:
    """Return what the user has allowed of the checks in the plan's track file."""
    return TrackPermits(plan.trust, plan.track_path.resolve())


def open_store(plan: Plan) -> Store:
    """Return the store of a project in which something has run. Raises `UsageError` where nothing has."""
    folder = plan.project / STATE_FOLDER
    if not is_there(folder):
        raise UsageError("nothing has run here yet", hint=f"Run a track first: conductor run {plan.track_path}")
    return STORES["sqlite"](folder)


def tree_of(plan: Plan, store: Store) -> Snapshots:
    """Return what notices the changes that the track's commands make, contents kept in the store."""
    place = plan.project / STATE_FOLDER / "trees" / f"{plan.track.id}.db"
    return Snapshots(plan.project, place, (PROJECT_FILE, *_protected(plan)), store.put)


def gates_of(plan: Plan) -> tuple[Gate, ...]:
    """Return the gates of the configuration in force."""
    return tuple(_gate(gate) for gate in plan.config.gates)


def _gate(set_up: GateConfig) -> Gate:
    parser = checker_of(set_up.command) if set_up.parser == "auto" else set_up.parser.replace("none", "")
    files = tuple(set_up.files)
    return Gate(set_up.name, set_up.command, files, set_up.when, True, parser, set_up.timeout_s)


def sandbox_of(plan: Plan) -> Sandbox:
    """Return what holds the commands of this run, found out by a trial.

    Raises `UsageError` when the settings name a mechanism that does not work here.
    """
    wanted = plan.config.sandbox
    policy = Policy(
        root=plan.project,
        protected=(PROJECT_FILE, *workspace_of(plan).protected),
        hidden=(plan.project / STATE_FOLDER, user_directory(os.environ).absolute()),
        network=wanted.network,
        writable=tuple(Path(path).expanduser() for path in wanted.writable),
        readable=tuple(Path(path).expanduser() for path in wanted.readable),
        environment=wanted.environment,
        processes=wanted.processes,
        memory_mb=wanted.memory_mb,
        secrets=plan.secrets,
    )
    return choose_sandbox("none" if plan.no_sandbox else wanted.mode, policy)


def rule_book(plan: Plan, *, sandboxed: Callable[[], bool]) -> RuleBook:
    """Return the user's rules as they hold for a run of the plan. Raises `InvalidFile` with every mistake in them."""
    kept = RuleFile(user_directory(os.environ))
    kept.rules()
    limits = Limits(plan.project, _protected(plan), sandboxed)
    return RuleBook(kept, limits, plan.digest, lambda: read(chained(read_only(plan.project / STATE_FOLDER))))


def workspace_of(plan: Plan) -> Workspace:
    """Return the project as the workers' tools see it, the track file and the user's own files out of their reach."""
    return Workspace(plan.project, _protected(plan), viewer=_view, seen_in=_seen_in)


def _protected(plan: Plan) -> tuple[str, ...]:
    own = (plan.track_path.resolve(), user_directory(os.environ).resolve())
    return tuple(str(path.relative_to(plan.project)) for path in own if plan.project in path.parents)


def _seen_in(name: str, content: bytes, view: str, kind: str) -> tuple[LineSpan, ...]:
    return seen_in(name, content, view, kind).lines


def _view(name: str, content: bytes, kind: str) -> str:
    view = view_of(name, content, kind)  # type: ignore[arg-type]
    return f"[{view.notice}]\n{view.text}" if view.notice else view.text


class NextRequest(Struct, frozen=True):
    """What a ticket's model would be sent, and notices about it."""

    model: str
    messages: list[Message]
    tools: list[ToolSpec]
    notices: list[str]


def next_request(plan: Plan, ticket: Ticket, entries: Sequence[Event]) -> NextRequest:
    """Return what the ticket's model would be sent after `entries`."""
    context: WorkerContext | None = None
    for event in entries:
        if event.ticket_id == ticket.id:
            if context is None or isinstance(event.data, events.TicketStarted):
                context = WorkerContext(ticket)
            context.apply(event)
    archetype = plan.archetype(ticket.worker_archetype)
    tools = [tool.spec for tool in choose(archetype.tools, servers_of(plan, start=False).tools).values()]
    if context and context.messages and not ticket.status.is_final:
        return NextRequest(context.routed or archetype.model, context.conversation.sent, tools, [])
    built = opening(ticket, archetype, workspace_of(plan), room_for_views(windows_of(plan).of(archetype.model).tokens))
    return NextRequest(archetype.model, messages_of(built), tools, list(built.notices))


def report_of(plan: Plan) -> Report:
    """Return what the plan's track took, with rules that the decisions in the journal of all tracks suggest."""
    from conductor.report import report  # scipy takes longer to load than all the rest of a start

    sandbox = sandbox_of(plan)
    history = list(read(chained(read_only(plan.project / STATE_FOLDER))))
    limits = Limits(plan.project, _protected(plan), lambda: sandbox.holds)
    own = (event for event in history if event.track_id == plan.track.id)
    return report(own, [ticket.id for ticket in plan.track.tickets], suggestions(history, limits))
