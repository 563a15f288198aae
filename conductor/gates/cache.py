"""The gates of one project: what they say, kept by content, and what they can mend."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from msgspec.structs import replace

from conductor.gates.base import Gate, GateResult, run_gate
from conductor.gates.registry import checker_of, reader_of
from conductor.gates.tree import TreeDigest
from conductor.gates.warm import WarmPyright
from conductor.sandbox.base import Sandbox

_MENDING_S = 60.0


class GateCache:
    """Runs gates in one project and keeps what they said of which files."""

    def __init__(self, root: Path, *, warm: bool = False) -> None:
        """With `warm` checkers that can are kept running; then `close` has to be called at the end."""
        self._root = root
        self._pyright = WarmPyright(root) if warm else None
        self._tree = TreeDigest(root)
        self._reader_of = cache(reader_of)  # readers keep what they have read
        self._answers: dict[tuple[str, str, str], GateResult] = {}

    def ask(self, gate: Gate, command: str, sandbox: Sandbox) -> tuple[GateResult, bool]:
        """Return what the gate says, and whether that was known already.

        Not kept are answers of a command that ran out of time or that changed files, and of a gate that nothing reads:
        what such a command looks at may lie outside of the project.
        """
        if not gate.parser:
            return run_gate(gate, command, self._root, sandbox, self._reader_of), False
        files = self._tree.now()
        key = (command, sandbox.terms, files)
        if key in self._answers:
            return replace(self._answers[key], duration_s=0.0, cpu_s=0.0, peak_bytes=0), True
        result = self._run(gate, command, sandbox)
        if result.reading is not None and self._tree.now() == files:
            self._answers[key] = result
        return result, False

    def close(self) -> None:
        """End what is kept running."""
        if self._pyright:
            self._pyright.close()

    def _run(self, gate: Gate, command: str, sandbox: Sandbox) -> GateResult:
        plain = partial(run_gate, gate, command, self._root, sandbox, self._reader_of)
        if self._pyright and gate.parser == "pyright" and not gate.required:
            return self._pyright.check(gate, command, self._tree.files(), sandbox, plain)
        return plain()

    def mended(self, command: str, path: str, sandbox: Sandbox) -> bytes | None:
        """Return the file with all mended in it that the command's checker safely can; None where it cannot say.

        No file is changed.
        """
        reader = self._reader_of(checker_of(command))
        mending = reader.mending(command, path) if reader else ""
        if not mending:
            return None
        result = sandbox.run(mending, cwd=self._root, timeout_s=_MENDING_S)
        return result.stdout if result.exit_code == 0 else None
