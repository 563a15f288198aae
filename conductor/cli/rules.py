"""`conductor rules`: the decisions that a user has made for good."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor.cli.options import JsonOption

if TYPE_CHECKING:
    from conductor.clutch.rule import Rule
    from conductor.clutch.rule_file import RuleFile
    from conductor.messages import RuleOffer


CommandArgument = Annotated[
    str | None, typer.Argument(metavar="[COMMAND]", help="The command it is about, in quotes.", show_default=False)
]
PathOption = Annotated[
    str | None, typer.Option("--path", help="The files it is about instead, such as src/**.", show_default=False)
]
ToolOption = Annotated[
    str, typer.Option(help="With --path: read_file, list_files, search, write_file, edit_file or delete_file.")
]
ExpiresOption = Annotated[str | None, typer.Option(help="When it ends: 30m, 8h, 7d, 2w or a date.", show_default=False)]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show it and what it would have meant; keep nothing.")]


def subcommands() -> typer.Typer:
    """Return the command with its subcommand."""
    rules = typer.Typer(rich_markup_mode=None, help=list_rules.__doc__)
    rules.callback(invoke_without_command=True)(list_rules)
    rules.command()(add)
    rules.command()(remove)
    return rules


def list_rules(context: typer.Context, json: JsonOption = False) -> None:
    """List your rules, add or remove one.

    They say what runs, what is refused and what is always asked without you being there.

    Examples:

      conductor rules

      conductor rules add "git status" --dry-run

      conductor rules remove 2
    """
    from datetime import UTC, datetime

    from conductor.visible import visible

    if context.invoked_subcommand:
        return
    file = _file()
    rules = file.rules()
    if json:
        listed = [{"number": number, **_as_json(rule)} for number, rule in enumerate(rules, 1)]
        typer.echo(json_module.dumps({"file": str(file.path), "rules": listed}, indent=2))
        return
    for number, rule in enumerate(rules, 1):
        over = "" if rule.is_live(rule.track, datetime.now(UTC)) else "  (over)"
        typer.echo(visible(f"{number:3}  {rule.id}  {rule.text}{over}", one_line=True))
    if not rules:
        typer.echo("There are no rules. Press w at a call to make one.", err=True)
    typer.echo(visible(f"They are kept in {file.path}."), err=True)


def add(
    command: CommandArgument = None,
    path: PathOption = None,
    tool: ToolOption = "write_file",
    verdict: Annotated[str, typer.Option(help="allow, ask or refuse.")] = "allow",
    exactly: Annotated[bool, typer.Option("--exactly", help="This command line and no other.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="How often it may allow.", show_default=False)] = None,
    expires: ExpiresOption = None,
    reason: Annotated[str, typer.Option(help="What the worker is told when it refuses.", show_default=False)] = "",
    dry_run: DryRunOption = False,
    json: JsonOption = False,
) -> None:
    """Keep a rule, and show what it would have decided on the calls of this project so far.

    Examples:

      conductor rules add "git status"

      conductor rules add "make test" --exactly --count 20 --expires 7d

      conductor rules add --tool edit_file --path "src/**" --dry-run

      conductor rules add "git push" --verdict refuse --reason "Releases are mine."
    """
    from conductor.clutch.rule_file import rule_from
    from conductor.errors import UsageError

    if (command is None) == (path is None):
        raise UsageError("name a command or --path, one of the two", hint='Such as: conductor rules add "git status"')
    about = {"tool": tool, "path": path} if command is None else _of_command(command, verdict, exactly)
    rule = rule_from({"verdict": verdict, **about, **_bounds(count, expires, reason)})
    found = _tried(rule)
    if not dry_run:
        _file().add(rule)
    if json:
        past = {"approved": found.approved, "regrets": list(found.regrets)}
        typer.echo(json_module.dumps({**_as_json(rule), **past, "kept": not dry_run}, indent=2))
        return
    _show(found)
    typer.echo(
        "Nothing was kept." if dry_run else "Kept. It counts from the next call on; `conductor rules` lists all.",
        err=True,
    )


def _bounds(count: int | None, expires: str | None, reason: str) -> dict[str, object]:
    """Return the keys of a rule that say how often, how long and why. Raises `UsageError`."""
    from datetime import UTC, datetime

    from conductor.clutch.rule import read_expiry
    from conductor.errors import UsageError

    said: dict[str, object] = {"uses": count, "reason": reason}
    if expires:
        try:
            said["expires"] = read_expiry(expires, datetime.now(UTC))
        except ValueError as error:
            raise UsageError(f"--expires: {error}") from None
    return {name: value for name, value in said.items() if value}


def _of_command(command: str, verdict: str, exactly: bool) -> dict[str, object]:
    """Return the keys of a rule about a command. Raises `UsageError` where its words are not certain."""
    from conductor.clutch.commands import Unclear, read_command
    from conductor.clutch.profiles import profile_of
    from conductor.errors import UsageError

    try:
        words = read_command(command)
    except Unclear as why:
        raise UsageError(f"no rule can be about this command: {why}") from None
    known = profile_of(words)
    if verdict == "allow" and not exactly and known and known.words != words:
        said = " ".join(known.words)
        raise UsageError(
            f'"{command}" is more than the kind of command that can be allowed',
            hint=f'Allow its kind with "{said}", or this very line with --exactly.',
        )
    return {"tool": "run_shell", "exactly" if exactly else "command": list(words)}


def _as_json(rule: Rule) -> dict[str, object]:
    """Return the keys of the rule as they stand in the file, with its id and text, and whether it still counts."""
    from datetime import UTC, datetime

    from msgspec.structs import asdict

    said = {name: value for name, value in asdict(rule).items() if value not in ("", (), None)}
    over = not rule.is_live(rule.track, datetime.now(UTC))
    return {
        "id": rule.id,
        "text": rule.text,
        "over": over,
        **said,
        **({"expires": rule.expires.isoformat()} if rule.expires else {}),
    }


def _tried(rule: Rule) -> RuleOffer:
    """Return the rule with how it would have decided in the past of the project this is."""
    from conductor.clutch.limits import Limits
    from conductor.clutch.policy import back_tested, decisions
    from conductor.journal import read
    from conductor.plan import STATE_FOLDER, find_project
    from conductor.stores.reader import read_only

    project = find_project(Path.cwd())
    past = decisions(read(read_only(project / STATE_FOLDER)))
    return back_tested(rule, past, Limits(project, sandboxed=lambda: True))


def _show(found: RuleOffer) -> None:
    from conductor.visible import visible

    typer.echo(visible(found.text, one_line=True))
    calls = f"{found.approved} past call{'' if found.approved == 1 else 's'} of this project"
    typer.echo(f"  it would have decided on {calls}" + (", of which you did not approve:" if found.regrets else "."))
    for regret in found.regrets:
        typer.echo(visible(f"  - {regret}", one_line=True))


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
