"""`conductor view`: source files as a model should see them. Starts without typer, rich or pydantic."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from conductor.cli.output import Output
from conductor.errors import ConductorError, ExitCode, UsageError
from conductor.views.base import Options, Part, View, ViewKind
from conductor.views.decode import read_source
from conductor.views.registry import language_of, skeleton_suffixes, suffixes, view_of

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
    out = Output()
    try:
        code = _run(arguments, out)
        out.close()
        return code
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
        formatter_class=_help_formatter,
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


def _help_formatter(prog: str) -> argparse.RawDescriptionHelpFormatter:
    """Return argparse's own; that it makes one for each argument and loads shutil for its width takes 3 ms."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() else os.get_terminal_size(1).columns if os.isatty(1) else 0
    return argparse.RawDescriptionHelpFormatter(prog, width=(width or 80) - 2)


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


def _run(arguments: argparse.Namespace, out: Output) -> int:
    targets: list[str] = ["<stdin>"] * arguments.stdin + arguments.files
    if not targets:
        return _complain(out, "no FILE given (see conductor view --help)")
    if arguments.budget < 0:
        return _complain(out, "--budget must be a positive number of tokens")
    _refuse_contradictions(arguments, targets)
    if arguments.view == "map":
        return _guarded(targets[0], out, lambda: _show_map(targets, arguments, out))
    code = 0
    folders = {target for target in targets if os.path.isdir(target)}  # noqa: PTH112 - pathlib takes 5 ms to load
    titled = len(targets) > 1 or bool(folders)
    for target in targets:
        if target in folders:
            code = max(code, _show_folder(target, arguments, out))
        else:
            code = max(code, _guarded(target, out, lambda path=target: _show(path, arguments, out, titled=titled)))
    return code


def _show_folder(target: str, arguments: argparse.Namespace, out: Output) -> int:
    """Show every source file below the folder `target`; return the exit code."""
    from pathlib import Path

    from conductor.views.tree import source_files

    folder = Path(target)
    try:
        whole = arguments.view in (None, "skeleton") and not (arguments.focus or arguments.hot or arguments.changed)
        paths = source_files(folder, skeleton_suffixes() if whole and not arguments.budget else suffixes())
    except OSError as error:
        return _complain(out, f"cannot read {error.filename or target}: {error.strerror or error}")
    if not paths:
        out.say(f"conductor view: {folder}: no source files found there")
    if arguments.focus or arguments.hot or arguments.changed:  # what one file has and the other has not
        shows = [_guarded(path, out, lambda path=path: _show(path, arguments, out, titled=True)) for path in paths]
        return max(shows, default=0)
    from conductor.views.many import Order, views_below

    kind, options, part = _wanted(arguments)
    code = 0
    for shown in views_below(folder, paths, Order(kind, options, part)):
        if shown.view is None:
            code = _complain(out, f"cannot read {shown.path}: {shown.error}")
        else:
            needed = arguments.tokens or arguments.json
            source = read_source(shown.path) if needed else b""
            _print(shown.path, source, shown.view, arguments, out, titled=True)
    return code


def _guarded(target: str, out: Output, show: Callable[[], None]) -> int:
    path = target.partition("::")[0]
    try:
        show()
    except BrokenPipeError:
        raise
    except OSError as error:
        return _complain(out, f"cannot read {path}: {error.strerror or error}")
    except ConductorError as error:
        return _complain(out, f"{path}: {error}. {error.hint}".rstrip())
    return ExitCode.OK


def _show(target: str, arguments: argparse.Namespace, out: Output, *, titled: bool) -> None:
    path, _, symbol = target.partition("::")
    source = sys.stdin.buffer.read() if path == "<stdin>" else read_source(path)
    kind, options, part = _wanted(arguments)
    part = part._replace(symbol=symbol, changed=_changed(path, arguments.changed))
    view = view_of("stdin.py" if path == "<stdin>" else path, source, kind, options=options, part=part)
    _print(target, source, view, arguments, out, titled=titled)


def _print(target: str, source: bytes, view: View, arguments: argparse.Namespace, out: Output, *, titled: bool) -> None:
    path = target.partition("::")[0]
    tokens = _tokens(source, view.text) if arguments.tokens or arguments.json else None
    if arguments.json:
        import json

        record = {"path": target, "view": view.kind, "text": view.text, "notice": view.notice, "tokens": tokens}
        out.write(f"{json.dumps(record, ensure_ascii=False)}\n", "json")
        return
    out.write(f"# {target}\n{view.text}" if titled else view.text, language_of(path) or "python")
    notice = view.notice or ("no definitions" if not view.text and source.strip() and not titled else "")
    if notice:
        out.say(f"conductor view: {path}: {notice}")
    if tokens is not None:
        out.say("{path}: {before} -> {after} tokens ({percent} %), {tokenizer}".format(path=target, **tokens))


def _refuse_contradictions(arguments: argparse.Namespace, targets: list[str]) -> None:
    """Raise `UsageError` for options of which one would be silently without effect."""
    view = arguments.view
    keeps = [f"--{name}" for name in ("hot", "changed") if getattr(arguments, name)]
    narrows = [f"--{name}" for name in ("focus", "budget") if getattr(arguments, name)]
    adds = [f"--{name}" for name in ("imports", "constants", "fields", "docs", "lines") if getattr(arguments, name)]
    if adds and view in ("raw", "map"):
        raise UsageError(f"{adds[0]} is for skeletons and curated views", hint=f"Leave out --{view}.")
    if keeps and view in ("raw", "skeleton", "map"):
        raise UsageError(f"{keeps[0]} is for the curated view", hint=f"Leave out --{view}.")
    if narrows and (keeps or view in ("raw", "curated")):
        raise UsageError(
            f"{narrows[0]} is for skeletons and maps", hint=f"Leave out {narrows[0]} or {[f'--{view}', *keeps][-1]}."
        )
    if len(narrows) > 1 and view != "map":
        raise UsageError("--focus has no budget", hint="Leave out one of --focus and --budget.")
    named = next((target for target in targets if "::" in target), "")
    if named and (keeps or narrows):
        raise UsageError(f"{named} is shown in full", hint=f"Leave out {(keeps + narrows)[0]}.")


def _wanted(arguments: argparse.Namespace) -> tuple[ViewKind, Options, Part]:
    """Return the view that `arguments` ask for."""
    hot = tuple(name for name in str(arguments.hot).split(",") if name)
    curated = arguments.view == "curated" or bool(hot) or bool(arguments.changed)
    options = Options(
        compact=arguments.compact,
        imports=arguments.imports,
        constants=arguments.constants,
        fields=arguments.fields,
        docs=arguments.docs or ("full" if curated else "none"),
        lines=arguments.lines,
    )
    kind: ViewKind = "curated" if curated else arguments.view or "skeleton"
    return kind, options, Part(focus=arguments.focus, hot=hot, budget=arguments.budget)


def _changed(path: str, revision: str) -> tuple[range, ...] | None:
    if not revision or path == "<stdin>":
        return None
    from pathlib import Path

    from conductor.views.tree import changed_lines

    return tuple(changed_lines(Path(path), revision))


def _show_map(folders: list[str], arguments: argparse.Namespace, out: Output) -> None:
    from pathlib import Path

    from conductor.views.map import map_of
    from conductor.views.tree import source_files

    folder = Path(folders[0])
    if len(folders) > 1 or not folder.is_dir():
        raise UsageError("--map needs exactly one folder", hint="For example: conductor view --map src")
    found = source_files(folder, skeleton_suffixes())
    if not found:
        raise UsageError(
            "no source files found there", hint=f"A map is made of {', '.join(skeleton_suffixes())} files."
        )
    view = map_of(folder, found, arguments.budget or _MAP_BUDGET, arguments.focus)
    if arguments.json:
        import json

        record = {"path": str(folder), "view": "map", "text": view.text, "notice": view.notice, "tokens": None}
        out.write(f"{json.dumps(record, ensure_ascii=False)}\n", "json")
        return
    out.write(view.text)
    out.say(f"conductor view: {folder}: {view.notice}")


def _tokens(source: bytes, after: str) -> dict[str, int | float | str]:
    from conductor.views.decode import decode_source
    from conductor.views.tokens import token_counter

    count, tokenizer = token_counter()
    old, new = count(decode_source(source)[0]), count(after)
    return {"before": old, "after": new, "percent": round(100 * new / max(old, 1), 1), "tokenizer": tokenizer}


def _complain(out: Output, message: str) -> int:
    out.say(f"conductor view: {message}")
    return ExitCode.USAGE
