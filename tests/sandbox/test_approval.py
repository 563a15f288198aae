"""What holds a command is shown, journaled, and part of what an approval is bound to."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.messages import ToolCall
from conductor.models import Ticket
from conductor.review import digest_of
from conductor.sandbox.base import Policy, Sandbox
from conductor.shell import Launch, shell_argv
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Workspace
from tests.bench import DONE, Bench, ListModel, calls


class Named:
    """A mechanism that only says that it holds."""

    holds = True

    def __init__(self, name: str, gaps: str = "") -> None:
        self.name = name
        self.gaps = gaps

    @contextmanager
    def launch(self, policy: Policy, command: str, env: dict[str, str]) -> Generator[Launch]:
        yield Launch(shell_argv(command), env)


def digest(workspace: Workspace, tool: str = "run_shell", **arguments: str) -> str:
    return digest_of(ToolCall("c", tool, arguments), builtin_tools()[tool].prepare(workspace, arguments))


def test_an_approval_is_of_a_command_in_a_sandbox(project: Path) -> None:
    policies = Policy(project), Policy(project, network=True), Policy(project, writable=(Path("/x"),))
    held = [Sandbox(Named(name), policy) for name in ("one", "two") for policy in policies]
    workspaces = [Workspace(project), *(Workspace(project, sandbox=sandbox) for sandbox in held)]
    assert len({digest(workspace, command="ls") for workspace in workspaces}) == len(workspaces)
    assert len({digest(workspace, "read_file", path="top.py") for workspace in workspaces}) == 1


@pytest.fixture
def bench(project: Path) -> Bench:
    turns = [calls(("run_shell", {"command": "true"})), DONE]
    model = ListModel({"T1": turns})
    return Bench(project, lambda: [Ticket("T1", "Title", "a.py", "Do it.", verify="true")], model)


def test_the_prompt_and_the_journal_say_what_holds(bench: Bench, project: Path) -> None:
    bench.sandbox = Sandbox(Named("a cage", gaps="it has a hole"), Policy(project))
    clutch = ScriptedClutch([approve] * 2)
    bench.engine(clutch).run()
    for _, preview in clutch.seen:
        assert preview.title.endswith("in a cage, no network")
        assert "it has a hole" in preview.notices
    assert [record.sandbox for record in bench.of_kind("call_started")] == ["in a cage, no network"]
    assert [record.sandbox for record in bench.of_kind("gate_started")] == ["in a cage, no network"]


def test_without_one_the_prompt_is_loud(bench: Bench) -> None:
    clutch = ScriptedClutch([approve] * 2)
    bench.engine(clutch).run()
    assert all(any(said.startswith("NO SANDBOX") for said in preview.notices) for _, preview in clutch.seen)
    assert bench.of_kind("call_started")[0].sandbox == "without a sandbox"


def test_a_lasting_yes_to_a_check_holds_for_its_sandbox_only(bench: Bench, project: Path) -> None:
    bench.sandbox = Sandbox(Named("a cage"), Policy(project))
    bench.engine([approve] * 2).run()
    again = ScriptedClutch([approve] * 2)
    bench.engine(again).run(fresh=True)
    assert len(again.seen) == 1
    bench.sandbox = Sandbox(Named("another"), Policy(project))
    other = ScriptedClutch([approve] * 2)
    bench.engine(other).run(fresh=True)
    assert len(other.seen) == 2
