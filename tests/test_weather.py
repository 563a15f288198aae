"""A whole run in bad weather: what a provider may do instead of answering, and that the run goes on afterwards."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from conductor import events
from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ConductorError, ExitCode
from conductor.events import Event
from conductor.messages import Decision, Preview, ToolCall
from conductor.plan import load_plan
from tests import openai_server as server_of
from tests.openai_server import Answer, Call, CutStream, Fault, OpenAIServer, Reply, Silence

GOOD = [Reply("", [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})]), Reply("Done.")]
TRACK = """\
schema = 1
id = "small"
title = "Small"

[[tickets]]
id = "T1"
title = "Write"
target_file = "one.txt"
prompt = "Write PLUM."
verify = "grep -q PLUM one.txt"
worker_archetype = "coder"
dependencies = []
"""
EVENTS = {"Content-Type": "text/event-stream"}
SAME_CHUNK = b"data: " + json.dumps({"choices": [{"delta": {"content": "again "}}]}).encode() + b"\n\n"

WEATHER: dict[str, Answer] = {
    "429 for ever": server_of.rate_limited(),
    "429 for an hour": server_of.rate_limited("3600"),
    "500": server_of.server_error(),
    "HTML": server_of.html(),
    "HTML 502": server_of.html(502),
    "half a JSON": server_of.half_json(),
    "an empty choice": server_of.empty_choices(),
    "a stream that stops": CutStream(Reply("a text that is longer than two chunks"), 2),
    "a stream that hangs up": CutStream(Reply("a text that is longer than two chunks"), 2, politely=False),
    "200 with an error inside": server_of.error_inside(),
    "a wrong content type": Fault(200, b"hello", {"Content-Type": "text/plain"}),
    "an image": Fault(200, b"\x89PNG\r\n\x1a\n" * 100, {"Content-Type": "image/png"}),
    "a hundred identical chunks and more": Fault(200, SAME_CHUNK * 1000, EVENTS),
    "a host that accepts and never answers": Silence(),
    "a refused key": server_of.unauthorized(),
    "a used-up quota": Fault(429, server_of.error_body("no more", code="insufficient_quota")),
    "a refused request": Fault(400, server_of.error_body("bad parameter")),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """No real waiting between attempts; what would have been waited is kept."""
    waits: list[float] = []
    monkeypatch.setattr("conductor.llm.retry.time", SimpleNamespace(sleep=waits.append))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    return waits


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "track.toml").write_text(TRACK)
    return folder


def run(
    project: Path, url: str, *, stream: bool = False, clutch: ScriptedClutch | None = None
) -> tuple[ConductorError | ExitCode, list[Event]]:
    user = project.parent / "user"
    user.mkdir(exist_ok=True)
    settings = {"default": "openai/m", "default_cheap": "openai/m", "api_base": url, "stream": stream, "timeout_s": 0.5}
    lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
    (user / "config.toml").write_text("\n".join(["[models]", *lines]))
    plan = load_plan(project / "track.toml", project)
    heard: list[Event] = []
    with build_engine(plan, clutch or ScriptedClutch([approve] * 9), listeners=[heard.append]) as engine:
        try:
            return engine.run(), heard
        except ConductorError as error:
            return error, heard


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", WEATHER)
def test_one_clear_line_exit_5_and_a_resume_that_goes_on(
    case: str, stream: bool, project: Path, quick: list[float]
) -> None:
    with OpenAIServer([WEATHER[case]]) as server:
        stopped, heard = run(project, server.url, stream=stream)
        asked = len(server.requests)
    assert isinstance(stopped, ConductorError), stopped
    assert stopped.exit_code is ExitCode.MODEL
    assert "\n" not in str(stopped) and 10 < len(str(stopped)) < 300 and stopped.hint
    assert 1 <= asked <= 6 and sum(quick) <= 600
    assert (heard[-1].kind, heard[-1].data.exit_code) == ("run_paused", 5)  # type: ignore[union-attr]
    assert not (project / "one.txt").exists()
    with OpenAIServer(GOOD) as server:
        ended, _ = run(project, server.url, stream=stream)
    assert ended is ExitCode.OK
    assert (project / "one.txt").read_text() == "PLUM\n"


@contextmanager
def plugged_in(turns: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that is a process of its own: with it its connections go."""
    command = [sys.executable, str(Path(server_of.__file__)), str(turns), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_server_that_is_unplugged_pauses_the_run_and_plugged_in_again_it_goes_on(project: Path) -> None:
    write = {"tool": "write_file", "arguments": {"path": "one.txt", "content": "PLUM\n"}}
    turns = project.parent / "turns.json"
    turns.write_text(json.dumps({"conversations": [{"turns": [{"tool_calls": [write]}, {"text": "Done."}]}]}))
    with plugged_in(turns) as (process, url):

        def unplug(call: ToolCall, preview: Preview) -> Decision:
            process.kill()
            process.wait()
            return approve(call, preview)

        stopped, heard = run(project, url, clutch=ScriptedClutch([unplug]))
    assert isinstance(stopped, ConductorError) and stopped.exit_code is ExitCode.MODEL
    assert "refuses connections" in str(stopped) or "closed the connection" in str(stopped)
    kinds = [event.kind for event in heard if event.kind != "request_failed"]
    assert kinds[-4:] == ["call_finished", "code_changed", "ticket_paused", "run_paused"]
    assert (project / "one.txt").read_text() == "PLUM\n"
    with plugged_in(turns, port=int(url.split(":")[2].partition("/")[0])) as (_, same_url):
        ended, heard = run(project, same_url)
    assert (ended, same_url) == (ExitCode.OK, url)
    assert [event.kind for event in heard].count("model_replied") == 1, "what was answered before is not asked again"


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tool_arguments_of_ten_megabytes_are_a_call_like_any_other(project: Path, stream: bool) -> None:
    """It is reviewed and runs; then the conversation fits no window, which is said of the ticket."""
    big = Reply("", [Call("write_file", {"path": "one.txt", "content": "PLUM\n" + "x" * 10_000_000})], piece=100_000)
    with OpenAIServer([big, Reply("Done.")]) as server:
        ended, heard = run(project, server.url, stream=stream)
    assert ended is ExitCode.TICKETS_FAILED
    assert (project / "one.txt").stat().st_size == 10_000_005
    (failed,) = [event.data.reason for event in heard if isinstance(event.data, events.TicketFailed)]
    assert "tokens do not fit" in failed


@contextmanager
def untrusted_host(folder: Path) -> Iterator[str]:
    """A host with a certificate it made itself."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.close()


def test_a_certificate_nobody_vouches_for_is_said_at_once(project: Path, quick: list[float]) -> None:
    with untrusted_host(project.parent) as url:
        stopped, _ = run(project, url)
    assert isinstance(stopped, ConductorError) and stopped.exit_code is ExitCode.MODEL
    assert "certificate that cannot be trusted" in str(stopped)
    assert quick == []
