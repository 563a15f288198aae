"""The table of commands, and the way from typer's errors to exit codes.

Each name is a module of this package with a function of that name; one with subcommands has `subcommands()` instead.
Only the command that is asked for is loaded: all of them would take a third of the time until a run's first request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import chain
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup

from conductor.errors import ExitCode

_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Plan and run": ("demo", "init", "check", "run", "undo"),
        "Decide": ("approve", "reject", "intervene", "cancel", "rules", "trust"),
        "Look": ("tickets", "watch", "log", "cost", "why", "context", "view"),
        "Look back": ("report", "inspect", "export", "replay"),
        "Look after": ("doctor", "journal", "cache", "migrate"),
    }
)
_COMMANDS = tuple(chain.from_iterable(_GROUPS.values()))
_COMPLETE = "_CONDUCTOR_COMPLETE"  # set by the shell's completion: what it wants, and the words so far in others

_HELP = """Run a plan of tickets through cheap language-model workers, with your hand on the clutch.

Every call of a worker waits for you: approve it, edit its payload, reject it with a reason, or pause.
Everything is journaled; a run that was stopped goes on where it was.
"""
_EPILOG = "Start with: conductor demo  ·  conductor init  ·  conductor run tracks/first.toml"


class _Grouped(TyperGroup):
    """The commands in groups, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups of those commands that are known."""
        del ctx
        for heading, names in _GROUPS.items():
            rows = [(name, self.commands[name].get_short_help_str(400)) for name in names if name in self.commands]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl([(f"{name:9}", said) for name, said in rows])


def _app(names: Sequence[str], *, completion: bool) -> typer.Typer:
    app = typer.Typer(
        name="conductor",
        cls=_Grouped,
        help=_HELP,
        epilog=_EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help: rich would take two thirds of the time `--help` needs
        add_completion=completion,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    for name in names:
        _add(app, name)
    app.callback()(_options)
    return app


def _add(app: typer.Typer, name: str) -> None:
    if name == "view":  # it reads its arguments itself, so as not to load typer
        app.command(add_help_option=False, context_settings={"ignore_unknown_options": True})(view)
        return
    module = import_module(f"conductor.cli.{name}")
    if hasattr(module, "subcommands"):
        app.add_typer(module.subcommands(), name=name)
    else:
        app.command(name)(getattr(module, name))


def view(arguments: list[str]) -> None:
    """Show a file as models see it: skeleton, curated or raw."""
    from conductor.cli.view import main

    raise typer.Exit(main(arguments))


def _options(
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
    json_logs: bool = typer.Option(False, "--json-logs", help="Errors and notices on standard error as JSON lines."),
) -> None:
    del json_logs  # it counts wherever it stands, so it was taken out before the command was looked for
    if version:
        from conductor._version import __version__

        typer.echo(f"conductor {__version__}")
        raise typer.Exit


def run_typer(arguments: Sequence[str]) -> int:
    """Run the command that `arguments` name and return its exit code. Our own errors and Ctrl-C pass through.

    typer's own way to run an app is not taken: it makes exit codes of its own of Ctrl-C, SIGTERM and a lost reader.
    """
    from typer.exceptions import TyperException
    from typer.main import get_command

    known = [name for name in _COMMANDS if name in arguments[:1]]
    command = get_command(_app(known or _COMMANDS, completion=not known))
    if wanted := os.environ.get(_COMPLETE):
        from typer.completion import shell_complete

        return shell_complete(command, {}, "conductor", _COMPLETE, wanted)
    try:
        with command.make_context("conductor", list(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:  # Ctrl-C or the end of input at a question
        raise KeyboardInterrupt from None
    except TyperException as error:
        error.show()  # type: ignore[attr-defined]
        return ExitCode.USAGE
    return code if isinstance(code, int) else ExitCode.OK
