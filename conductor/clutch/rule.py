"""A rule: what a user decided once about a kind of call, what it covers, and its exact text."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from conductor.clutch.commands import Unclear, read_command
from conductor.clutch.limits import Limits, hides_commands
from conductor.clutch.profiles import profile_of
from conductor.messages import ToolCall

READS = frozenset({"read_file", "list_files", "search"})
WRITES = frozenset({"write_file", "edit_file"})
COMMANDS = frozenset({"run_shell"})
FILES = READS | WRITES | {"delete_file"}
TOOLS = FILES | COMMANDS | {"read_output"}
_SPAN = re.compile(r"([1-9]\d{0,3})([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_COMMAND_ARGUMENTS = frozenset({"command", "timeout_s"})


class Verdict(StrEnum):
    """What a rule says, strongest first."""

    REFUSE = "refuse"
    ASK = "ask"
    ALLOW = "allow"


class Subject(Struct, frozen=True, dict=True):
    """A call as rules see it: its tool, the path it is about, its command line, which is read when a rule needs it."""

    tool: str
    path: str = ""
    text: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """The words of the command; none where they cannot be told with certainty."""
        return self._reading[0]

    @property
    def unclear(self) -> str:
        """Why the words of the command cannot be told, "" when they can."""
        return self._reading[1]

    @cached_property
    def _reading(self) -> tuple[tuple[str, ...], str]:
        if self.tool not in COMMANDS:
            return (), ""
        try:
            return read_command(self.text), ""
        except Unclear as why:
            return (), str(why)


def subject_of(call: ToolCall, path: str) -> Subject:
    """Return `call` as rules see it; `path` is the file that its preview is about."""
    command = call.arguments.get("command")
    plain = isinstance(command, str) and _COMMAND_ARGUMENTS.issuperset(call.arguments)
    return Subject(call.tool, path, str(command) if plain else "")


class Rule(Struct, frozen=True, dict=True):
    """A verdict on calls of one tool: on files that match `path`, on one command or `exactly` one command line.

    An allow rule for `command` takes the plain flags of that command and files of the project, nothing else; a refuse
    or ask rule takes every line of that program in which the other words follow in this order. With `track` (a digest)
    it is for that track alone; `uses` is how often it may still allow, `expires` when it ends.
    """

    verdict: Verdict
    tool: str
    path: str = ""
    command: tuple[str, ...] = ()
    exactly: tuple[str, ...] = ()
    track: str = ""
    uses: int | None = None
    expires: datetime | None = None
    reason: str = ""

    @cached_property
    def id(self) -> str:
        """What the journal calls it; the same for the same rule, however often it was used."""
        fixed = [self.verdict, self.tool, self.path, self.command, self.exactly, self.track, str(self.expires)]
        return hashlib.sha256(json.dumps(fixed).encode()).hexdigest()[:8]

    @property
    def text(self) -> str:
        """The rule in one line."""
        if self.exactly:
            about = f"exactly: {shlex.join(self.exactly)}"
        elif self.command and self.verdict is Verdict.ALLOW:
            about = f"{shlex.join(self.command)}, with plain flags, on files of the project"
        else:
            about = shlex.join(self.command) or self.path or "(every call)"
        limits = [
            f"{self.uses} more times" if self.uses is not None else "",
            f"until {self.expires:%Y-%m-%d %H:%M} UTC" if self.expires else "",
            f"for track {self.track[:8]}" if self.track else "",
        ]
        return " · ".join(filter(None, (f"{self.verdict} {self.tool} {about}", *limits)))

    def is_live(self, track: str, now: datetime) -> bool:
        """Say whether the rule counts, in a run of the track with this digest, at this time."""
        spent = self.uses is not None and self.uses <= 0
        return not spent and (self.expires is None or now < self.expires) and self.track in ("", track)

    def covers(self, subject: Subject, limits: Limits) -> bool:
        """Say whether the verdict is on this call: an allow rule when it surely is, others already when it may be."""
        if self.tool != subject.tool:
            return False
        if self.verdict is Verdict.ALLOW:
            return self._allows(subject, limits)
        if self.tool in COMMANDS:
            return self._may_concern(subject)
        return not self.path or _matches(subject.path.casefold(), self.path.casefold())

    def _may_concern(self, subject: Subject) -> bool:
        if self.exactly:
            return subject.argv == self.exactly
        if not subject.argv:
            return not self.command
        words = [word.casefold() for word in (PurePosixPath(subject.argv[0]).name, *subject.argv[1:])]
        if self.command and words[0] != self.command[0].casefold() and not hides_commands(subject.argv):
            return False
        rest = iter(words)
        return all(word.casefold() in rest for word in self.command)  # in this order, anything may stand between them

    def _allows(self, subject: Subject, limits: Limits) -> bool:
        if self.tool in READS | WRITES:
            matches = bool(self.path) and _matches(subject.path, self.path)
            return matches and not limits.doubt_about_path(subject.path, writes=self.tool in WRITES)
        if self.tool not in COMMANDS or subject.unclear:
            return False
        if self.exactly:
            return subject.argv == self.exactly and not limits.doubt_about_command(subject.argv)
        known = profile_of(subject.argv)
        if known is None or known.words != self.command or limits.doubt_about_program(subject.argv, known):
            return False
        operands = known.operands(subject.argv)
        return operands is not None and not any(map(limits.doubt_about_operand, operands))


def read_expiry(text: str, now: datetime) -> datetime:
    """Return when `text` ends: so long from now ("30m", "8h", "7d", "2w"), or a date. Raises ValueError."""
    if found := _SPAN.fullmatch(text.strip()):
        return now.replace(microsecond=0) + int(found[1]) * _UNITS[found[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("give a time such as 30m, 8h, 7d, 2w or 2030-01-31") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    if moment <= now:
        raise ValueError("that time is over")
    return moment


def read_uses(text: str) -> int:
    """Return how many times `text` says. Raises ValueError."""
    if not re.fullmatch(r"[1-9]\d{0,5}", text.strip()):
        raise ValueError("give a number of times, such as 20")
    return int(text)


def narrowest(subject: Subject, limits: Limits) -> Iterator[Rule]:
    """Yield the allow rules that cover the call, the narrowest first. There is none where a limit forbids all."""
    if subject.tool in COMMANDS and subject.argv:
        known = profile_of(subject.argv)
        candidates = [Rule(Verdict.ALLOW, subject.tool, exactly=subject.argv)]
        candidates += [Rule(Verdict.ALLOW, subject.tool, command=known.words)] if known else []
    else:
        whole = Rule(Verdict.ALLOW, subject.tool, path=_escaped(subject.path))
        parent = PurePosixPath(subject.path).parent.as_posix()
        candidates = [whole, *([] if parent == "." else [replace(whole, path=f"{_escaped(parent)}/**")])]
    yield from (rule for rule in candidates if rule.covers(subject, limits))


def why_none(subject: Subject, limits: Limits) -> str:
    """Return why no allow rule can cover the call."""
    if subject.tool in READS | WRITES:
        return limits.doubt_about_path(subject.path, writes=subject.tool in WRITES)
    if subject.tool not in COMMANDS:
        return f"{subject.tool} is asked about every time"
    return subject.unclear or limits.doubt_about_command(subject.argv)


def _matches(path: str, glob: str) -> bool:
    return re.fullmatch(_pattern(glob), path, re.DOTALL) is not None


def _pattern(glob: str) -> str:
    """Return `glob` as a regular expression: `*` and `?` stay in one folder, `**` stands for any number of them."""
    special = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[*?[]\])", glob)
    return "".join(special.get(part) or re.escape(part[1] if re.fullmatch(r"\[.\]", part) else part) for part in parts)


def _escaped(path: str) -> str:
    """Return `path` as a glob that matches it alone."""
    return re.sub(r"[*?[]", lambda match: f"[{match[0]}]", path)
