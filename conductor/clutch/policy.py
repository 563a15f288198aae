"""The clutch that answers by the user's rules: refuse before ask before allow, and a human for everything else."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from conductor import events
from conductor.clutch.base import Clutch, by_policy
from conductor.clutch.limits import Limits, hides_commands
from conductor.clutch.rule import Rule, Subject, Verdict, narrowest, subject_of, why_none
from conductor.events import Event
from conductor.messages import (
    Approved,
    ChosenRule,
    Decision,
    Preview,
    Rejected,
    RuleOffer,
    RuleOffers,
    RuleSpan,
    ToolCall,
)

_LOOKED_BACK = 2_000  # decisions; what a person did long ago says little of them
_SUGGESTED = 5  # rules; one would not weigh more of them at once


class KeptRules(Protocol):
    """Where rules outlive a run."""

    def rules(self) -> Sequence[Rule]:
        """Return the rules as they are now."""
        ...

    def add(self, rule: Rule) -> None:
        """Keep a rule, in place of the same one."""
        ...

    def spend(self, rule_id: str) -> bool:
        """Count one use of a rule that has a number of them; False when none was left."""
        ...


def _now() -> datetime:
    return datetime.now(UTC)


class RuleBook:
    """The rules in force in one run: those that are kept, and those for this run alone.

    `track` is the digest of the track that runs; `history` gives the journal's entries for back-tests.
    """

    def __init__(
        self,
        kept: KeptRules,
        limits: Limits,
        track: str,
        history: Callable[[], Iterable[Event]],
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.limits = limits
        self._kept = kept
        self._track = track
        self._history = history
        self._now = now
        self._of_this_run: dict[str, Rule] = {}

    def rules(self) -> list[Rule]:
        """Return the rules that count now."""
        now = self._now()
        return [r for r in (*self._of_this_run.values(), *self._kept.rules()) if r.is_live(self._track, now)]

    def digest(self) -> str:
        """Return what stands for the rules that count now and could forbid a call, "" for none.

        Rules that allow are left out: an approval may itself keep one, or use up the last of one.
        """
        forbidding = sorted(rule.id for rule in self.rules() if rule.verdict is not Verdict.ALLOW)
        return hashlib.sha256(" ".join(forbidding).encode()).hexdigest() if forbidding else ""

    def judge(self, subject: Subject) -> Rule | None:
        """Return the rule that decides on a call, the strongest of all that cover it."""
        covering = [rule for rule in self.rules() if rule.covers(subject, self.limits)]
        return min(covering, key=lambda rule: tuple(Verdict).index(rule.verdict), default=None)

    def may_be_forbidden(self, subject: Subject) -> bool:
        """Say whether a command, which cannot be read with certainty, may be one that a rule refuses or asks about."""
        if all(r.verdict is Verdict.ALLOW or r.tool != subject.tool for r in self.rules()):
            return False
        return bool(subject.unclear) or (bool(subject.argv) and hides_commands(subject.argv))

    def spend(self, rule: Rule) -> bool:
        """Count a use of a rule that allows; False when it has none left."""
        if rule.uses is None:
            return True
        own = self._of_this_run.get(rule.id)
        if own is None:
            return self._kept.spend(rule.id)
        self._of_this_run[rule.id] = replace(own, uses=(own.uses or 0) - 1)
        return bool(own.uses)

    def offers(self, subject: Subject) -> RuleOffers:
        """Return the rules that would allow the call, each tried on the journal."""
        rules = list(narrowest(subject, self.limits))
        if not rules:
            return RuleOffers((), why_none(subject, self.limits))
        past = decisions(self._history())
        return RuleOffers(tuple(back_tested(rule, past, self.limits) for rule in rules))

    def keep(self, chosen: ChosenRule, subject: Subject) -> None:
        """Keep a rule of those offered for the call. One that was not offered is passed over."""
        for rule in narrowest(subject, self.limits):
            if rule.id != chosen.offer.rule_id:
                continue
            limited = replace(rule, uses=chosen.uses, expires=chosen.expires)
            match chosen.span:
                case RuleSpan.RUN:
                    self._of_this_run[limited.id] = limited
                case RuleSpan.TRACK:
                    self._kept.add(replace(limited, track=self._track))
                case RuleSpan.DAY:
                    tomorrow = self._now().replace(microsecond=0) + timedelta(days=1)
                    self._kept.add(replace(limited, expires=chosen.expires or tomorrow))
                case RuleSpan.ALWAYS:
                    self._kept.add(limited)


class RuleClutch:
    """Answers by rule where one decides, and asks the clutch it holds otherwise."""

    def __init__(self, book: RuleBook, inner: Clutch) -> None:
        self._book = book
        self._inner = inner
        self._with_the_human = ""  # the call they were asked about last; what they make of it is theirs to approve
        self.name = inner.name

    def review(self, call: ToolCall, preview: Preview) -> Decision:
        """Refuse or approve by rule, or return what the inner clutch decides, and keep the rule it chose."""
        subject = subject_of(call, preview.path)
        rule = self._book.judge(subject)
        verdict = rule.verdict if rule else None
        if rule and verdict is Verdict.REFUSE:
            self.name = f"rule:{rule.id}"
            return Rejected(" ".join(filter(None, (f"A rule refuses it: {rule.text}.", rule.reason))))
        asks = preview.must_ask or verdict is Verdict.ASK or self._book.may_be_forbidden(subject)
        asks = asks or call.call_id == self._with_the_human
        if rule and verdict is Verdict.ALLOW and not asks and self._book.spend(rule):
            self.name = f"rule:{rule.id}"
            return Approved(call.arguments)
        offers = None if preview.must_ask else partial(self._book.offers, subject)
        decision = self._inner.review(call, replace(preview, must_ask=asks, offers=offers))
        self.name = self._inner.name
        self._with_the_human = "" if by_policy(self.name) else call.call_id
        if isinstance(decision, Approved) and decision.rule and decision.arguments == call.arguments:
            self._book.keep(decision.rule, subject)
        return decision


class PastDecision(Struct, frozen=True):
    """What a human decided on a call; `regret` says what they did instead of approving it as it was."""

    subject: Subject
    regret: str


def decisions(history: Iterable[Event]) -> list[PastDecision]:
    """Return the decisions of humans in a journal, each about the call as the worker proposed it."""
    tools: dict[tuple[str, str], str] = {}
    found: list[PastDecision] = []
    for event in history:
        match event.data:
            case events.CallProposed() as proposed:
                tools[event.track_id, proposed.call_id] = proposed.tool
            case events.CallDecided() as decided if not by_policy(decided.by):
                tool = tools.get((event.track_id, decided.call_id), "")
                found.append(PastDecision(_proposed(tool, decided.proposed), _regret(decided)))
            case _:
                pass
    return found


def suggestions(history: Iterable[Event], limits: Limits) -> list[RuleOffer]:
    """Return the rules that would have saved humans most prompts, the best first, each without a regret.

    Of each `approved` counts the prompts that the rules before it would not have saved. A rule that would have saved
    one is none.
    """
    past = decisions(history)[-_LOOKED_BACK:]
    rules = {rule.id: rule for done in past if not done.regret for rule in narrowest(done.subject, limits)}
    covered = {
        rule.id: {n for n, done in enumerate(past) if rule.covers(done.subject, limits)} for rule in rules.values()
    }
    free: dict[str, set[int]] = {
        name: saved for name, saved in covered.items() if not any(past[n].regret for n in saved)
    }
    found: list[RuleOffer] = []
    while len(found) < _SUGGESTED and free:
        best = max(free, key=lambda name: len(free[name]))
        saved = free.pop(best)
        if len(saved) < 2:
            break
        found.append(RuleOffer(best, rules[best].text, len(saved)))
        free = {name: left - saved for name, left in free.items()}
    return found


def _proposed(tool: str, arguments: Mapping[str, Any]) -> Subject:
    path = str(arguments.get("path", ""))
    return subject_of(ToolCall("", tool, arguments), posixpath.normpath(path) if path else "")


def _regret(decided: events.CallDecided) -> str:
    if decided.decision == "approve":
        return "edited" if decided.edited else ""
    if decided.decision == "happened":
        return ""
    return {"reject": "rejected", "skip": "skipped"}.get(decided.decision, decided.decision) + (
        f": {decided.reason}" if decided.reason else ""
    )


def back_tested(rule: Rule, past: Sequence[PastDecision], limits: Limits) -> RuleOffer:
    """Return the rule as an offer: how many past calls it would have decided on, and which a human did not approve."""
    covered = [decision for decision in past if rule.covers(decision.subject, limits)]
    regrets = [f"{d.subject.text or d.subject.path}  ({d.regret})" for d in covered if d.regret]
    return RuleOffer(rule.id, rule.text, len(covered), tuple(dict.fromkeys(regrets)))
