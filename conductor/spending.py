"""What a run has cost, folded from its journal: requests, tokens, dollars and time, by who spent it on what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from conductor import events
from conductor.events import Event, Payload
from conductor.messages import Usage


class Account(Struct, frozen=True):
    """Who spent: `tier` is "worker", "hints" (Tier 4), "context" (older turns in short) or, for the time
    of commands and checks, "tools".

    Not `present` is what a ticket's worker spent before the ticket was tried again, and in turns that were undone.
    """

    tier: str
    archetype: str
    model: str
    ticket: str
    present: bool = True


class Spent(Struct, frozen=True):
    """What was spent: completions that were used, requests sent for them, what they used, and seconds of work.

    `saved` is what completions from the cache had used when a model gave them. What is kept back are the characters of
    files and of outputs that views and hints stood for, each counted once. `streamed` answers took `first_text_s`
    seconds in sum until their first text came.
    """

    completions: int = 0
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    saved: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    views_kept_back: int = 0
    hints_kept_back: int = 0
    streamed: int = 0
    first_text_s: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.completions + other.completions,
            self.requests + other.requests,
            self.usage + other.usage,
            self.saved + other.saved,
            self.seconds + other.seconds,
            self.views_kept_back + other.views_kept_back,
            self.hints_kept_back + other.hints_kept_back,
            self.streamed + other.streamed,
            self.first_text_s + other.first_text_s,
        )

    @property
    def tokens(self) -> int:
        """Tokens read and written; those the provider had cached count as read."""
        return self.usage.input_tokens + self.usage.output_tokens


class Spending:
    """What entries of one track cost, each counted once, in the order they were recorded, and what came before them."""

    def __init__(self, entries: Iterable[Event] = (), *, before: Mapping[Account, Spent] | None = None) -> None:
        self.accounts = dict(before or {})
        self._archetypes: dict[str, str] = {}  # of each ticket's latest worker
        for event in entries:
            self.add(event)

    def add(self, event: Event, *, present: bool = True) -> None:
        """Count one more entry."""
        if isinstance(event.data, events.TicketStarted):
            self._archetypes[event.ticket_id] = event.data.worker_archetype
        elif found := _spent(event):
            tier, model, spent = found
            account = Account(tier, self._archetypes.get(event.ticket_id, ""), model, event.ticket_id, present)
            self.accounts[account] = self.accounts.get(account, Spent()) + spent

    def sum(self, chosen: Callable[[Account], bool] = lambda _: True) -> Spent:
        """Return what the accounts that are `chosen` have spent together, all of them by default."""
        return sum((spent for account, spent in self.accounts.items() if chosen(account)), Spent())


def taken_back(entries: Sequence[Event], in_force: Sequence[Event]) -> dict[Account, Spent]:
    """Return what those of a run's `entries` cost that are not in force any more: paid is paid."""
    if len(entries) == len(in_force):
        return {}
    counting, spending = {event.sequence for event in in_force}, Spending()
    for event in entries:
        spending.add(event, present=event.sequence in counting)
    return {account: spent for account, spent in spending.accounts.items() if not account.present}


def _spent(event: Event) -> tuple[str, str, Spent] | None:
    """Return tier, model and what an entry says was spent; None for entries that cost nothing."""
    match event.data:
        case events.ModelReplied() as reply:
            asked = bool(reply.attempts)
            usage, saved = Usage(**reply.usage), Usage(**reply.saved)
            spent = Spent(1, reply.attempts, usage, saved, reply.duration_s if asked else 0.0)
            first = reply.first_text_s
            return "worker", reply.model, replace(spent, streamed=int(first > 0), first_text_s=first)
        case events.HintGiven() as hint:
            usage, saved = Usage(**hint.usage), Usage(**hint.saved)
            used = 1 if hint.source == "model" or usage.input_tokens or saved.input_tokens else 0
            spent = Spent(used, hint.attempts, usage, saved, hint.duration_s, hints_kept_back=-len(hint.text))
            return "hints", hint.model, spent
        case events.ContextCompressed(compressor=model) as short if model:
            usage, saved = Usage(**short.usage), Usage(**short.saved)
            return "context", model, Spent(int(bool(short.usage)), short.attempts, usage, saved, short.duration_s)
        case data:
            found = _of_tools(data)
            return ("tools", "", found) if found else None


def _of_tools(data: Payload) -> Spent | None:
    """Return the time of commands and checks, and what files and outputs were kept out of the conversation."""
    match data:
        case events.CallFinished(exit_code=code, duration_s=seconds, kept_back=kept) if seconds or kept:
            views, outputs = (kept, 0) if code is None else (0, kept)
            return Spent(seconds=seconds, views_kept_back=views, hints_kept_back=outputs)
        case events.GateFinished(duration_s=seconds, kept_back=kept):
            return Spent(seconds=seconds, hints_kept_back=kept)
        case events.ContextBuilt(kept_back=kept) if kept:
            return Spent(views_kept_back=kept)
        case _:
            return None
