"""What every built-in tool keeps to."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Refused, UsageError
from conductor.messages import Effect
from conductor.tools.base import Tool
from conductor.tools.registry import builtin_tools, choose
from conductor.tools.workspace import Output, Workspace

GOOD: dict[str, dict[str, Any]] = {
    "read_file": {"path": "src/a.py", "start_line": 1},
    "list_files": {"path": "."},
    "search": {"pattern": "f"},
    "write_file": {"path": "new/x.py", "content": "x = 1\n"},
    "edit_file": {"path": "src/a.py", "old_string": "1", "new_string": "2", "replace_all": True},
    "delete_file": {"path": "top.py"},
    "run_shell": {"command": "touch ran", "timeout_s": 5},
    "read_output": {"call_id": "c1", "start_line": 1},
}
TOOLS = builtin_tools()
WRONG = {"string": 7, "integer": "1", "boolean": "yes", "number": "5"}


@pytest.fixture(params=TOOLS)
def tool(request: pytest.FixtureRequest) -> Tool:
    return TOOLS[request.param]


@pytest.fixture
def workspace(project: Path) -> Workspace:
    return Workspace(project, output_of=lambda _: Output(b"out\n", b"err"))


def fingerprint(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Everything about a tree that an effect could change, reading times aside."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_the_spec_is_a_json_schema_of_an_object(tool: Tool) -> None:
    schema = tool.spec.parameters

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", [])) <= set(schema["properties"])
    assert set(GOOD[tool.name]) <= set(schema["properties"])
    assert tool.spec.name == tool.name
    assert len(tool.spec.description) > 10
    assert tool.spec.effect is tool.effect


def test_preparing_has_no_effect(tool: Tool, workspace: Workspace, project: Path) -> None:
    before = fingerprint(project.parent)

    action = tool.prepare(workspace, GOOD[tool.name])

    assert fingerprint(project.parent) == before
    assert action.title
    assert action.text


def test_a_reading_tool_has_no_effect_when_it_runs_either(tool: Tool, workspace: Workspace, project: Path) -> None:
    if tool.effect is not Effect.READ:
        return
    before = fingerprint(project.parent)

    result = tool.prepare(workspace, GOOD[tool.name]).run()

    assert result.ok
    assert fingerprint(project.parent) == before


def test_a_file_change_says_before_and_after(tool: Tool, workspace: Workspace, project: Path) -> None:
    if tool.effect is not Effect.IDEMPOTENT:
        return
    action = tool.prepare(workspace, GOOD[tool.name])
    assert action.change is not None
    target = project / action.change.path
    assert (target.read_bytes() if target.exists() else None) == action.change.before

    action.run()

    assert (target.read_bytes() if target.exists() else None) == action.change.after


def test_wrong_types_are_refused_by_name(tool: Tool, workspace: Workspace) -> None:
    for name, described in tool.spec.parameters["properties"].items():
        kinds = {described.get("type")} | {option.get("type") for option in described.get("anyOf", [])}
        wrong = next(value for kind, value in WRONG.items() if kind in kinds)
        for value in (wrong, ["x"], {"x": 1}):
            with pytest.raises(Refused, match=rf"{name}: "):
                tool.prepare(workspace, {**GOOD[tool.name], name: value})


def test_missing_and_unknown_arguments_are_refused_by_name(tool: Tool, workspace: Workspace) -> None:
    for name in tool.spec.parameters.get("required", []):
        with pytest.raises(Refused, match=rf"{name}: missing.*{tool.name} takes: "):
            tool.prepare(workspace, {key: value for key, value in GOOD[tool.name].items() if key != name})
    with pytest.raises(Refused, match="surprise: "):
        tool.prepare(workspace, {**GOOD[tool.name], "surprise": 1})


@pytest.mark.parametrize("value", ["\ud800", "a\0b", "", "x" * 100_000, "\x1b[2J", "../../x", "%s{0}"])
def test_hostile_text_in_any_argument_is_a_result_or_refused(tool: Tool, workspace: Workspace, value: str) -> None:
    for name, described in tool.spec.parameters["properties"].items():
        if described.get("type") == "string" and "enum" not in described:
            try:
                tool.prepare(workspace, {**GOOD[tool.name], name: value})
            except Refused as refusal:
                assert len(str(refusal)) < 2_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0, -1, 1e9, True, None])
def test_a_timeout_is_a_sensible_number(workspace: Workspace, value: Any) -> None:
    with pytest.raises(Refused, match="timeout_s"):
        TOOLS["run_shell"].prepare(workspace, {"command": "true", "timeout_s": value})


def test_choose_knows_the_tools_and_adds_the_reader_of_outputs() -> None:
    assert list(choose(["run_shell", "read_file", "run_shell"])) == ["run_shell", "read_file", "read_output"]
    with pytest.raises(UsageError, match="unknown tool nope"):
        choose(["nope"])
