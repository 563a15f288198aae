"""A credential of the environment is planted wherever one could come in; nothing that is written holds it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from conductor.settings import configured
from conductor.withheld import Secrets, credentials_in, hide, hide_bytes
from tests.e2e.driver import call, environment, make_project, play, run_command
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


KEPT = {
    name: f"{name}-can4ry-{number:04}"
    for number, name in enumerate(("env", "option", "header", "password", "parameter", "file", "quoted", "private"))
}
SETTINGS = f"""
[archetypes.coder]
tools = ["run_shell", "mcp:tiny", "mcp:far"]

[mcp.tiny]
command = "sh"
args = ["-c", 'echo "up with $TINY_TOKEN" >&2; exec "$2" "$3"', "--", "--api-key={KEPT["option"]}", "PYTHON", "SERVER"]
env = {{ TINY_TOKEN = "{KEPT["env"]}", MODE = "quick" }}

[mcp.far]
url = "http://me:{KEPT["password"]}@127.0.0.1:9/mcp?api_key={KEPT["parameter"]}"
headers = {{ Authorization = "Bearer {KEPT["header"]}", Accept-Language = "english-language" }}
"""
DOTENV = f"""# the shop's
export SHOP_TOKEN={KEPT["file"]}  # never to be shown
DB_URL="postgres://shop:{KEPT["quoted"]}@db/shop"
SIGNING_KEY="-----BEGIN KEY-----
{KEPT["private"]}
-----END KEY-----"
LEVEL=information-of-no-interest
"""


def test_nothing_that_is_secret_by_settings_or_a_dotenv_is_written(tmp_path: Path) -> None:
    """Printed by a command, given back by a server of tools, printed by it as an error, shown at the clutch."""
    commands = [
        "cat .env ../user/config.toml",
        "echo $((1 + 1)); cat .env >&2; exit 1",
        "cp .env .env.local; cat .env.*",
    ]
    calls = [*(call("run_shell", command=command) for command in commands), call("mcp__tiny__env")]
    turns = {"T1": [*({"tool_calls": [each]} for each in calls), {"text": "Done."}]}
    project = make_project(tmp_path, [{"id": "T1"}], turns, files={".env": DOTENV, ".gitignore": ".env*\n"})
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    server = Path(__file__).parents[1] / "tools" / "mcp_server.py"
    user = tmp_path / "user" / "config.toml"
    user.parent.mkdir()
    user.write_text(SETTINGS.replace("PYTHON", sys.executable).replace("SERVER", str(server)))
    env = environment(project, TMPDIR=str(tmp_path))

    ended = play(project, "--no-sandbox", "--json-logs", env=env)

    assert ended.code == 0, ended.stderr
    results = [event["text"] for event in ended.kinds("call_finished")]
    assert "information-of-no-interest" in results[0] and "english-language" in results[0]
    assert "export SHOP_TOKEN=[secret]  # never" in results[0] and "shop:[secret]@db" in results[0]
    assert '"TINY_TOKEN": "[secret]"' in results[3] and '"MODE": "quick"' in results[3]
    assert "up with [secret]" in (project / ".conductor" / "logs" / "mcp-tiny.log").read_text()
    assert any("--api-key=[secret]" in request["preview"]["text"] for request in ended.requests)
    said = [run_command(project, *words, env=env) for words in (["log", "--json"], ["context", "T1"], ["doctor"])]
    assert run_command(project, "export", "tracks/track.toml", "--html", "page.html", env=env).returncode == 0
    found = {**written(project), "ended": (ended.stderr + json.dumps(ended.lines)).encode()}
    found["said"] = "".join(each.stdout + each.stderr for each in said).encode()
    sources = {str(user), str(project / ".env"), str(project / ".env.local")}
    for name in found.keys() - sources:
        assert not [kept for kept, value in KEPT.items() if value.encode() in found[name]], name


def test_reading_a_file_with_a_key_in_it_is_asked_about_and_a_search_shows_none(tmp_path: Path) -> None:
    turns = {
        "T1": [
            {"tool_calls": [call("search", pattern="TOKEN"), call("read_file", path="plain.txt")]},
            {"tool_calls": [call("read_file", path=".env")]},
            {"text": "Done."},
        ]
    }
    project = make_project(tmp_path, [{"id": "T1"}], turns, files={".env": DOTENV, "plain.txt": "nothing\n"})
    paused = run_command(project, "run", "tracks/track.toml", "--auto", "--clutch", "deny")
    assert paused.returncode == 3 and "waits at the clutch: read_file" in paused.stderr
    assert not any(KEPT["file"].encode() in content for name, content in written(project).items() if ".env" not in name)
    ended = play(project, "--auto")
    assert ended.code == 0
    (request,) = ended.requests
    assert "approving sends that to the model" in request["notices"][0]
    assert KEPT["file"] in ended.kinds("call_finished")[0]["text"], "a human said so"


def test_what_is_secret_in_settings_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    server = {
        "url": "https://x?key=a1&page=some-long-number",
        "headers": {"Cookie": "s=1234567890", "X": "plain-value"},
    }
    config = configured({"models": {"api_base": "http://me:pass-word-1@host/v1"}, "mcp": {"x": server}})
    assert set(config.credentials()) == {"pass-word-1", "a1", "s=1234567890"}
    assert list(credentials_in([("X-Auth", "Bearer of-something")])) == ["Bearer of-something", "of-something"]
    monkeypatch.setenv("MINE", "taken-from-a-variable")
    assert Secrets(("Bearer ${MINE}", "${MINE}")).hide("x taken-from-a-variable") == "x [secret]"
    assert "MINE" not in repr(Secrets(("${MINE}",)))


def test_a_dotenv_may_be_anything(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env.pipe")
    (tmp_path / ".env.folder").mkdir()
    (tmp_path / ".env.example").write_text("A_TOKEN=put-yours-in-here\n")
    (tmp_path / ".env.two").write_bytes(
        b"\xff\n'A_TOKEN=\nexport B_TOKEN = `back-ticked-1`\nC_TOKEN=one two 3 #\nD_TOKEN"
    )
    (tmp_path / ".env").write_text(
        'A_TOKEN="never closed\nB_TOKEN=\nC_TOKEN=short\nD_PASSWORD="a\\nsecond-line-of-it"\n'
    )
    hidden = Secrets(folder=tmp_path).hide("put-yours-in-here back-ticked-1 'one two 3' short second-line-of-it")
    assert hidden == "put-yours-in-here [secret] '[secret]' short [secret]"
    assert Secrets(folder=tmp_path / "gone").hide("x") == "x"


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
