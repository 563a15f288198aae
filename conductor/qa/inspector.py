"""Tier 4: asks the cheap model for a hint, checks what it says, and falls back to the built-in analyser."""

from __future__ import annotations

import os
import queue
import re
import threading

from msgspec import Struct
from msgspec.structs import replace

from conductor.errors import ModelError
from conductor.llm.base import Model
from conductor.messages import Completion, Message
from conductor.qa.base import MAX_WORDS, FailedRun, Hint, limit_words
from conductor.qa.output import Output, is_source_file
from conductor.qa.redact import redact
from conductor.visible import is_suspect

_FILE = re.compile(r"(?:[\w.@+-]*/)*[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,9}\b(?!\()")
_PLACE_IN_EXTRA = re.compile(r"(?:from|by) (\S+:\d+)")
_DRESSING = re.compile(r"^(?:```\w*|(?:Example )?(?:Hint|Answer|Draft)\s*(?::|$))\s*|\s*```$", re.IGNORECASE)
_QUOTES = "\"'`"
_WALK_LIMIT = 20_000
_MOST_SLOW = 2
_SKIPPED = ("node_modules", "__pycache__", "target", "site-packages")


class _Unusable(Exception):
    """The model gave no answer that may be used; the message says why."""

    def __init__(self, why: str, answer: Completion | None = None) -> None:
        super().__init__(why)
        self.answer = answer


class _Outcome(Struct, frozen=True):
    completion: Completion | None = None
    error: str = ""
    sent: int = 0  # requests, none of which was answered


class Inspector:
    """Makes hints of failed runs. Without a model every hint comes from the built-in analyser.

    So do all after a model was too slow twice in a row: who waits for it would only wait.
    """

    def __init__(self, model: Model | None, *, timeout_s: float = 10.0) -> None:
        self._model = model
        self._timeout_s = timeout_s
        self._slow = 0  # answers in a row

    def hint(self, run: FailedRun) -> Hint:
        """Return a hint for `run`. Never raises, and waits for the model no longer than the time limit."""
        # The readers of all those tools take 20 ms to load, which no run should wait for before something fails.
        from conductor.qa.analyser import find, read, word
        from conductor.qa.excerpt import build_messages, find_exit, find_in_target, find_snippet

        output = read(run)
        finding = find(output)
        builtin = word(finding)
        if self._model is None:
            return Hint(builtin, "builtin", note="no model")
        if self._slow >= _MOST_SLOW:
            return Hint(builtin, "builtin", note=f"not asked: slow {_MOST_SLOW} times in a row")
        if not run.snippet:
            places = [finding.place, *(place for extra in finding.extras for place in _PLACE_IN_EXTRA.findall(extra))]
            exits = find_exit(run.cwd, output.command_files(), run.exit_code)
            in_target = find_in_target(run.cwd, run.target, output.lines, finding.message)
            run = replace(run, snippet=find_snippet(run.cwd, [*places, *in_target, *exits]))
        try:
            completion = self._ask(self._model, build_messages(run, output, finding, builtin))
            return Hint(_checked(completion, run, output), "model", completion)
        except _Unusable as unusable:
            return Hint(builtin, "builtin", unusable.answer, str(unusable))

    def _ask(self, model: Model, messages: list[Message]) -> Completion:
        """Return the model's answer; raises _Unusable when it fails or takes longer than the limit.

        After the limit the thread is left alone. It is a daemon: the end of the process does not wait for it either.
        """
        answers: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(_Outcome(model.complete(messages, ())))
            except BaseException as error:  # whatever a provider's library does, a hint must not end the run
                sent = len(error.failed) if isinstance(error, ModelError) else 0
                answers.put(_Outcome(error=f"{type(error).__name__}: {error}", sent=sent))

        try:
            threading.Thread(target=ask, name="conductor-hint", daemon=True).start()
            outcome = answers.get(timeout=self._timeout_s)
        except queue.Empty:
            self._slow += 1
            sent = Completion("", model=model.name)  # one request at least
            raise _Unusable(f"slow: no answer within {self._timeout_s:g} s", sent) from None
        except RuntimeError as error:  # the machine is out of threads
            raise _Unusable(str(error)) from None
        self._slow = 0
        if outcome.completion is None:
            sent = Completion("", model=model.name, attempts=outcome.sent) if outcome.sent else None
            raise _Unusable(limit_words(redact(outcome.error), 40), sent)
        return outcome.completion


def _checked(completion: Completion, run: FailedRun, output: Output) -> str:
    """Return the answer as a hint, or raise _Unusable naming the rule it breaks."""
    text = _undressed(completion.text)
    if completion.tool_calls or not text:
        raise _Unusable("babbled: no text", completion)
    if len(text.splitlines()) > 1:
        raise _Unusable("babbled: more than one line", completion)
    if len(text.split()) > MAX_WORDS:
        raise _Unusable(f"babbled: {len(text.split())} words", completion)
    if completion.finish_reason == "length":
        raise _Unusable("babbled: cut off by its own length", completion)
    if is_suspect(text) or "://" in text or not re.search(r"\w", text):
        raise _Unusable("babbled: control characters, an address or no words in it", completion)
    known = "\n".join((*output.lines, run.command, run.snippet))
    for name in _FILE.findall(text):
        if is_source_file(name) and not (_names(known, name) or _in_project(name, run.cwd)):
            raise _Unusable(f"named {limit_words(name)}, which is neither in the output nor in the project", completion)
    return redact(limit_words(text))


def _undressed(text: str) -> str:
    """Return an answer without the fences, quotes and labels that small models put around it."""
    plain = text.strip()
    for _ in range(4):
        plain = _DRESSING.sub("", plain).strip()
        if plain[:1] in _QUOTES and plain[:1] == plain[-1:] and plain.count(plain[:1]) == 2:
            plain = plain[1:-1]
    return plain


def _names(text: str, name: str) -> bool:
    """Say whether `name` stands in `text` as a whole path or as the end of one."""
    return re.search(rf"(?<![\w.-]){re.escape(name.removeprefix('./'))}(?!\w)", text) is not None


def _in_project(name: str, cwd: str) -> bool:
    """Say whether the project has a file of this path or, within a bounded search, of this name."""
    from conductor.qa.excerpt import file_inside

    if file_inside(cwd, name):
        return True
    seen = 0
    for _, folders, files in os.walk(cwd):
        folders[:] = [folder for folder in folders if not folder.startswith(".") and folder not in _SKIPPED]
        if name in files:
            return True
        seen += len(files)
        if seen > _WALK_LIMIT:
            break
    return False
