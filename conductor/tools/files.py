"""The file tools of a worker."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from conductor.errors import Refused
from conductor.messages import Effect, SeenLines, ToolResult, content_hash
from conductor.tools.base import Action, FileChange, tool
from conductor.tools.text import TextFile, split_lines, unified_diff
from conductor.tools.workspace import Found, Workspace

MAX_CHARACTERS = 60_000
MAX_ENTRIES = 400
MAX_PATTERN = 1_000
SEARCH_SECONDS = 5.0
_SECRET = "it holds a key or a password: approving sends that to the model, and the journal keeps it"

ProjectPath = Annotated[str, Meta(description="path relative to the project")]
Line = Annotated[int, Meta(ge=1)] | None


@tool(Effect.READ)
def read_file(
    workspace: Workspace,
    path: ProjectPath,
    view: Literal["raw", "curated", "skeleton"] = "raw",
    start_line: Line = None,
    end_line: Line = None,
) -> Action:
    """Read a file. view "skeleton" gives signatures only, "curated" the structure with docstrings, "raw" everything."""
    real = workspace.resolve(path)
    name, target = workspace.relative(real), workspace.target(real)
    span = f", lines {start_line or 1} to {end_line or 'the end'}" if start_line or end_line else ""

    def run() -> ToolResult:
        content = workspace.look_again(name, target).existing
        whole = TextFile.decode(content).text if view == "raw" else workspace.viewer(name, content, view)
        lines = split_lines(whole, keepends=True)
        first, text = start_line or 1, "".join(lines[(start_line or 1) - 1 : end_line])
        last = min(end_line or len(lines), len(lines))
        if len(text) > MAX_CHARACTERS:
            text = text[:MAX_CHARACTERS]
            last = first - 1 + len(split_lines(text))
            text += f"\n[cut in line {last} of {len(lines)}: ask for start_line and end_line]"
            last -= 1
        spans = ((first, last),) if first <= last else ()
        if view != "raw":
            spans = workspace.seen_in(name, content, text, view)
        kept_back = 0 if view == "raw" else max(0, len(content) - len(whole))
        seen = SeenLines(name, content_hash(content), spans)
        return ToolResult(text or "[no lines here]", kept_back=kept_back, seen=(seen,))

    content = workspace.read(real).decode("utf-8", "replace")
    secret = workspace.hide(content) != content
    text, notices = f"{view} view of {name}{span}", (_SECRET,) if secret else ()
    return Action("text", f"read {name}", text, run, path=name, target=target, notices=notices, must_ask=secret)


@tool(Effect.READ)
def list_files(
    workspace: Workspace,
    path: ProjectPath = ".",
    glob: Annotated[str, Meta(description='such as "*.py" or "src/**/*.py"')] = "*",
) -> Action:
    """List the files below a folder, in order, hidden and generated folders left out."""
    folder = _folder(workspace, path)
    target = workspace.target(folder)

    def run() -> ToolResult:
        workspace.expect(folder, target)
        names = _matching(workspace, folder, glob)
        more = f"\n[{len(names) - MAX_ENTRIES} more: narrow the glob]" if len(names) > MAX_ENTRIES else ""
        return ToolResult("\n".join(names[:MAX_ENTRIES]) + more if names else f"no file matches {glob} below {path}")

    return Action("text", f"list {path}", f"files below {path} that match {glob}", run, path=path, target=target)


@tool(Effect.READ)
def search(
    workspace: Workspace,
    pattern: Annotated[str, Meta(description="regular expression")],
    path: ProjectPath = ".",
    glob: str = "*",
) -> Action:
    """Search the lines of files by a regular expression; the answer is path:line: text."""
    start = workspace.resolve(path)
    if not start.is_dir():
        workspace.read(start)
    compiled = _compiled(pattern)
    target = workspace.target(start)

    def run() -> ToolResult:
        workspace.expect(start, target)
        deadline = time.monotonic() + SEARCH_SECONDS
        names = _matching(workspace, start, glob) if start.is_dir() else [workspace.relative(start)]
        found: list[str] = []
        try:
            for name in names:
                found += _hits(workspace, name, compiled, deadline)
                if len(found) > MAX_ENTRIES:
                    text = workspace.hide("\n".join(found[:MAX_ENTRIES]))
                    return ToolResult(f"{text}\n[more: narrow the pattern or the path]")
        except TimeoutError:
            note = f"[stopped after {SEARCH_SECONDS:g} s: use a simpler pattern or narrow the path]"
            return ToolResult(workspace.hide("\n".join([*found, note])), ok=False)
        text = workspace.hide("\n".join(found))  # a line that is to be changed is read first, and that is asked about
        return ToolResult(text or f"nothing matches {pattern!r} in {len(names)} files")

    text = f"lines that match {pattern!r} below {path}, files {glob}"
    return Action("text", f"search {pattern!r}", text, run, path=path, target=target)


@tool(Effect.IDEMPOTENT)
def write_file(workspace: Workspace, path: ProjectPath, content: str) -> Action:
    """Create a file or replace its whole content. Folders are made as needed."""
    found = workspace.look(workspace.resolve(path))
    before = found.content
    try:
        after = content.encode() if before is None else TextFile.decode(before).replaced(content)
    except UnicodeEncodeError:
        raise Refused("content holds a character that cannot be stored as UTF-8") from None
    if after == before:
        raise Refused(f"{found.name} holds exactly this already; nothing to write")
    return _change(workspace, found, after, "create" if before is None else "write")


@tool(Effect.IDEMPOTENT)
def edit_file(
    workspace: Workspace,
    path: ProjectPath,
    old_string: Annotated[str, Meta(description="text that stands in the file exactly once, with its indentation")],
    new_string: str,
    replace_all: bool = False,
) -> Action:
    """Replace a piece of a file. Prefer this to write_file for an existing file."""
    found = workspace.look(workspace.resolve(path))
    before, name = found.existing, found.name
    try:
        after = TextFile.decode(before).edited(old_string, new_string, everywhere=replace_all)
    except Refused as refusal:
        raise Refused(f"edit_file {name}: {refusal}") from None
    if after == before:
        raise Refused(f"edit_file {name}: old_string and new_string are the same")
    return _change(workspace, found, after, "edit")


@tool(Effect.IDEMPOTENT)
def delete_file(workspace: Workspace, path: ProjectPath) -> Action:
    """Delete one file."""
    return _change(workspace, workspace.look(workspace.resolve(path)), None, "delete")


def _change(workspace: Workspace, found: Found, after: bytes | None, verb: str) -> Action:
    name, before, target = found.name, found.content if after is not None else found.existing, found.target

    def run() -> ToolResult:
        workspace.replace(name, before, after, target)
        size = "" if after is None else f", {len(after.splitlines())} lines"
        return ToolResult(f"{_DONE[verb]} {name}{size}")

    text = _diff(name, before, after) or f"{verb} {name}"
    change = FileChange(name, before, after)
    notices = (_LINKED.format(found.links),) if found.links > 1 and after is not None else ()
    return Action("diff", f"{verb} {name}", text, run, path=name, change=change, target=target, notices=notices)


_LINKED = "this file has {} names (hard links); only this one gets the new content"
_DONE = {"create": "created", "write": "wrote", "edit": "edited", "delete": "deleted"}


def _diff(name: str, before: bytes | None, after: bytes | None) -> str:
    """Return the change as the file's own encoding reads it."""
    if before is None:
        return unified_diff(name, None, (after or b"").decode())
    try:
        old = TextFile.decode(before)
    except Refused:
        return f"delete {name}, a binary file of {len(before)} bytes"
    new = None if after is None else after.removeprefix(old.bom).decode(old.encoding)
    return unified_diff(name, old.text, new)


def _folder(workspace: Workspace, path: str) -> Path:
    folder = workspace.resolve(path)
    if not folder.is_dir():
        raise Refused(f"{path} is no folder of the project")
    return folder


def _matching(workspace: Workspace, folder: Path, glob: str) -> list[str]:
    pattern = [part for part in glob.split("/") if part not in ("", ".")]
    if len(pattern) == 1:
        pattern.insert(0, "**")  # as in .gitignore: a bare name means every folder
    inside = [(workspace.relative(path), path.relative_to(folder).parts) for path in workspace.walk(folder)]
    return [name for name, below in inside if _matches(below, pattern) or _matches(name.split("/"), pattern)]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match part by part, "**" standing for any number of folders; no pattern makes this slow."""
    reached = {0}
    for wanted in pattern:
        if wanted == "**":
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {n + 1 for n in reached if n < len(parts) and fnmatch.fnmatchcase(parts[n], wanted)}
        if not reached:
            return False
    return len(parts) in reached


def _compiled(pattern: str) -> Any:
    import regex

    if len(pattern) > MAX_PATTERN:
        raise Refused(f"search: the pattern is longer than {MAX_PATTERN} characters")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        raise Refused(f"search: {pattern!r} is no regular expression: {error}") from None


def _hits(workspace: Workspace, name: str, compiled: Any, deadline: float) -> list[str]:
    """Return the lines of a file that match. Raises TimeoutError at the deadline."""
    try:
        text = TextFile.decode(workspace.read(workspace.root / name)).text
    except Refused:
        return []
    found: list[str] = []
    for number, line in enumerate(split_lines(text), 1):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if compiled.search(line, timeout=left):
            found.append(f"{name}:{number}: {line[:300]}")
    return found
