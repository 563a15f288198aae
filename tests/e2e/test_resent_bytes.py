"""A run that is killed by SIGKILL sends on, over real HTTP, the very bytes of a run that nobody touched."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.driver import Json, Session, assert_calm, environment, journal, make_project, run_command, session, tree
from tests.e2e.test_http import settings, user_settings
from tests.openai_server import Call, OpenAIServer, Reply

LONG = "".join(f"line {n}: what stands here is of no interest to anybody, but long\n" for n in range(60))
USED = {"input_tokens": 0, "output_tokens": 0}  # nothing reported: what a request takes is estimated
TURNS = [
    Reply("First I look — ünïcode, \u2028 and all.", [Call("read_file", {"path": "notes.txt"}, "r1")], **USED),
    Reply("", [Call("edit_file", {"path": "notes.txt", "old_string": "old", "new_string": "né"}, "e1")], **USED),
    Reply("Two at once.", [Call("run_shell", {"command": "cat gone.txt"}, "s1"), Call("list_files", {}, "l1")], **USED),
    *(Reply(f"Part {n}.", [Call("read_file", {"path": f"long{n}.txt"}, f"p{n}")], **USED) for n in range(5)),
    Reply("", **USED),
    Reply("", [Call("write_file", {"path": "more.txt", "content": "é\n"}, "w1")], **USED),
    Reply("Done.", **USED),
    Reply("Now it is.", [Call("write_file", {"path": "more.txt", "content": "é: whole\n"}, "w2")], **USED),
    Reply("Done."),
]
TICKETS: list[Json] = [{"id": "T1", "prompt": "Change it.", "verify": "grep -q whole more.txt"}]
FILES = {"notes.txt": "old\n", **{f"long{n}.txt": LONG for n in range(5)}}
# After each of these kinds of entries a kill is tried, beside one before each answer of the model.
KINDS = (
    *("call_finished", "hint_given", "intervention_applied", "context_compressed", "gate_finished"),
    *("worker_told", "approval_requested"),
)


class Conversation:
    """What a server was sent, a request that came again left out; it answers each as the turns say.

    Before the answer number `kill_before` it kills `victim`, once.
    """

    def __init__(self, kill_before: int = -1) -> None:
        self.bodies: list[bytes] = []
        self.resent = 0
        self.victim: Session | None = None
        self.killed = False
        self._kill_before = kill_before
        self.server = OpenAIServer(self._answer)

    def _answer(self, _: Json) -> Reply:
        body = self.server.bodies[-1]
        if self.bodies[-1:] == [body]:
            self.resent += 1
        else:
            self.bodies.append(body)
        number = len(self.bodies) - 1
        if number == self._kill_before and self.victim and not self.killed:
            self.kill()
        return TURNS[min(number, len(TURNS) - 1)]

    def kill(self) -> None:
        assert self.victim
        self.killed = True
        self.victim.process.send_signal(signal.SIGKILL)


@contextmanager
def begun(folder: Path, adapter: str, stream: bool, kill_before: int = -1) -> Iterator[tuple[Path, Conversation]]:
    project = make_project(folder, TICKETS, files=FILES)
    talk = Conversation(kill_before)
    with talk.server as server:
        more = f'adapter = "{adapter}"\ncontext_window = 6000\n'
        user_settings(project, f"{settings(server, stream=stream)}\n{more}")
        yield project, talk


def go_on(project: Path, talk: Conversation, kill_after: str = "") -> int:
    """Run until the end or the kill, with a word of guidance while the first edit waits; return the exit code."""
    env = environment(project, OPENAI_API_KEY="none", NO_PROXY="127.0.0.1")
    with session(project, env=env) as run:
        talk.victim = run
        while said := run.read():
            if said["type"] == "approval_requested":
                if said["call_id"] == "e1" and not any(project.glob("guided")):
                    assert run_command(project, "intervene", "T1", "Mind the accents: é.", env=env).returncode == 0
                    (project / "guided").touch()
                if not talk.killed and kill_after == "approval_requested" == said["type"]:
                    talk.kill()
                answer(run, said)
            elif kill_after == said["kind"] and not talk.killed:
                talk.kill()
        ended = run.end()
    assert_calm(ended.stderr)
    return ended.code


def answer(run: Session, request: Json) -> None:
    unknown = any("OUTCOME UNKNOWN" in notice for notice in request["notices"])
    try:
        run.answer(request, **({"comment": "go"} if request["call_id"] == "e1" and not unknown else {}))
    except BrokenPipeError:
        assert run.process.wait() == -signal.SIGKILL


def check(folder: Path, adapter: str, *, stream: bool, cuts: list[int], kinds: tuple[str, ...]) -> None:
    """Compare runs killed before the answers `cuts` and after an entry of each of `kinds` with one that was not."""
    with begun(folder / "whole", adapter, stream) as (expected, whole):
        assert go_on(expected, whole) == 0
    sent = [json.loads(body) for body in whole.bodies]
    assert len(sent) == len(TURNS) and whole.resent == 0
    said = json.dumps(sent[-1]["messages"][1], ensure_ascii=False)
    assert "in short" in said, "older turns were put in short"
    assert {event.kind for event in journal(expected)} | {"approval_requested"} >= set(kinds)
    moments = [(cut, "") for cut in cuts] + [(-1, kind) for kind in kinds]
    for kill_before, kill_after in moments:
        with begun(folder / f"{kill_before}{kill_after}", adapter, stream, kill_before) as (project, talk):
            assert go_on(project, talk, kill_after) == -signal.SIGKILL, (kill_before, kill_after)
            assert go_on(project, talk) == 0
        assert talk.bodies == whole.bodies, (kill_before, kill_after)
        assert talk.resent <= 1
        assert kill_before < 0 or talk.resent == 1, "the request whose answer was lost is sent again"
        assert tree(project) == tree(expected)
    for request in sent:
        results = [message["tool_call_id"] for message in request["messages"] if message["role"] == "tool"]
        assert len(results) == len(set(results)), "no result is sent twice"


def test_killed_before_an_answer_and_after_entries(tmp_path: Path) -> None:
    check(tmp_path, "direct", stream=True, cuts=[3], kinds=("context_compressed",))


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_killed_before_every_answer_and_after_every_kind_of_entry(tmp_path: Path, stream: bool) -> None:
    check(tmp_path, "direct", stream=stream, cuts=list(range(len(TURNS))), kinds=KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_killed_through_litellm(tmp_path: Path, stream: bool) -> None:
    check(tmp_path, "litellm", stream=stream, cuts=[0, 5], kinds=("hint_given", "context_compressed"))
