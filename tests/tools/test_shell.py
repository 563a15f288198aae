from __future__ import annotations

from pathlib import Path

import pytest

from conductor.errors import Refused
from conductor.tools.registry import builtin_tools
from conductor.tools.workspace import Output, Workspace

TOOLS = builtin_tools()


def test_a_command_runs_in_the_project_without_credentials(
    workspace: Workspace, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")

    result = TOOLS["run_shell"].prepare(workspace, {"command": 'pwd; echo "[$OPENAI_API_KEY]"'}).run()

    assert result.text == f"exit code 0\n{project}\n[]"
    assert result.stdout == f"{project}\n[]\n".encode()


def test_a_failing_command_keeps_its_output_out_of_the_text(workspace: Workspace) -> None:
    result = TOOLS["run_shell"].prepare(workspace, {"command": "echo trace >&2; exit 3"}).run()

    assert (result.ok, result.exit_code, result.text, result.stderr) == (False, 3, "exit code 3", b"trace\n")


def test_long_output_is_shown_by_its_ends(workspace: Workspace) -> None:
    result = TOOLS["run_shell"].prepare(workspace, {"command": "seq 100000"}).run()

    assert result.text.startswith("exit code 0\n1\n2\n")
    assert result.text.endswith("99999\n100000")
    assert "lines left out: read_output has them" in result.text
    assert len(result.text) < 7_000
    assert len(result.stdout) == 588_895


def test_a_command_too_long_to_start_is_refused(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="cannot be started"):
        TOOLS["run_shell"].prepare(workspace, {"command": "true " + "x" * 4_000_000}).run()


@pytest.mark.parametrize("command", ["", " \n", "a\0b"])
def test_no_command_is_refused(workspace: Workspace, command: str) -> None:
    with pytest.raises(Refused):
        TOOLS["run_shell"].prepare(workspace, {"command": command})


def test_read_output_gives_slices(project: Path) -> None:
    workspace = Workspace(project, output_of=lambda _: Output(b"1\n2\n\xff", b"e\n"))
    read = TOOLS["read_output"]

    assert read.prepare(workspace, {"call_id": "c"}).run().text == "[lines 1 to 4 of 4]\n1\n2\n\ufffd\ne"
    assert (
        read.prepare(workspace, {"call_id": "c", "start_line": 2, "end_line": 2}).run().text == "[lines 2 to 2 of 4]\n2"
    )
    assert read.prepare(workspace, {"call_id": "c", "start_line": 9}).run().text == "[no lines here: the output has 4]"


def test_read_output_of_an_unknown_call_is_refused(workspace: Workspace) -> None:
    with pytest.raises(Refused, match="no output"):
        TOOLS["read_output"].prepare(workspace, {"call_id": "nope"})
