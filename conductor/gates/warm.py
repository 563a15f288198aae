"""pyright kept running: after the first check, what an edit means is known in a fraction of the time."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from conductor.gates.base import Finding, Gate, GateResult
from conductor.gates.language_server import LanguageServer, ServerLost
from conductor.gates.pyright import PyrightReader
from conductor.gates.surface import surface
from conductor.sandbox.base import Sandbox

_PATIENCE_S = 60.0
_ANALYSIS = {"diagnosticMode": "workspace", "autoSearchPaths": True, "useLibraryCodeForTypes": True}
_SETTINGS = {"python": {"analysis": {**_ANALYSIS, "logLevel": "Information"}}}
_PULL, _CHANGED, _KEPT = "textDocument/diagnostic", 2, ("message", "range")
_PLAIN = frozenset({"--outputjson", "."})
_SUFFIXES = (".py", ".pyi")
_OF_SETTINGS = (".toml", ".json")
_OPERATORS = re.compile(r"[|&;<>()`\n$*?\[{~]")

Contents = Mapping[str, bytes]
"""The digest of each file by its path."""


class WarmPyright:
    """pyright's language server for one project, as long as it says what the plain command says.

    At the first check both are asked, and after each change of settings: of those that it cannot read the server says
    nothing. Where they differ, and where the server cannot be started, ends or hangs, the plain command is the way for
    the rest of the run.

    An edit that other modules cannot notice (see `surface`) has only the edited files asked about.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._server: LanguageServer | None = None
        self._held = ExitStack()  # what was made to hold it
        self._known: Contents = {}  # what the server has
        self._texts: dict[str, bytes] = {}  # of the files that it checks
        self._stale: set[str] = set()  # those of which it may say something else by now
        self._uris: dict[str, str] = {}  # the files that it checks, by path
        self._found: dict[str, tuple[str, list[Any]]] = {}  # what it said of each last, and by which number
        self._agrees = False
        self.given_up = ""  # why

    def check(
        self, gate: Gate, command: str, files: Contents, sandbox: Sandbox, plain: Callable[[], GateResult]
    ) -> GateResult:
        """Return what pyright says of the project, whose `files` are these; `plain` runs the command itself."""
        server, paths = server_of(command), [str(self._root / name) for name in _paths(command)]
        if not server or self.given_up:
            return plain()
        began = time.monotonic()
        try:
            self._catch_up(server, files, sandbox)
            asked = self._pull(paths or list(self._uris))
        except (ServerLost, OSError) as error:
            return self._give_up(str(error), plain)
        result = None if self._agrees else plain()
        patience = min(gate.timeout_s, _PATIENCE_S)
        try:
            self._hear(asked, time.monotonic() + patience)
            errors = self._errors(paths or list(self._uris))
            warm = self._result(command, errors, began, sandbox.policy.secrets.hide_bytes)
        except (ServerLost, OSError) as error:
            return result or self._give_up(str(error), plain)
        if result is None or result.broken:
            return result or warm
        self._agrees = _same(warm, result)
        if not self._agrees:
            self.close("it does not say what the command says")
        return result

    def close(self, why: str = "closed") -> None:
        """End the server; from now on the plain command is asked."""
        self.given_up = why
        self._end()

    def _give_up(self, why: str, plain: Callable[[], GateResult]) -> GateResult:
        self.close(why)
        return plain()

    def _end(self) -> None:
        if self._server:
            self._server.close()
        self._server = None
        self._held.close()

    def _catch_up(self, command: str, files: Contents, sandbox: Sandbox) -> None:
        """Let the server know what changed; where that is more than the text of files, it begins anew."""
        touched = {path for path, digest in files.items() if self._known.get(path) != digest}
        if not self._server or self._known.keys() != files.keys() or any(map(_leads_elsewhere, touched)):
            gone = self._known.keys() - files.keys()
            self._agrees = self._agrees and not any(path.endswith(_OF_SETTINGS) for path in touched | gone)
            self._end()
            self._server = LanguageServer(sandbox.serve(command, cwd=self._root, until=self._held), _SETTINGS)
            uris = self._server.start(self._root, time.monotonic() + _PATIENCE_S)
            self._uris = {unquote(urlsplit(uri).path): uri for uri in uris}
            self._found, self._stale = {}, set(self._uris)
            self._texts = {path: text for path in self._uris if (text := _text(path, files))}
        elif edited := [path for path in touched if path.endswith(_SUFFIXES)]:
            told = [{"uri": Path(path).as_uri(), "type": _CHANGED} for path in edited]
            self._server.tell("workspace/didChangeWatchedFiles", {"changes": told})
            noticed = [path for path in edited if self._is_noticed(path, files)]
            self._stale |= self._uris.keys() if noticed else set(edited)
        self._known = dict(files)

    def _is_noticed(self, path: str, files: Contents) -> bool:
        """Say whether other modules may notice the edit of a file, and keep what it holds now."""
        before, now = self._texts.pop(path, b""), _text(path, files)
        if path in self._uris and now:
            self._texts[path] = now
        seen = surface(before) if before else ""
        return not seen or seen != surface(now)

    def _pull(self, paths: Sequence[str]) -> dict[int, str]:
        """Ask what is wrong with those of the files of which it is not known; the server finds it out then."""
        assert self._server
        if not self._uris.keys() >= set(paths):
            raise ServerLost("its settings leave out a file")
        asked = {self._server.ask(_PULL, self._question(path)): path for path in paths if path in self._stale}
        self._server.push()
        return asked

    def _question(self, path: str) -> dict[str, Any]:
        said = self._found.get(path)
        before = {"previousResultId": said[0]} if said and said[0] else {}
        return {"textDocument": {"uri": self._uris[path]}, **before}

    def _hear(self, asked: Mapping[int, str], deadline: float) -> None:
        assert self._server
        for number, answer in self._server.answers(list(asked), deadline).items():
            if answer["kind"] == "full":
                self._found[asked[number]] = str(answer.get("resultId") or ""), answer["items"]
            self._stale.discard(asked[number])

    def _errors(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """Return what is known of files as `pyright --outputjson` lists it."""
        return [
            {"file": path, "severity": "error", "rule": item.get("code") or "", **{k: item[k] for k in _KEPT}}
            for path in paths
            for item in self._found[path][1]
            if item.get("severity", 1) == 1
        ]

    def _result(
        self, command: str, errors: Sequence[Mapping[str, Any]], began: float, hide: Callable[[bytes], bytes]
    ) -> GateResult:
        said = {"generalDiagnostics": errors, "summary": {"errorCount": len(errors)}}
        stdout = hide(json.dumps(said, indent=1).encode() + b"\n")
        return GateResult(
            command=command,
            exit_code=1 if errors else 0,
            stdout=stdout,
            stderr=b"checked by the language server that is kept running\n",
            duration_s=time.monotonic() - began,
            reading=PyrightReader().read(stdout, b"", self._root),
        )


def server_of(command: str) -> str:
    """Return the command that starts the server of a plain pyright command, "" where options would be lost."""
    if _OPERATORS.search(command):
        return ""
    words = shlex.split(command)
    module = len(words) > 2 and words[1:3] == ["-m", "pyright"]
    rest = words[3:] if module else words[1:]
    if any(word not in _PLAIN and not _is_file(word) for word in rest):
        return ""
    program = shlex.join([words[0], "-m", "pyright.langserver"]) if module else shlex.quote(f"{words[0]}-langserver")
    return f"exec {program} --stdio 2>/dev/null"


def _paths(command: str) -> list[str]:
    return [] if _OPERATORS.search(command) else [word for word in shlex.split(command) if _is_file(word)]


def _text(path: str, files: Contents) -> bytes:
    """Return what a file holds, b"" where it is not what it was when it was digested: then nothing is known of it."""
    content = Path(path).read_bytes()
    return content if hashlib.sha256(content).digest() == files.get(path) else b""


def _leads_elsewhere(path: str) -> bool:
    """Say whether what a file holds (or a folder of packages) decides where modules are found, or how they are read."""
    return path.endswith((*_OF_SETTINGS, ".cfg", ".pth", ".typed", "site-packages"))


def _is_file(word: str) -> bool:
    return word.endswith(_SUFFIXES) and not word.startswith("-")


def _same(warm: GateResult, plain: GateResult) -> bool:
    """Say whether both found the same."""
    if warm.reading is None or plain.reading is None:
        return False
    return sorted(map(_place, warm.reading.findings)) == sorted(map(_place, plain.reading.findings))


def _place(finding: Finding) -> tuple[str, str, int, str]:
    return finding.rule, finding.path, finding.line, finding.message
