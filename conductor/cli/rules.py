"""`conductor rules`: the decisions that a user has made for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from conductor.clutch.rule_file import RuleFile


def subcommands() -> typer.Typer:
    """Return the command with its subcommand."""
    rules = typer.Typer(rich_markup_mode=None, help=list_rules.__doc__)
    rules.callback(invoke_without_command=True)(list_rules)
    rules.command()(remove)
    return rules


def list_rules(context: typer.Context) -> None:
    """List your rules, or remove one.

    They say what runs, what is refused and what is always asked without you being there.

    Examples:

      conductor rules

      conductor rules remove 2
    """
    from datetime import UTC, datetime

    from conductor.visible import visible

    if context.invoked_subcommand:
        return
    file = _file()
    rules = file.rules()
    for number, rule in enumerate(rules, 1):
        over = "" if rule.is_live(rule.track, datetime.now(UTC)) else "  (over)"
        typer.echo(visible(f"{number:3}  {rule.id}  {rule.text}{over}", one_line=True))
    if not rules:
        typer.echo("There are no rules. Press w at a call to make one.", err=True)
    typer.echo(visible(f"They are kept in {file.path}."), err=True)


def remove(
    rule: Annotated[str, typer.Argument(metavar="N", help="Its number in the list, or its id.", show_default=False)],
) -> None:
    """Forget a rule: such calls are asked about again."""
    from conductor.errors import UsageError
    from conductor.visible import visible

    file = _file()
    listed = {str(number): kept for number, kept in enumerate(file.rules(), 1)}
    found = listed.get(rule) or next((kept for kept in listed.values() if kept.id == rule), None)
    if found is None:
        raise UsageError(f"no rule {visible(rule, one_line=True)}", hint="List them with: conductor rules")
    file.remove(found.id)
    typer.echo(visible(f"Removed: {found.text}", one_line=True))


def _file() -> RuleFile:
    import os

    from conductor.clutch.rule_file import RuleFile
    from conductor.config import user_directory

    return RuleFile(user_directory(os.environ))
