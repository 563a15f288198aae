"""The records of Tier 4, and the word limit of a hint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from conductor.messages import Completion, Usage
from conductor.qa.output import Output
from conductor.visible import visible

MAX_WORDS = 20
_LONGEST_WORD = 80


class FailedRun(Struct, frozen=True):
    """A command that did not succeed. `exit_code` is None when it was killed by us; `cwd` is the project root.

    `target` is the file the worker is to change.
    """

    command: str
    exit_code: int | None
    stdout: bytes
    stderr: bytes
    cwd: str
    snippet: str = ""
    timed_out: bool = False
    target: str = ""


class Hint(Struct, frozen=True):
    """What the worker is told: 1 to 20 words in one line.

    `answer` is what the model said, where it said something; `note` says why that was not used.
    """

    text: str
    source: Literal["model", "builtin"]
    answer: Completion | None = None
    note: str = ""

    @property
    def usage(self) -> Usage:
        """What the hint cost."""
        return self.answer.usage if self.answer else Usage()


class Finding(Struct, frozen=True):
    """What a reader made of an output.

    `place` is `file:line` relative to the project, `where` the function there, `message` the error in the tool's own
    words. `extras` come in order of their use: each is added only if it fits whole.
    """

    message: str
    place: str = ""
    where: str = ""
    extras: tuple[str, ...] = ()


Reader = Callable[[Output], Finding | None]


def limit_words(text: str, words: int = MAX_WORDS) -> str:
    """Return `text` as one line of at most `words` words, display-safe, over-long words cut; "" stays ""."""
    kept = visible(text).split()
    short = [word if len(word) <= _LONGEST_WORD else f"{word[: _LONGEST_WORD - 1]}…" for word in kept[:words]]
    if len(kept) > words and short:
        short[-1] = f"{short[-1].rstrip('.,;:')}…"
    return " ".join(short)


def compose(finding: Finding) -> str:
    """Return the hint a finding makes: place, function and message, then every extra that still fits whole."""
    head = f"{finding.place} in {finding.where}" if finding.place and finding.where else finding.place
    text = limit_words(f"{head}: {finding.message}" if head else finding.message)
    for extra in finding.extras:
        longer = f"{text}; {extra}"
        if extra and len(longer.split()) <= MAX_WORDS and extra not in text:
            text = longer
    return limit_words(text)
