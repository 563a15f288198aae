"""`conductor view`: source files as a model should see them. Starts without typer, rich or pydantic."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from conductor.errors import ConductorError, ExitCode, UsageError
from conductor.views.base import Options, Part, View
from conductor.views.decode import decode_source
from conductor.views.registry import map_of, suffixes, view_of
from conductor.visible import visible

_MAP_BUDGET = 2000

_EXAMPLES = """\
examples:
  conductor view src/report.py                        signatures only, every body `pass`
  conductor view --curated src/report.py              everything but the bodies
  conductor view src/report.py::Report.to_csv         one definition in full
  conductor view --compact --docs first src/*.py      smaller, with the first line of each docstring
  conductor view --focus Report.to_csv src/report.py  it, and signatures of what it calls
  conductor view --changed=main src/report.py         what differs from main in full, the rest without bodies
  conductor view --budget 500 src/report.py           at most 500 tokens
  conductor view --map . --budget 2000                what a repository is built around
  git show HEAD:src/report.py | conductor view --stdin
"""


def main(argv: list[str]) -> int:
    """Print the views that `argv` asks for; return the exit code: 0, or 2 when a file or a name cannot be had."""
    arguments = _parser().parse_args(["--changed=HEAD" if word == "--changed" else word for word in argv])
    try:
        return _run(arguments)
    except BrokenPipeError:
        # Whoever read has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="conductor view",
        allow_abbrev=False,
        description="Show Python source the cheapest way that is still true.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE[::NAME]", help="a source file, a folder of them, or one definition"
    )
    kind = parser.add_mutually_exclusive_group()
    add = kind.add_argument
    add("--skeleton", dest="view", action="store_const", const="skeleton", help="signatures, bodies `pass` (default)")
    add("--curated", dest="view", action="store_const", const="curated", help="the source without ordinary bodies")
    add("--raw", dest="view", action="store_const", const="raw", help="the source")
    add("--map", dest="view", action="store_const", const="map", help="what a folder's files lean on, within --budget")
    _add_skeleton_arguments(parser)
    _add_part_arguments(parser)
    add = parser.add_argument_group("input and output").add_argument
    add("--stdin", action="store_true", help="read Python source from standard input")
    add("--tokens", action="store_true", help="print tokens before and after, to standard error")
    add("--json", action="store_true", help="one JSON object a file: path, view, text, notice, tokens")
    return parser


def _add_skeleton_arguments(parser: argparse.ArgumentParser) -> None:
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


def _add_part_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("parts").add_argument
    add(
        "--focus", metavar="NAME", default="", help="NAME in full, with signatures of what it calls (--map: FILE::NAME)"
    )
    add("--hot", metavar="NAME,...", default="", help="curated, these definitions in full")
    add("--changed", metavar="REV", default="", help="curated, what differs from REV in full (alone: from HEAD)")
    add("--budget", metavar="N", type=int, default=0, help="a skeleton (or map) of at most N tokens")


def _run(arguments: argparse.Namespace) -> int:
    targets: list[str] = ["<stdin>"] * arguments.stdin + arguments.files
    if not targets:
        return _complain("no FILE given (see conductor view --help)")
    if arguments.budget < 0:
        return _complain("--budget must be a positive number of tokens")
    if arguments.view == "map":
        return _guarded(targets[0], lambda: _show_map(targets, arguments))
    code = 0
    titled = len(targets) > 1 or any(Path(target).is_dir() for target in targets)
    for target in targets:
        for path in _expanded(target):
            code = max(code, _guarded(path, lambda path=path: _show(path, arguments, titled=titled)))
    sys.stdout.flush()
    return code


def _expanded(target: str) -> list[str]:
    """Return the files that `target` means: itself, or those below it."""
    if not Path(target).is_dir():
        return [target]
    from conductor.views.tree import source_files

    return [str(path) for path in source_files(Path(target), suffixes())]


def _guarded(target: str, show: Callable[[], None]) -> int:
    path = target.partition("::")[0]
    try:
        show()
    except BrokenPipeError:
        raise
    except OSError as error:
        return _complain(f"cannot read {path}: {error.strerror or error}")
    except ConductorError as error:
        return _complain(f"{path}: {error}. {error.hint}".rstrip())
    return ExitCode.OK


def _show(target: str, arguments: argparse.Namespace, *, titled: bool) -> None:
    path, _, symbol = target.partition("::")
    source = sys.stdin.buffer.read() if path == "<stdin>" else Path(path).read_bytes()
    view = _view(path, source, symbol, arguments)
    tokens = _tokens(decode_source(source)[0], view.text) if arguments.tokens or arguments.json else None
    if arguments.json:
        import json

        record = {"path": target, "view": view.kind, "text": view.text, "notice": view.notice, "tokens": tokens}
        _write(f"{json.dumps(record, ensure_ascii=False)}\n")
        return
    _write(f"# {target}\n{view.text}" if titled else view.text)
    if view.notice:
        _say(f"conductor view: {path}: {view.notice}")
    if tokens is not None:
        _say("{path}: {before} -> {after} tokens ({percent} %), {tokenizer}".format(path=target, **tokens))


def _view(path: str, source: bytes, symbol: str, arguments: argparse.Namespace) -> View:
    name = "stdin.py" if path == "<stdin>" else path
    part = Part(
        symbol=symbol,
        focus=arguments.focus,
        hot=tuple(filter(None, arguments.hot.split(","))),
        budget=arguments.budget,
        changed=_changed(path, arguments.changed),
    )
    curated = arguments.view == "curated" or bool(part.hot) or part.changed is not None
    if curated and arguments.view in ("raw", "skeleton"):
        raise UsageError("--hot and --changed are for the curated view", hint=f"Leave out --{arguments.view}.")
    kind = "curated" if curated else arguments.view or "skeleton"
    options = Options(
        compact=arguments.compact,
        imports=arguments.imports,
        constants=arguments.constants,
        fields=arguments.fields,
        docs=arguments.docs or ("full" if curated else "none"),
        lines=arguments.lines,
    )
    return view_of(name, source, kind, options=options, part=part)


def _changed(path: str, revision: str) -> tuple[range, ...] | None:
    if not revision or path == "<stdin>":
        return None
    from conductor.views.tree import changed_lines

    return tuple(changed_lines(Path(path), revision))


def _show_map(folders: list[str], arguments: argparse.Namespace) -> None:
    from conductor.views.tree import source_files

    folder = Path(folders[0])
    if len(folders) > 1 or not folder.is_dir():
        raise UsageError("--map needs exactly one folder", hint="For example: conductor view --map src")
    found = source_files(folder, suffixes())
    if not found:
        raise UsageError("no source files found there", hint=f"A map is made of {', '.join(suffixes())} files.")
    view = map_of(folder, found, arguments.budget or _MAP_BUDGET, arguments.focus)
    _write(view.text)
    _say(f"conductor view: {folder}: {view.notice}")


def _tokens(before: str, after: str) -> dict[str, int | float | str]:
    from conductor.views.tokens import token_counter

    count, tokenizer = token_counter()
    old, new = count(before), count(after)
    return {"before": old, "after": new, "percent": round(100 * new / max(old, 1), 1), "tokenizer": tokenizer}


def _write(text: str) -> None:
    """Write plain UTF-8 to a pipe, and to a terminal text that cannot control it, in colours where they are welcome."""
    if not sys.stdout.isatty():
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        return
    shown = visible(text)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        sys.stdout.write(shown)
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(shown.rstrip("\n"), "python", theme="ansi_dark", background_color="default"))


def _complain(message: str) -> int:
    _say(f"conductor view: {message}")
    return ExitCode.USAGE


def _say(message: str) -> None:
    sys.stdout.flush()
    print(visible(message), file=sys.stderr)  # noqa: T201
