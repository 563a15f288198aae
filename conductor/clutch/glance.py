"""What a glance at a command line misses: said in words beside it, for whoever has to decide on it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from conductor.clutch.commands import MAX_COMMAND, Unclear, read_command, syntax_of
from conductor.clutch.limits import hides_commands
from conductor.messages import Preview
from conductor.visible import is_suspect, visible

if TYPE_CHECKING:
    from tree_sitter import Node

_SHOWN = 60
_MOST_NAMED = 8
_WIDE_GAP = re.compile(r"\S[ \t]{12,}\S")
_LOADERS = frozenset(("curl", "wget", "fetch", "aria2c", "http", "https"))
_RUNNERS = re.compile(r"(?:ba|da|z|k|fi)?sh|(?:python|perl|ruby|node|php|lua)[\d.]*|eval|source")
_DELETERS = frozenset(("rm", "rmdir", "unlink", "shred", "truncate", "dd", "mkfs"))
_GIT_DELETERS: Mapping[str, frozenset[str]] = MappingProxyType(  # with any of these words; with none, always
    {
        "clean": frozenset(),
        "rm": frozenset(),
        "restore": frozenset(),
        "reset": frozenset(("--hard", "--merge")),
        "checkout": frozenset(("--", ".", "-f", "--force")),
        "stash": frozenset(("drop", "clear")),
        "branch": frozenset(("-D", "--delete", "-d")),
    }
)
_MAY_DELETE = re.compile(rf"\b(?:{'|'.join(_DELETERS)}|git|delete)\b")
_SAID = {
    "file_redirect": "redirects: {}",
    "herestring_redirect": "feeds text to it: {}",
    "heredoc_redirect": "feeds lines to it: {}",
    "command_substitution": "runs a command inside: {}",
    "process_substitution": "runs a command inside: {}",
    "variable_assignment": "sets a variable: {}",
    "simple_expansion": "depends on a variable: {}",
    "expansion": "depends on a variable: {}",
    "ansi_c_string": "writes characters in another form: {}",
    "function_definition": "defines a function: {}",
}


def warnings_of(preview: Preview) -> tuple[str, ...]:
    """Return what a person should be told beside a call; nothing but for commands."""
    return tuple(_warnings(preview.text)) if preview.kind == "command" else ()


def words_of(preview: Preview) -> tuple[str, ...]:
    """Return the argument list of a command that can be read as one with certainty, nothing else."""
    if preview.kind != "command":
        return ()
    try:
        return read_command(preview.text)
    except Unclear:
        return ()


def quoted_words(words: Sequence[str]) -> str:
    """Return an argument list in one line, each word in quotes."""
    return " ".join(f'"{word}"' if '"' not in word else shlex.quote(word) for word in words)


def deleting(text: str) -> str:
    """Return in words what of a command line deletes, "" where nothing is seen to; as much as a glance at it tells."""
    if not _MAY_DELETE.search(text):
        return ""
    if len(text) > MAX_COMMAND:
        return "this command may delete"
    nodes = _below(syntax_of(text))
    argvs = (_rough_words(text, node) for node in nodes if node.type == "command")
    found = next((argv for argv in argvs if argv and _deletes(argv)), None)
    return f"this command deletes: {_cut(' '.join(found))}" if found else ""


def _deletes(argv: Sequence[str]) -> bool:
    program, *words = argv
    match PurePosixPath(program).name:
        case name if name in _DELETERS:
            return True
        case "git":
            flags = _GIT_DELETERS.get(_subcommand(words))
            return flags is not None and (not flags or not flags.isdisjoint(words))
        case "find":
            return "-delete" in words or not _DELETERS.isdisjoint(words)
        case _:
            inside = {PurePosixPath(part).name for word in words for part in re.split(r"[\s;&|()'\"]+", word)}
            return hides_commands(argv) and not _DELETERS.isdisjoint(inside)


def _subcommand(words: Sequence[str]) -> str:
    """Return the first word that is neither an option of git itself nor the value of one."""
    pairs = zip(["", *words], words, strict=False)
    return next((word for before, word in pairs if word[:1] != "-" and before not in ("-C", "-c")), "")


def _warnings(text: str) -> Iterator[str]:
    if len(text) > MAX_COMMAND:
        yield f"is longer than {MAX_COMMAND} characters, and was not looked into"
        return
    if is_suspect(text):
        yield "has invisible or look-alike characters, written out as <U+...>"
    if _WIDE_GAP.search(text):
        yield "goes on far to the right"
    lines = len(text.strip().splitlines())
    if lines > 1:
        yield f"has {lines} lines"
    root = syntax_of(text)
    if root.has_error:
        yield "cannot be read with certainty"
    nodes = list(_below(root))
    yield from _of_commands(text, [node for node in nodes if node.type == "command"])
    seen = dict.fromkeys(_said(text, node) for node in nodes if node.type in _SAID and node.is_named)
    yield from list(seen)[:_MOST_NAMED]
    if len(seen) > _MOST_NAMED:
        yield f"and {len(seen) - _MOST_NAMED} more things of that kind"
    if any(node.type == "&" for node in nodes):
        yield "leaves something running in the background"


def _of_commands(text: str, commands: Sequence[Node]) -> Iterator[str]:
    """Yield what there is to say about the simple commands in a line, in the order in which they stand."""
    argvs = [_rough_words(text, command) for command in commands]
    programs = [_cut(PurePosixPath(argv[0]).name) for argv in argvs if argv]
    if len(programs) > 1:
        more = f" and {len(programs) - _MOST_NAMED} more" if len(programs) > _MOST_NAMED else ""
        yield f"runs {len(programs)} commands: {', '.join(programs[:_MOST_NAMED])}{more}"
    words = [PurePosixPath(word).name for argv in argvs for word in argv]
    loader = next(filter(_LOADERS.__contains__, words), "")
    runner = next(filter(_RUNNERS.fullmatch, words), "")
    if loader and runner:
        yield f"may run what it downloads: {loader} and {runner}"
    for argv in argvs:
        if argv and hides_commands(argv) and len(argv) > 1:
            yield f"runs what its arguments say: {_cut(' '.join(argv))}"


def _rough_words(text: str, command: Node) -> list[str]:
    """Return the words of a command as they are written, without the quotes around them."""
    nodes = (child for child in command.children if child.type not in _SAID or "expansion" in child.type)
    return [text[node.start_byte : node.end_byte].strip("'\"") for node in nodes]


def _said(text: str, node: Node) -> str:
    return _SAID[node.type].format(_cut(text[node.start_byte : node.end_byte]))


def _cut(written: str) -> str:
    line = visible(written.strip(), one_line=True)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _below(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)
