from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from conductor.messages import Effect, ToolResult
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.bubblewrap import Bubblewrap
from conductor.sandbox.registry import unconfined
from conductor.tools.base import Action
from conductor.tools.danger import danger_of
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Workspace


def danger(root: Path, tool: str, sandbox: Sandbox, **arguments: Any) -> str:
    """Return the danger of a call in a project that has one file, a.py."""
    (root / "a.py").write_text("A = 1\n")
    called = builtin_tools()[tool]
    workspace = Workspace(root, sandbox=sandbox)
    return danger_of(called.prepare(workspace, arguments), called.effect, workspace)


@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        ("delete_file", {"path": "a.py"}, "deletes"),
        ("write_file", {"path": "a.py", "content": ""}, ""),
        ("edit_file", {"path": "a.py", "old_string": "1", "new_string": ""}, ""),
        ("read_file", {"path": "a.py"}, ""),
        ("run_shell", {"command": "ls"}, "no sandbox"),
    ],
)
def test_what_deletes_or_is_not_held_is_dangerous(
    tmp_path: Path, tool: str, arguments: dict[str, Any], why: str
) -> None:
    found = danger(tmp_path, tool, unconfined(), **arguments)
    assert why in found and bool(why) == bool(found)


def test_a_command_is_as_dangerous_as_what_its_sandbox_lets_it_do(tmp_path: Path) -> None:
    policy = Policy(tmp_path)
    for allowed, why in (
        (policy, ""),
        (replace(policy, readable=(Path("/srv"),)), ""),
        (replace(policy, network=True), "this command can use the network"),
        (replace(policy, writable=(Path("/srv"),)), "this command can write outside the project (/srv)"),
    ):
        assert danger(tmp_path, "run_shell", Sandbox(Bubblewrap(), allowed), command="ls") == why


def test_an_unsafe_call_that_no_sandbox_holds_is_dangerous(tmp_path: Path) -> None:
    action = Action("text", "call a server", "{}", lambda: ToolResult("done"), inside=False)
    held = Workspace(tmp_path, sandbox=Sandbox(Bubblewrap(), Policy(tmp_path)))
    assert danger_of(action, Effect.UNSAFE, held) == "no sandbox holds what this does"
    assert danger_of(action, Effect.READ, held) == ""


def test_a_file_that_git_ignores_is_dangerous_to_replace_and_no_other(tmp_path: Path) -> None:
    sandbox = unconfined()
    ignored = {"path": "local.cfg", "content": "b"}
    (tmp_path / ".gitignore").write_text("*.cfg\n")
    (tmp_path / "local.cfg").write_text("a")
    assert not danger(tmp_path, "write_file", sandbox, **ignored)

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert "git ignores this file" in danger(tmp_path, "write_file", sandbox, **ignored)
    assert not danger(tmp_path, "write_file", sandbox, path="new.cfg", content="b")
    assert not danger(tmp_path, "edit_file", sandbox, path="a.py", old_string="1", new_string="2")
