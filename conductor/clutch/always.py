"""The choice of a rule that would cover a call: its exact text, what it would have meant in the past, for how long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import MappingProxyType

from rich.text import Text

from conductor.clutch.render import fold
from conductor.clutch.rule import read_expiry, read_uses
from conductor.clutch.screen import Screen
from conductor.messages import ChosenRule, Preview, RuleOffer, RuleOffers, RuleSpan
from conductor.visible import visible

_SPAN_KEYS = "r this run · t this track · d a day · g for good · n count · u until · x back"
_SPANS = MappingProxyType({"r": RuleSpan.RUN, "t": RuleSpan.TRACK, "d": RuleSpan.DAY, "g": RuleSpan.ALWAYS})
_MOST_REGRETS = 3


def choose_rule(screen: Screen, preview: Preview) -> ChosenRule | None:
    """Have the person choose a rule that covers the call, and for how long; None when they go back."""
    if preview.offers is None:
        screen.say("This call is asked about every time.", "yellow")
        return None
    found = preview.offers()
    screen.print(*_offer_rows(found, screen.width))
    numbers = {str(number): offer for number, offer in enumerate(found.offers, 1)}
    number = screen.pick(_choices(found), *numbers) if numbers else ""
    return _for_how_long(screen, numbers[number]) if number else None


def _for_how_long(screen: Screen, offer: RuleOffer) -> ChosenRule | None:
    """Have the person say for how long, and how often, a rule is to hold; None when they go back."""
    uses: int | None = None
    expires: datetime | None = None
    while key := screen.pick(_SPAN_KEYS, *_SPANS, "n", "u"):
        if key in _SPANS:
            return ChosenRule(offer, _SPANS[key], uses, expires)
        said = screen.line("how many times: " if key == "n" else "for how long (30m, 8h, 7d) or until when: ")
        try:
            if said and key == "n":
                uses = read_uses(said)
            elif said:
                expires = read_expiry(said, datetime.now(UTC))
        except ValueError as error:
            screen.say(f"This cannot be used: {error}.", "yellow")
        limits = ChosenRule(offer, RuleSpan.ALWAYS, uses, expires).terms.partition(", ")[2]
        screen.say(f"{limits or 'no limit'}; and it counts for:", "dim")
    return None


def _offer_rows(found: RuleOffers, width: int) -> list[Text]:
    """Return the rows that show the offers, each with its number."""
    if not found.offers:
        return fold(Text(visible(f"No rule can cover this: {found.why_none}.", one_line=True), style="yellow"), width)
    rows = [Text("A rule of your own would answer for you. It would approve this call and:", style="dim")]
    for number, offer in enumerate(found.offers, 1):
        rows += fold(Text.assemble((f"{number}  ", "bold"), visible(offer.text, one_line=True)), width)
        rows += [row for line in _past(offer) for row in fold(line, width)]
    return rows


def _choices(found: RuleOffers) -> str:
    """Return the question that has the person choose one of the offers."""
    return " · ".join([*(f"{number} this rule" for number in range(1, len(found.offers) + 1)), "x go back"])


def _past(offer: RuleOffer) -> Iterator[Text]:
    """Yield the lines about the calls of the journal that the rule would have approved."""
    calls = f"{offer.approved} past call{'' if offer.approved == 1 else 's'}"
    if not offer.regrets:
        yield Text(
            f"   {calls} it would have approved; you approved them all"
            if offer.approved
            else "   no past call like it",
            "dim",
        )
        return
    yield Text(f"   {calls} it would have approved; you did not approve:", "yellow")
    for regret in offer.regrets[:_MOST_REGRETS]:
        yield Text(f"   ✗ {visible(regret, one_line=True)}", "yellow")
    if len(offer.regrets) > _MOST_REGRETS:
        yield Text(f"   and {len(offer.regrets) - _MOST_REGRETS} more", "yellow")
