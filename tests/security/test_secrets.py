"""A credential of the environment is planted wherever one could come in; nothing that is written holds it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from conductor.withheld import hide, hide_bytes
from tests.e2e.driver import call, environment, make_project, run_command
from tests.e2e.test_http import settings, user_settings
from tests.openai_server import Call, Fault, OpenAIServer, Reply, error_body

SECRET = "k3y-of-the-provider-0123456789"
TOKEN = "t0ken-of-a-service-abcdefghijk"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    found = make_project(tmp_path, [{"id": "T1"}])
    # A command has no such variable, but may find the value where nobody looked for it.
    (tmp_path / "elsewhere").write_text(f"export SHOP_TOKEN={TOKEN}\n")
    (found / "tool.sh").write_text("cat ../elsewhere; cat ../elsewhere >&2; exit 3\n")
    return found


def written(project: Path) -> dict[str, bytes]:
    """Everything that was written beside the project's own files, contents of the journal included."""
    files = {str(path): path.read_bytes() for path in project.parent.rglob("*") if path.is_file()}
    files = {name: content for name, content in files.items() if not name.endswith("elsewhere")}
    db = sqlite3.connect(project / ".conductor" / "journal.db")
    for table in ("events", "contents"):
        files[table] = b"\n".join(str(row).encode() for row in db.execute(f"SELECT * FROM {table}"))
    db.close()
    return files


def test_no_credential_is_written(project: Path) -> None:
    """In a model's words, a command's output on both streams, a provider's error, a check, the logs, the page."""
    refusal = Fault(401, error_body(f"Incorrect API key provided: {SECRET}.", "invalid_request_error", "no"))
    replies = [Reply(f"The key is {SECRET}.", [Call("run_shell", {"command": "sh tool.sh"})]), refusal]
    env = environment(
        project, OPENAI_API_KEY=SECRET, SHOP_TOKEN=TOKEN, NO_PROXY="127.0.0.1", TMPDIR=str(project.parent)
    )
    with OpenAIServer(replies) as server:
        user_settings(project, settings(server, stream=False))
        done = run_command(project, "run", "tracks/track.toml", "--auto", "--no-sandbox", env=env)
        assert any(SECRET in value for value in server.headers[0].values()), "the provider gets its key"
    assert done.returncode == 5, done.stderr
    said = [run_command(project, *command, env=env) for command in (("log", "--json"), ("log",), ("tickets",))]
    page = run_command(project, "export", "tracks/track.toml", "--html", "page.html", env=env)
    assert page.returncode == 0, page.stderr
    found = {**written(project), "said": "".join(each.stdout + each.stderr for each in [done, *said]).encode()}
    for name, content in found.items():
        assert SECRET.encode() not in content and TOKEN.encode() not in content, name
    assert "[secret]" in said[0].stdout
    log = (project / ".conductor" / "logs" / "task-T1-exec.log").read_text()
    assert log.count("[secret]") == 2, "both streams"
    requests = json.dumps(server.requests)
    assert SECRET not in requests and TOKEN not in requests, "no other model is told either"


def test_short_words_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPASSWORD": "postgres", "A_TOKEN": "", "B_TOKEN": "abc12345", "C_SECRET": "abc1"}.items():
        monkeypatch.setenv(name, value)
    assert hide("postgres abc12345 abc1") == "postgres [secret] abc1"
    assert hide_bytes(b"\xff abc12345\n") == b"\xff [secret]\n"


def test_a_longer_credential_goes_before_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "part-of-a-credential")
    monkeypatch.setenv("B_TOKEN", "part-of-a-credential-and-more")
    assert hide("part-of-a-credential-and-more") == "[secret]"


def test_a_file_of_the_project_is_what_it_is(project: Path) -> None:
    """What a worker writes into a file is in the journal as it is: undo and resume need it byte for byte."""
    turns = {"T1": [{"tool_calls": [call("write_file", path="notes.txt", content=f"{TOKEN}\n")]}, {"text": "Done."}]}
    make_project(project.parent / "two", [{"id": "T1"}], turns)
    two = project.parent / "two" / "project"
    env = environment(two, SHOP_TOKEN=TOKEN)
    assert run_command(two, "run", "tracks/track.toml", "--auto", env=env).returncode == 0
    assert (two / "notes.txt").read_text() == f"{TOKEN}\n"
