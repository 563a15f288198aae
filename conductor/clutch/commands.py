"""A command line read with certainty, or not at all. The only module that loads tree-sitter-bash.

What is accepted is one simple command whose words mean the same to any shell: no expansion, no redirection, no
assignment, nothing that a second reader (`shlex`) takes for anything else. Everything else is `Unclear`, and whoever
judges commands must then ask a human. Words are not looked into: what `bash -c "..."` would run stays one word.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

MAX_COMMAND = 4_096
# Characters that mean themselves outside of quotes, at any place in a word. A tilde does after a letter or digit.
_PLAIN = re.compile(r"(?:[A-Za-z0-9_@%+,./:^=-]|(?<=[A-Za-z0-9])~)+")
_BEYOND_ASCII = re.compile(r"[^\x01-\x7e]")
_QUOTED = re.compile(r"[^$`\\!\"]*")
_WHAT = {
    "list": "it chains commands",
    ";": "it chains commands",
    "&": "it goes on in the background",
    "pipeline": "it is a pipeline",
    "redirected_statement": "it redirects",
    "variable_assignment": "it sets a variable",
    "variable_assignments": "it sets a variable",
    "function_definition": "it defines a function",
    "subshell": "it starts a subshell",
    "compound_statement": "it groups commands",
    "negated_command": "it negates a command",
    "file_redirect": "it redirects",
    "herestring_redirect": "it redirects",
    "heredoc_redirect": "it redirects",
    "simple_expansion": "it expands a variable",
    "expansion": "it expands a variable",
    "command_substitution": "it runs a command inside a command",
    "process_substitution": "it runs a command inside a command",
    "arithmetic_expansion": "it calculates",
    "brace_expression": "it expands braces",
    "ansi_c_string": "it writes characters in another form",
    "translated_string": "it writes characters in another form",
    "comment": "it has a comment",
}


class Unclear(Exception):
    """The text cannot be read as one plain command; the message says why, in words that follow "because"."""


def read_command(text: str) -> tuple[str, ...]:
    """Return the argument list of `text`. Raises `Unclear` where any shell might see anything else in it."""
    if len(text) > MAX_COMMAND:
        raise Unclear(f"it is longer than {MAX_COMMAND} characters")
    if not (text.isascii() and text.isprintable()):
        raise Unclear("it has characters other than printable ASCII, or several lines")
    root = syntax_of(text)
    if root.has_error or not root.children:
        raise Unclear("it is not a command that can be read")
    command = root.children[0]
    if command.type != "command" or len(root.children) > 1:
        raise Unclear(_why(root))
    words = _words(text, command)
    if shlex.split(text) != words or not words[0]:
        raise Unclear("two ways to read it differ")
    return tuple(words)


def syntax_of(text: str) -> Node:
    """Return the syntax tree of a command line, which may have errors; its offsets count characters of `text`.

    Characters beyond ASCII are read as letters: tree-sitter-bash 0.25 crashes on some, `{` before U+C6B23 for one.
    """
    return _parser().parse(_BEYOND_ASCII.sub("x", text).encode()).root_node


def _words(text: str, command: Node) -> list[str]:
    """Return the literal words of `command`, between which there is nothing but blanks."""
    words: list[str] = []
    at = 0
    for child in command.children:
        node = child.children[0] if child.type == "command_name" and child.child_count else child
        if text[at : child.start_byte].strip(" "):
            raise Unclear("it has something between its words")
        words.append(_literal(text[node.start_byte : node.end_byte], node))
        at = child.end_byte
    if text[at:].strip(" "):
        raise Unclear("it has something after its words")
    return words


def _literal(written: str, node: Node) -> str:
    """Return what the word means. Raises `Unclear` where that takes more than leaving out its quotes."""
    match node.type:
        case "word" | "number" if _PLAIN.fullmatch(written):
            return written
        case "raw_string":
            return written[1:-1]
        case "string" if _QUOTED.fullmatch(written[1:-1]):
            return written[1:-1]
        case "concatenation":
            parts = [written[c.start_byte - node.start_byte : c.end_byte - node.start_byte] for c in node.children]
            if "".join(parts) != written:
                raise Unclear("it has a word that cannot be read")
            return "".join(_literal(part, child) for part, child in zip(parts, node.children, strict=True))
        case _:
            raise Unclear(_why(node))


def _why(node: Node) -> str:
    """Return what stands first, in or below `node`, that a plain command does not have."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if found.type in _WHAT:
            return _WHAT[found.type]
        waiting += reversed(found.children)
    return "it has more than plain words"


def _parser() -> Parser:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
