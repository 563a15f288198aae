"""The tools by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from conductor.errors import UsageError
from conductor.tools.base import Tool


def builtin_tools() -> Mapping[str, Tool]:
    """Return every tool that comes with Conductor, by name."""
    from conductor.tools import files, shell

    tools: tuple[Tool, ...] = (
        files.read_file,
        files.list_files,
        files.search,
        files.write_file,
        files.edit_file,
        files.delete_file,
        shell.run_shell,
        shell.read_output,
    )
    return {tool.name: tool for tool in tools}


def _no_servers(names: Sequence[str]) -> Mapping[str, Tool]:
    del names
    return {}


def choose(
    names: Iterable[str], of_servers: Callable[[Sequence[str]], Mapping[str, Tool]] = _no_servers
) -> dict[str, Tool]:
    """Return the named tools; `of_servers` gives those that names beginning with "mcp:" stand for.

    read_output comes with what it reads the output of. Raises `UsageError` for an unknown name.
    """
    asked, known = list(dict.fromkeys(names)), builtin_tools()
    chosen = [name for name in asked if not name.startswith("mcp:")]
    served = [name for name in asked if name.startswith("mcp:")]
    if unknown := [name for name in chosen if name not in known]:
        raise UsageError(f"unknown tool {', '.join(unknown)}", hint=f"Known tools: {', '.join(known)}.")
    if ("run_shell" in chosen or served) and "read_output" not in chosen:
        chosen.append("read_output")
    return {name: known[name] for name in chosen} | dict(of_servers(served) if served else {})
