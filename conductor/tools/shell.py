"""Commands, and the slices of their output that a worker asks for."""

from __future__ import annotations

import errno
from typing import Annotated

from msgspec import Meta

from conductor.errors import ConductorError, NeedsHuman, Refused
from conductor.messages import Effect, ToolResult
from conductor.shell import DEFAULT_TIMEOUT_S
from conductor.tools.base import Action, tool
from conductor.tools.text import split_lines
from conductor.tools.workspace import Workspace

HEAD_CHARACTERS = 4_000
TAIL_CHARACTERS = 2_000
SLICE_CHARACTERS = 8_000


@tool(Effect.UNSAFE)
def run_shell(
    workspace: Workspace,
    command: str,
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = DEFAULT_TIMEOUT_S,
) -> Action:
    """Run a shell command in the project folder. Standard input is closed; background processes end with it.

    As a rule it runs in a sandbox: no network, and only the project and temporary files can be written.
    """
    if not command.strip() or "\0" in command:
        raise Refused("run_shell: the command is empty or holds a null byte")

    def run() -> ToolResult:
        try:
            result = workspace.sandbox.run(command, cwd=workspace.root, timeout_s=timeout_s)
        except OSError as error:
            raise _cannot_start(error) from None
        state = f"ended: {result.ended_by}" if result.ended_by else f"exit code {result.exit_code}"
        shown = _excerpt(result.stdout, result.stderr) if result.exit_code == 0 else ""
        if result.undone:
            state += f"\nput back, commands may not change it: {', '.join(result.undone)}"
        return ToolResult(
            f"{state}\n{shown}".rstrip(),
            ok=result.exit_code == 0,
            exit_code=result.status,
            stdout=result.stdout,
            stderr=result.stderr,
            cpu_s=result.cpu_s,
            peak_bytes=result.peak_bytes,
            kept_back=max(0, len(result.stdout) + len(result.stderr) - len(shown)),
        )

    held = workspace.sandbox
    title = f"run a command {held.terms}"
    return Action("command", title, command, run, inside=False, sandbox=held.terms, notices=held.warnings)


@tool(Effect.READ)
def read_output(
    workspace: Workspace,
    call_id: str,
    start_line: Annotated[int, Meta(ge=1)] = 1,
    end_line: Annotated[int, Meta(ge=1)] | None = None,
) -> Action:
    """Read lines of the output of an earlier command that was kept back: standard output, then standard error."""
    output = workspace.output_of(call_id)
    last = end_line or start_line + 99

    def run() -> ToolResult:
        lines = split_lines(_text(output.stdout)) + split_lines(_text(output.stderr))
        chosen = lines[start_line - 1 : last]
        if not chosen:
            return ToolResult(f"[no lines here: the output has {len(lines)}]")
        text = "\n".join(chosen)
        if len(text) > SLICE_CHARACTERS:
            text = f"{text[:SLICE_CHARACTERS]}\n[cut here: ask for fewer lines]"
        return ToolResult(f"[lines {start_line} to {start_line - 1 + len(chosen)} of {len(lines)}]\n{text}")

    return Action("text", f"read output of {call_id}", f"lines {start_line} to {last} of the output of {call_id}", run)


def _cannot_start(error: OSError) -> ConductorError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NeedsHuman("no space left for the output of a command", hint="Make room and run again.")
    return Refused(f"run_shell: the command cannot be started: {error.strerror}")


def _excerpt(stdout: bytes, stderr: bytes) -> str:
    """Return the beginning and the end of what a successful command printed, with what was left out counted."""
    text = "\n".join(part.rstrip("\n") for part in (_text(stdout), _text(stderr)) if part)
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    left_out = text[HEAD_CHARACTERS:-TAIL_CHARACTERS].count("\n") + 1
    return f"{text[:HEAD_CHARACTERS]}\n[{left_out} lines left out: read_output has them]\n{text[-TAIL_CHARACTERS:]}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
