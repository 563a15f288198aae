"""What views are made of: the options, the outline of a file, and what a view says about itself.

Named tuples, not dataclasses: they load in a tenth of the time (one view is one start) and are made five times faster.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ViewKind = Literal["raw", "curated", "skeleton"]
Docs = Literal["none", "first", "full"]
NodeKind = Literal["function", "class", "clause", "import", "constant", "field", "comment", "remark"]


class View(NamedTuple):
    """A file as it is shown. `kind` is what it became, `notice` what the reader has to know ("" when it is exact)."""

    text: str
    kind: ViewKind
    notice: str = ""


class Options(NamedTuple):
    """What a skeleton shows beyond signatures, and in which form."""

    compact: bool = False
    imports: bool = False
    constants: bool = False
    fields: bool = False
    docs: Docs = "none"
    lines: bool = False


class Part(NamedTuple):
    """Which part of a file a view is of, or what it keeps whole. At most one of symbol, focus and budget is obeyed."""

    symbol: str = ""  # this definition in full, nothing else
    focus: str = ""  # this definition in full, and the signatures of what it calls
    budget: int = 0  # a skeleton of at most so many tokens
    hot: tuple[str, ...] = ()  # curated: these definitions stay whole
    changed: tuple[range, ...] | None = None  # curated: functions on these lines stay whole


class Node(NamedTuple):
    """One entry of an outline: a definition, a clause that holds definitions, or a statement.

    `header` is source text, one string a decorator and one for the signature, up to and with the colon; a statement has
    its text there. Offsets count bytes of the source: `body` is just behind the colon, `end` just behind the last byte.
    `doc` is the range of the docstring, (0, 0) without one. Only definitions have lines, 1-based. `cut` says that it
    lost all it holds.
    """

    kind: NodeKind
    name: str
    header: tuple[str, ...]
    start: int
    body: int
    end: int
    first_line: int = 0
    last_line: int = 0
    doc: tuple[int, int] = (0, 0)
    children: tuple[Node, ...] = ()
    cut: bool = False


class Outline(NamedTuple):
    """A file's definitions. `notice` is empty when the outline is exactly what the language's own parser would see."""

    source: bytes
    nodes: tuple[Node, ...]
    doc: tuple[int, int] = (0, 0)
    notice: str = ""
    hot: tuple[int, ...] = ()  # where `# [HOT]` comments and `@core_logic` decorators stand


class Language(NamedTuple):
    """The table of one language: how its grammar names things, and what stands in for a body.

    A clause is a statement that can hold definitions (`if`, `try`); `branches` are the parts behind its first block.
    """

    name: str
    suffixes: tuple[str, ...]
    grammar: str
    functions: frozenset[str]
    classes: frozenset[str]
    wrapper: str
    decorator: str
    clauses: frozenset[str]
    branches: frozenset[str]
    block: str
    imports: frozenset[str]
    constants: frozenset[str]
    statement: str
    strings: frozenset[str]
    body: str
    hidden: str
