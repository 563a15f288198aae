"""The tools by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from conductor.errors import UsageError
from conductor.tools.base import Tool


def builtin_tools() -> Mapping[str, Tool]:
    """Return every tool that comes with Conductor, by name."""
    from conductor.tools import files, shell

    tools = (
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


def choose(names: Iterable[str]) -> dict[str, Tool]:
    """Return the named tools; read_output comes with run_shell. Raises `UsageError` for an unknown name."""
    known, chosen = builtin_tools(), list(dict.fromkeys(names))
    if unknown := [name for name in chosen if name not in known]:
        raise UsageError(f"unknown tool {', '.join(unknown)}", hint=f"Known tools: {', '.join(known)}.")
    if "run_shell" in chosen and "read_output" not in chosen:
        chosen.append("read_output")
    return {name: known[name] for name in chosen}
