"""A map of a repository: the definitions the rest of it leans on, within a number of tokens.

Files are ranked by personalised PageRank (Page et al., 1999) over who names what is defined where; each file's rank
then flows to the definitions it names.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from conductor.views.base import Language, Node, Options, Outline, View
from conductor.views.braced import draw_braced
from conductor.views.decode import decode_source, read_source
from conductor.views.digest import SourceFile, digest, is_telling, undigest
from conductor.views.many import kept_below
from conductor.views.parser import ASTParser
from conductor.views.python import PYTHON
from conductor.views.registry import braced_language_of, language_of
from conductor.views.render import render_skeleton
from conductor.views.select import definitions, only, require
from conductor.views.tokens import Counter as TokenCounter
from conductor.views.tokens import token_counter

_ASIDE = re.compile(  # tests, examples, and what others wrote
    r"(^|/)(tests?|__tests__|testing|conftest\.py|test_[^/]*|[^/]*_test\.\w+|[^/]*\.(test|spec)\.\w+"
    r"|docs?|examples?|benchmarks?|_?vendor(ed)?|third_party|extern)(/|$)"
)
_REPEATED = re.compile(r"@(\w+\.)?overload\b|\.(setter|deleter)$", re.MULTILINE)  # of a name that is shown anyway
_EXPORTED = 0.3  # of its file's rank, for a name that the package offers to everyone
_INHERITED = 0.06  # of what a class earned, for each of its public methods
_SHORT = 40  # characters; a header so short is hardly worth more for being shorter
_KEPT = 20.0  # how much of its rank a file keeps to itself, in references: one that names little leans on little
_DAMPING = 0.85
_ROUNDS = 25
_FOCUSED, _NAMED = 100.0, 10.0  # how much more a focused file, and a name it uses, weighs
_COMMON = 5  # a name defined in more files than this tells little about any of them

_Edges = dict[str, dict[tuple[str, str], float]]


def map_of(folder: Path, paths: Sequence[str], budget: int, focus: str = "") -> View:
    """Return the map of the files `paths` below `folder` in at most `budget` tokens.

    `focus` is FILE or FILE::NAME (FILE below `folder`): what it names matters more. Raises `Refused` when there is no
    such definition, `OSError` when FILE cannot be read. Files that cannot be read are left out; the notice says so.
    """
    known = set(paths)
    wanted = [path for path in paths if not (path.endswith(".pyi") and path[:-1] in known)]  # the same names once more
    found = list(kept_below(folder, wanted, "raw", "digest", _digest))
    files = [undigest(Path(one.path).relative_to(folder).as_posix(), one.view.text) for one in found if one.view]
    count, tokenizer = token_counter()
    drawn = repository_map(files, PYTHON, budget, count, _weights(folder, focus, files))
    notices = [f"{drawn.shown} of {drawn.total} definitions in {budget} tokens ({tokenizer})"]
    unread = len(found) - len(files)
    notices += [f"{unread} file{'s' if unread > 1 else ''} could not be read"] if unread else []
    return View(drawn.text, "skeleton", "; ".join(notices))


def _digest(path: str, source: bytes) -> View:

    return View(digest(path, source, None if language_of(path) else braced_language_of(path)), "raw")


def _weights(folder: Path, focus: str, files: Sequence[SourceFile]) -> dict[str, float]:
    """Return what a focus makes more important: its file, and the names in it."""
    if not focus:
        return {}
    path, _, symbol = focus.partition("::")
    part, _ = decode_source(read_source(f"{folder / path}"))
    shown = Path(path).as_posix()
    if symbol and language_of(path):
        part = ASTParser().get_symbol(part, symbol)
    elif symbol:
        require([node for file in files if file.path == shown for node in file.nodes], symbol)
    return {name: _NAMED for name in re.findall(r"[^\W\d]\w+", part)} | {shown: _FOCUSED}


class RepositoryMap(Struct, frozen=True):
    """A map as text, and how many of all definitions it shows."""

    text: str
    shown: int
    total: int


def repository_map(
    files: Sequence[SourceFile], language: Language, budget: int, count: TokenCounter, focus: Mapping[str, float]
) -> RepositoryMap:
    """Return the map of `files` in at most `budget` tokens.

    `focus` gives paths and names that matter more than the rest, with their weight.
    """
    ranked = _ranked(files, focus)
    total = len(ranked)

    def drawn(keep: int) -> str:
        return _draw(files, language, ranked[:keep])

    low, high = 0, min(total, budget // 4) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(drawn(middle)) <= budget else (low, middle)
    return RepositoryMap(drawn(low), low, total)


def _draw(files: Sequence[SourceFile], language: Language, chosen: Sequence[tuple[str, Node]]) -> str:
    """Return the chosen definitions as skeletons, the file with the best of them first."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for path, node in chosen:
        wanted[path].add(id(node))
    nodes = {file.path: file.nodes for file in files}
    pieces: list[str] = []
    for path, ids in wanted.items():
        shown = tuple(only(nodes[path], ids))
        if path.endswith(language.suffixes):
            text = render_skeleton(Outline(b"", shown), language, Options(compact=True))
        else:
            text = draw_braced(shown)
        pieces.append(f"# {path}\n{text}")
    return "".join(pieces)


def _ranked(files: Sequence[SourceFile], focus: Mapping[str, float]) -> list[tuple[str, Node]]:
    """Return every definition of `files` but special methods, the most leaned on first; ties in file order."""
    defined: dict[str, set[str]] = defaultdict(set)
    entries: list[tuple[str, str, Node]] = []
    for file in files:
        for dotted, node in definitions(file.nodes):
            if not (_REPEATED.search("\n".join(node.header[:-1])) or _is_special(node)):
                defined[node.name].add(file.path)
                entries.append((file.path, dotted, node))
    defined.pop("__init__", None)  # which names no class
    edges = _edges(files, defined, focus)
    rank = _page_rank([file.path for file in files], edges, focus)
    score: dict[tuple[str, str], float] = defaultdict(float)
    for source, targets in edges.items():
        out = sum(targets.values()) + _KEPT
        for (path, name), weight in targets.items():
            score[path, name] += rank[source] * weight / out
    worth = _worth(
        entries, rank, score, {name for file in files if not _ASIDE.search(file.path) for name in file.offered}
    )
    ordered = sorted(entries, key=lambda entry: -worth[id(entry[2])] * focus.get(entry[0], 1.0))
    return [(path, node) for path, _, node in ordered]


def _worth(
    entries: Sequence[tuple[str, str, Node]],
    rank: Mapping[str, float],
    score: Mapping[tuple[str, str], float],
    offered: Collection[str],
) -> dict[int, float]:
    """Return what showing each definition is worth, by the `id` of its node: what it earned, for its length."""
    # Several definitions of one name in one file (methods of many classes) share what the name earned.
    shares = Counter((path, node.name) for path, _, node in entries)
    members = Counter((path, dotted.rpartition(".")[0]) for path, dotted, _ in entries)
    earned: dict[tuple[str, str], float] = {}
    worth: dict[int, float] = {}
    for path, dotted, node in entries:
        owner = path, dotted.rpartition(".")[0]
        own = score[path, node.name] + rank[path] * (_EXPORTED if dotted in offered else 1e-3)
        own *= (0.1 if _ASIDE.search(path) else 1.0) / shares[path, node.name]
        if owner in earned:
            own += earned[owner] * _INHERITED / math.sqrt(members[owner])
        own *= 0.1 if node.name.startswith("_") and node.name != "__init__" else 1.0
        earned[path, dotted] = own
        worth[id(node)] = own / math.sqrt(_SHORT + sum(map(len, node.header)))
    return worth


def _is_special(node: Node) -> bool:
    return node.name.startswith("__") and node.name != "__init__"


def _edges(files: Sequence[SourceFile], defined: Mapping[str, set[str]], focus: Mapping[str, float]) -> _Edges:
    """Return for each file which definitions of other files it names, weighted by how often and how telling."""
    edges: _Edges = defaultdict(dict)
    for file in files:
        for dotted, times in file.names.items():
            owner, _, name = dotted.rpartition(".")
            homes = {home for home in defined.get(name, ()) if not owner or PurePosixPath(home).stem == owner}
            if not _ASIDE.search(file.path):  # the product leans on nothing of that
                homes = {home for home in homes if not _ASIDE.search(home)}
            if not homes or file.path in homes:
                continue
            weight = math.sqrt(times) * _telling(name, len(homes)) * focus.get(name, 1.0)
            for home in homes:
                old = edges[file.path].get((home, name), 0.0)
                edges[file.path][home, name] = old + weight / len(homes)
    return edges


def _telling(name: str, homes: int) -> float:
    """Return how much naming `name` says: little for a private or common name, or one that is an everyday word."""
    weight = 0.1 if name.startswith("_") else 1.0
    weight *= 0.1 if homes > _COMMON else 1.0
    return weight if is_telling(name) else weight * 0.3


def _page_rank(paths: Sequence[str], edges: _Edges, focus: Mapping[str, float]) -> dict[str, float]:
    start = {path: focus.get(path, 1.0) * (0.1 if _ASIDE.search(path) else 1.0) for path in paths}
    whole = sum(start.values()) or 1.0
    start = {path: weight / whole for path, weight in start.items()}
    links: dict[str, list[tuple[str, float]]] = {}
    for source, targets in edges.items():
        out = sum(targets.values()) + _KEPT
        merged: dict[str, float] = defaultdict(float)
        for (path, _), weight in targets.items():
            merged[path] += weight / out
        links[source] = list(merged.items())
    rank = dict(start)
    kept = {path: 1 - sum(weight for _, weight in links.get(path, ())) for path in paths}
    for _ in range(_ROUNDS):
        loose = sum(rank[path] * kept[path] for path in paths)
        flowing = {path: (1 - _DAMPING + _DAMPING * loose) * start[path] for path in paths}
        for source, targets in links.items():
            share = _DAMPING * rank[source]
            for path, weight in targets:
                flowing[path] += share * weight
        rank = flowing
    return rank
