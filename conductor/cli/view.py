"""`conductor view`: source files as a model should see them. Starts without typer, rich or pydantic."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from conductor.errors import ConductorError, ExitCode, UsageError
from conductor.views.base import Options, View, ViewKind
from conductor.views.registry import view_of

_EXAMPLES = """\
examples:
  conductor view src/report.py                        signatures only, every body `pass`
  conductor view --curated src/report.py              everything but the bodies
  conductor view src/report.py::Report.to_csv         one definition in full
  conductor view --compact --docs first src/*.py      smaller, with the first line of each docstring
  git show HEAD:src/report.py | conductor view --stdin
"""


def main(argv: list[str]) -> int:
    """Print the views that `argv` asks for; return the exit code: 0, or 2 when a file or a name cannot be had."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conductor view",
        description="Show Python source the cheapest way that is still true.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE[::NAME]", help="a source file, or one definition of it")
    kind = parser.add_mutually_exclusive_group()
    add = kind.add_argument
    add("--skeleton", dest="view", action="store_const", const="skeleton", help="signatures, bodies `pass` (default)")
    add("--curated", dest="view", action="store_const", const="curated", help="the source without ordinary bodies")
    add("--raw", dest="view", action="store_const", const="raw", help="the source")
    add = parser.add_argument_group("what a skeleton shows").add_argument
    add("--compact", action="store_true", help="indents of one blank and no blank that is not needed")
    add("--imports", action="store_true", help="with import statements")
    add("--constants", action="store_true", help="with module-level assignments")
    add("--fields", action="store_true", help="with class-level assignments and annotations")
    add(
        "--docs",
        choices=("none", "first", "full"),
        help="docstrings: none (default), first line, full (--curated: full)",
    )
    add("--lines", action="store_true", help="with the lines of each definition, as #L12-40")
    parser.add_argument("--stdin", action="store_true", help="read Python source from standard input")
    parser.set_defaults(view="skeleton")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.files and not arguments.stdin:
        return _complain("no FILE given (see conductor view --help)")
    targets: list[str] = list(arguments.files)
    titled = len(targets) + arguments.stdin > 1
    code = 0
    if arguments.stdin:
        code = max(code, _show("<stdin>", arguments, titled=titled))
    for target in targets:
        code = max(code, _show(target, arguments, titled=titled))
    sys.stdout.flush()
    return code


def _show(target: str, arguments: argparse.Namespace, *, titled: bool) -> int:
    path, _, symbol = target.partition("::")
    try:
        view = _view(path, symbol, arguments)
    except OSError as error:
        return _complain(f"cannot read {path}: {error.strerror or error}")
    except ConductorError as error:
        return _complain(f"{path}: {error}. {error.hint}".rstrip())
    if titled:
        _write(f"# {target}\n")
    _write(view.text)
    if view.notice:
        sys.stdout.flush()
        print(f"conductor view: {path}: {view.notice}", file=sys.stderr)  # noqa: T201
    return ExitCode.OK


def _view(path: str, symbol: str, arguments: argparse.Namespace) -> View:
    if path == "<stdin>":
        name, source = "stdin.py", sys.stdin.buffer.read()
    elif Path(path).is_dir():
        raise UsageError("is a folder", hint="Name the files in it.")
    else:
        name, source = path, Path(path).read_bytes()
    kind: ViewKind = arguments.view
    default_docs = "full" if kind == "curated" else "none"
    options = Options(
        compact=arguments.compact,
        imports=arguments.imports,
        constants=arguments.constants,
        fields=arguments.fields,
        docs=arguments.docs or default_docs,
        lines=arguments.lines,
    )
    return view_of(name, source, kind, symbol, options=options)


def _write(text: str) -> None:
    """Write plain UTF-8 to a pipe, and to a terminal text that cannot control it, in colours where they are welcome."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        return
    from conductor.visible import visible

    shown = visible(text)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        sys.stdout.write(shown)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(shown.rstrip("\n"), "python", theme="ansi_dark", background_color="default"))


def _complain(message: str) -> int:
    print(f"conductor view: {message}", file=sys.stderr)  # noqa: T201
    return ExitCode.USAGE
