"""One git commit a ticket: its own files, and what the human decided about its calls.

A commit is made beside the person's work: the tree in an index of its own, the branch moved only from where it was,
and of their index nothing but the entries of those files. Hooks do not run, for they are code of the project.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from conductor import events
from conductor.clutch.base import by_policy
from conductor.effective import in_force
from conductor.errors import Refused, UsageError
from conductor.events import Event
from conductor.history.base import FileState, file_state
from conductor.history.steps import Step, steps
from conductor.messages import content_hash
from conductor.models import Track
from conductor.shell import CommandResult, Launch, run
from conductor.visible import visible

_GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
_EMPTY = content_hash(b"")


class Commits:
    """Commits what completed tickets of a track changed. `get` gives a kept content; `history` the whole journal."""

    def __init__(
        self, root: Path, track: Track, history: Callable[[], Iterable[Event]], get: Callable[[str], bytes]
    ) -> None:
        self._root = root
        self._track = track
        self._history = history
        self._get = get
        self._tried = set[str]()  # what was refused once is tried again by the next run

    def check(self) -> None:
        """Raise `UsageError` when no commit could be made here, with what to do about it."""
        try:
            self._check_repository()
        except Refused as refusal:
            raise UsageError(f"--commit: {refusal}", hint="Or run without --commit; nothing ran.") from None

    def due(self) -> list[tuple[str, events.TicketCommitted]]:
        """Commit every completed ticket that has no commit yet, and return what to record: ticket id and entry."""
        history = list(self._history())
        counting = in_force([event for event in history if event.track_id == self._track.id])
        completed = [e.ticket_id for e in counting if isinstance(e.data, events.TicketCompleted)]
        known = {e.ticket_id for e in counting if isinstance(e.data, events.TicketCommitted) and not e.data.refused}
        found: list[tuple[str, events.TicketCommitted]] = []
        for ticket_id in completed:
            if ticket_id in known | self._tried or ticket_id not in self._track:
                continue
            self._tried.add(ticket_id)
            own = [event for event in counting if event.ticket_id == ticket_id]
            mine = [s for s in steps(history) if (s.track_id, s.ticket_id) == (self._track.id, ticket_id)]
            try:
                found.append((ticket_id, self._commit(ticket_id, own, mine)))
            except Refused as refusal:
                found.append((ticket_id, events.TicketCommitted(refused=str(refusal))))
        return found

    def _check_repository(self) -> None:
        """Raise `Refused` where git has no branch to put a commit on, or is in the middle of something."""
        inside = self._try("rev-parse", "--git-dir", "--is-inside-work-tree")
        if inside is None:
            raise Refused("git is not installed")
        if inside.exit_code or not inside.stdout.endswith(b"true\n"):
            raise Refused(f"{self._root} is in no git repository; make one with: git init")
        folder = self._root / os.fsdecode(inside.stdout.splitlines()[0])
        for name, what in _UNDER_WAY.items():
            if (folder / name).exists():
                raise Refused(f"{what} is under way in this repository; finish it first")
        for arguments, why in (
            (("symbolic-ref", "-q", "HEAD"), "no branch is checked out (detached HEAD); git switch to one"),
            (("rev-parse", "-q", "--verify", "HEAD"), "the branch has no commit yet; make a first one"),
            (("var", "GIT_COMMITTER_IDENT"), "git does not know who you are; set user.name and user.email"),
            (("var", "GIT_AUTHOR_IDENT"), "git does not know who you are; set user.name and user.email"),
        ):
            done = self._try(*arguments)
            if done is None or done.exit_code:
                raise Refused(why)

    def _commit(self, ticket_id: str, own: Sequence[Event], mine: Sequence[Step]) -> events.TicketCommitted:
        self._check_repository()
        paths = self._unignored({step.change.path: None for step in mine})
        first = {step.change.path: step.before for step in reversed(mine) if step.change.path in paths}
        last = {step.change.path: step.after for step in mine if step.change.path in paths}
        for path, after in last.items():
            if file_state(self._root / path) != after:
                raise Refused(f"{path} is not as {ticket_id} left it")
        head = self._git("rev-parse", "HEAD").decode().strip()
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        tree = self._tree(names) if paths else self._git("rev-parse", "HEAD^{tree}").decode().strip()
        if tree == self._git("rev-parse", "HEAD^{tree}").decode().strip():
            return events.TicketCommitted(head if self._is_of(ticket_id) else "")
        self._check_only_the_tickets(ticket_id, first)
        with tempfile.NamedTemporaryFile() as message:
            message.write(message_of(self._track, ticket_id, own).encode("utf-8", "replace"))
            message.flush()
            commit = self._git("commit-tree", tree, "-p", head, "-F", message.name).decode().strip()
        self._git("update-ref", "-m", f"conductor: {ticket_id}", "HEAD", commit, head)
        self._git("reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", given=names)
        return events.TicketCommitted(commit, len(paths))

    def _unignored(self, paths: Mapping[str, None]) -> list[str]:
        """Return the paths without those that git ignores."""
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        ignored = self._try("check-ignore", "-z", "--stdin", given=names) if paths else None
        out = {os.fsdecode(name) for name in ignored.stdout.split(b"\0")} if ignored else set[str]()
        return [path for path in paths if path not in out]

    def _tree(self, names: bytes) -> str:
        """Return the tree of HEAD with these files as they are now."""
        with tempfile.TemporaryDirectory() as folder:
            env = {"GIT_INDEX_FILE": f"{folder}/index"}
            self._git("read-tree", "HEAD", env=env)
            self._git("update-index", "--add", "--remove", "-z", "--stdin", env=env, given=names)
            return self._git("write-tree", env=env).decode().strip()

    def _check_only_the_tickets(self, ticket_id: str, first: Mapping[str, FileState]) -> None:
        """Raise `Refused` when a commit of these files would hold, or undo, what the person has not committed."""
        listed = self._git("diff", "--cached", "--name-only", "--relative", "-z")
        staged = {os.fsdecode(name) for name in listed.split(b"\0")}
        if both := sorted(staged.intersection(first)):
            raise Refused(f"you have staged changes of {', '.join(both)}; commit or unstage them")
        for path, before in first.items():
            there = self._try("rev-parse", "-q", "--verify", f"HEAD:./{path}")
            committed = there.stdout.decode().strip() if there and not there.exit_code else ""
            if committed != self._blob(path, before):
                raise Refused(f"{path} held changes that were not committed before {ticket_id}; commit it yourself")

    def _blob(self, path: str, state: FileState) -> str:
        """Return what git would call a content at this path, "" for no file."""
        if not state.exists:
            return ""
        content = b"" if state.digest == _EMPTY else self._get(state.digest)
        as_is = ("--no-filters",) if state.mode.startswith("12") else (f"--path={path}",)
        return self._git("hash-object", *as_is, "--stdin", given=content).decode().strip()

    def _is_of(self, ticket_id: str) -> bool:
        """Say whether HEAD is this ticket's commit: made just before a crash, and not recorded."""
        said = self._git("log", "-1", "--format=%B").decode("utf-8", "replace").splitlines()
        return f"Conductor-Track: {self._track.id}" in said and f"Conductor-Ticket: {ticket_id}" in said

    def _git(self, *arguments: str, env: Mapping[str, str] | None = None, given: bytes = b"") -> bytes:
        done = self._try(*arguments, env=env, given=given)
        if done is None or done.exit_code:
            why = done.stderr.decode("utf-8", "replace").strip() if done else "it is not installed"
            raise Refused(f"git {arguments[0]}: {visible(why, one_line=True)}")
        return done.stdout

    def _try(self, *arguments: str, env: Mapping[str, str] | None = None, given: bytes = b"") -> CommandResult | None:
        """Run git in the project; None where there is none. What it reads comes from a file: no command has input."""
        inherited = {name: value for name, value in os.environ.items() if not _redirects(name)}
        with tempfile.NamedTemporaryFile() as source:
            source.write(given)
            source.flush()
            argv = ("/bin/sh", "-c", 'source=$1; shift; exec "$@" <"$source"', "sh", source.name, *_GIT, *arguments)
            done = run(Launch(argv, {**inherited, "GIT_LITERAL_PATHSPECS": "1", **(env or {})}), cwd=self._root)
        return None if done.exit_code == 127 else done


def message_of(track: Track, ticket_id: str, own: Iterable[Event]) -> str:
    """Return a ticket's commit message: its title, and in trailers what humans and rules decided about its calls."""
    said, model = Counter[str](), ""
    for event in own:
        match event.data:
            case events.TicketStarted(model=model):
                pass
            case events.CallDecided(decision="approve") as decided:
                said["By-Rule" if by_policy(decided.by) else "Approved"] += 1
                said["Edited"] += decided.edited
            case events.CallDecided(decision="reject"):
                said["Rejected"] += 1
            case _:
                pass
    named = model if not model.startswith("scripted:") else "scripted"  # which names a file of this machine
    trailers = {"Track": track.id, "Ticket": ticket_id, "Model": named}
    trailers |= {name: str(said[name]) for name in ("Approved", "Edited", "Rejected", "By-Rule") if said[name]}
    lines = [f"Conductor-{name}: {visible(value, one_line=True)}" for name, value in trailers.items() if value]
    return f"{visible(track.ticket(ticket_id).title, one_line=True)}\n\n" + "\n".join(lines) + "\n"


def _redirects(name: str) -> bool:
    return name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
