"""How rules that would cover a call look: their exact text, and what they would have meant in the past."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from conductor.clutch.render import fold
from conductor.messages import RuleOffer, RuleOffers
from conductor.visible import visible

SPANS = "r this run · t this track · d a day · g for good · n count · u until · x back"
_MOST_REGRETS = 3


def offer_rows(found: RuleOffers, width: int) -> list[Text]:
    """Return the rows that show the offers, each with its number."""
    if not found.offers:
        return fold(Text(visible(f"No rule can cover this: {found.why_none}.", one_line=True), style="yellow"), width)
    rows = [Text("A rule of your own would answer for you. It would approve this call and:", style="dim")]
    for number, offer in enumerate(found.offers, 1):
        rows += fold(Text.assemble((f"{number}  ", "bold"), visible(offer.text, one_line=True)), width)
        rows += [row for line in _past(offer) for row in fold(line, width)]
    return rows


def choices(found: RuleOffers) -> str:
    """Return the question that has the person choose one of the offers."""
    return " · ".join([*(f"{number} this rule" for number in range(1, len(found.offers) + 1)), "x go back"])


def _past(offer: RuleOffer) -> Iterator[Text]:
    """Yield the lines about the calls of the journal that the rule would have approved."""
    calls = f"{offer.approved} past call{'' if offer.approved == 1 else 's'}"
    if not offer.regrets:
        yield Text(
            f"   {calls} it would have approved; you approved them all" if offer.approved else "   no past call", "dim"
        )
        return
    yield Text(f"   {calls} it would have approved; you did not approve:", "yellow")
    for regret in offer.regrets[:_MOST_REGRETS]:
        yield Text(f"   ✗ {visible(regret, one_line=True)}", "yellow")
    if len(offer.regrets) > _MOST_REGRETS:
        yield Text(f"   and {len(offer.regrets) - _MOST_REGRETS} more", "yellow")
