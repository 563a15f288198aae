"""Tools of MCP servers: our own tiny one, honest and not; and two of the public ones (marked network)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode, Refused
from conductor.messages import Effect, ToolResult
from conductor.models import TrustLevel
from conductor.plan import load_plan
from conductor.reading import entries_of
from conductor.tools.mcp.base import Server
from conductor.tools.mcp.schema import mistakes
from conductor.tools.mcp.servers import McpServers
from conductor.tools.mcp.tool import tool_name
from conductor.tools.registry import choose
from conductor.tools.workspace import Workspace
from conductor.trust import TrustStore

SCRIPT = str(Path(__file__).with_name("mcp_server.py"))


class Bench:
    """Servers in a project, with a trust store of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.book = TrustStore(root / "user")
        self.said: list[str] = []
        self.opened: list[McpServers] = []
        self.environ: Mapping[str, str] = dict(os.environ)

    def servers(self, *servers: Server, start: bool = True) -> McpServers:
        made = McpServers(
            servers,
            self.book,
            cwd=self.root,
            logs=self.root / "logs",
            environ=self.environ,
            say=self.said.append,
            start=start,
        )
        self.opened.append(made)
        return made

    def tools(self, server: Server, *names: str) -> dict[str, Any]:
        return self.servers(server).tools(names or (f"mcp:{server.name}",))

    def action(self, tool: Any, arguments: Mapping[str, Any]) -> Any:
        return tool.prepare(Workspace(self.root), arguments)

    def run(self, tool: Any, **arguments: Any) -> ToolResult:
        return self.action(tool, arguments).run()


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    made = Bench(tmp_path)
    yield made
    for servers in made.opened:
        servers.close()


def tiny(timeout_s: float = 20, **env: str) -> Server:
    return Server("tiny", sys.executable, (SCRIPT,), env=env, timeout_s=timeout_s)


@pytest.fixture
def address() -> Generator[str]:
    process = subprocess.Popen([sys.executable, SCRIPT, "http"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_servers_tools_are_tools_like_others_but_never_believed(bench: Bench) -> None:
    tools = bench.tools(tiny())

    assert len(tools) == 9
    echo = tools["mcp__tiny__echo"]
    assert echo.effect is echo.spec.effect is Effect.UNSAFE
    assert "Say it again." in echo.spec.description
    assert bench.run(echo, text="hä") == ToolResult('{"text": "h\\u00e4"}')
    assert (bench.root / "logs" / "mcp-tiny.log").read_text() == "I am up\n"


def test_one_tool_of_a_server_can_be_named_and_others_are_chosen_as_ever(bench: Bench) -> None:
    chosen = choose(["mcp:tiny/echo", "search"], bench.servers(tiny()).tools)

    assert list(chosen) == ["search", "read_output", "mcp__tiny__echo"]


def test_names_are_what_models_accept_and_unique(bench: Bench) -> None:
    names = list(bench.tools(tiny()))

    assert all(len(name) <= 64 and name.isascii() and " " not in name and "/" not in name for name in names)
    long = tool_name("s", "x" * 100, {})
    assert len(long) == 64
    assert tool_name("s", "x" * 101, {}) != long
    assert tool_name("s", "a", {"mcp__s__a": 1}) != "mcp__s__a"


def test_arguments_are_checked_by_the_schema(bench: Bench) -> None:
    echo = bench.tools(tiny())["mcp__tiny__echo"]

    for wrong in ({}, {"text": 7}, {"text": "a", "more": 1}):
        with pytest.raises(Refused, match="mcp__tiny__echo: the arguments are not right"):
            bench.action(echo, wrong)


def test_first_use_shows_the_servers_words_and_asks_once(bench: Bench) -> None:
    echo = bench.tools(tiny(WORDS="Say \u202eagain."))["mcp__tiny__echo"]

    action = bench.action(echo, {"text": "a\x1b"})
    assert action.must_ask
    assert not action.inside
    assert "FIRST USE" in action.notices[0]
    assert "server: tiny (" in action.text
    assert "Say <U+202E>again." in action.text
    assert "\x1b" not in action.text
    assert bench.action(echo, {"text": "a"}).must_ask  # looking at it accepts nothing
    action.run()
    again = bench.action(echo, {"text": "a"})
    assert not again.must_ask
    assert "again." not in again.text


def test_a_changed_tool_stops_until_the_difference_was_seen(bench: Bench) -> None:
    bench.run(bench.tools(tiny())["mcp__tiny__echo"], text="a")
    changed = bench.tools(tiny(WORDS="Say it, and mail it."))["mcp__tiny__echo"]

    assert "mail" not in changed.spec.description
    action = bench.action(changed, {"text": "a"})
    assert action.must_ask
    assert "CHANGED" in action.notices[0]
    assert "-Say it again.\n+Say it, and mail it." in action.text
    unfit = bench.action(changed, {"words": "a"})
    assert not unfit.run().ok
    assert not bench.action(changed, {"text": "a"}).must_ask
    assert "mail" in changed.spec.description


def test_the_environment_holds_no_credentials_but_those_named(bench: Bench) -> None:
    bench.environ = {**os.environ, "OTHER_API_KEY": "s3cret-other", "MY_TOKEN": "s3cret-mine"}
    said = bench.run(bench.tools(tiny(KEY="t:${MY_TOKEN}"))["mcp__tiny__env"])
    whole = said.text + said.stdout.decode()

    assert "t:s3cret-mine" in whole
    assert "s3cret-other" not in whole
    assert list(bench.tools(tiny(KEY="${NOT_THERE}"))) == ["mcp__tiny__env"]  # it was accepted before
    assert "NOT_THERE, which its configuration names, is not set" in bench.said[0]


def test_what_is_no_text_is_named(bench: Bench) -> None:
    said = bench.run(bench.tools(tiny())["mcp__tiny__mixed"]).text

    assert said.startswith("seen ?\n[left out: image, image/png, 3 bytes]\n[file:///a]\ninside\n")
    assert "'hologram'" in said
    assert "cannot be read" in said


def test_a_long_answer_is_kept_whole_and_shown_in_part(bench: Bench) -> None:
    said = bench.run(bench.tools(tiny())["mcp__tiny__huge"])

    assert said.ok
    assert len(said.text) < 7_000
    assert "read_output has them" in said.text
    assert said.stdout == b"x" * 100_000 + b"END"


def test_an_error_of_a_tool_is_a_result(bench: Bench) -> None:
    said = bench.run(bench.tools(tiny())["mcp__tiny__fails"])
    assert (said.ok, said.text) == (False, "no such thing")


def test_a_slow_server_is_a_result_and_goes_on(bench: Bench) -> None:
    tools = bench.tools(tiny())
    servers = bench.opened[0]
    live = servers._live["tiny"].session  # to shorten its patience once it is up
    live._timeout_s = 0.3

    said = bench.run(tools["mcp__tiny__slow"])
    assert not said.ok
    assert "did not answer in time" in said.text
    live._timeout_s = 20
    assert bench.run(tools["mcp__tiny__echo"], text="still here").ok


@pytest.mark.parametrize(("how", "told"), [("die", "it ended"), ("garbage", "no JSON")])
def test_a_server_that_breaks_is_a_result_until_the_next_ticket(bench: Bench, how: str, told: str) -> None:
    servers = bench.servers(tiny())
    tools: dict[str, Any] = dict(servers.tools(["mcp:tiny"]))

    for name, arguments in ((how, {}), ("echo", {"text": "a"})):
        said = bench.run(tools[f"mcp__tiny__{name}"], **arguments)
        assert not said.ok
        assert told in said.text
    assert bench.run(servers.tools(["mcp:tiny"])["mcp__tiny__echo"], text="new").ok


@pytest.mark.parametrize(
    "server",
    [
        Server("x", "/nowhere/to/be/found"),
        Server("x", "true"),
        Server("x", "echo", ("hello",)),
        Server("x", "sleep", ("9",), timeout_s=0.2),
        Server("x", sys.executable, (SCRIPT,), env={"VERSION": "1999-01-01"}),
        Server("x", url="http://127.0.0.1:9/mcp"),
        Server("x", url="http://[::1"),
    ],
    ids=lambda server: server.where[-20:],
)
def test_a_server_that_cannot_be_used_is_said_and_has_no_tools(bench: Bench, server: Server) -> None:
    assert bench.tools(server) == {}
    assert len(bench.said) == 1


def test_without_its_server_an_accepted_tool_is_still_known(bench: Bench) -> None:
    bench.run(bench.tools(tiny())["mcp__tiny__echo"], text="a")

    known: Mapping[str, Any] = bench.servers(tiny(), start=False).tools(["mcp:tiny"])
    assert list(known) == ["mcp__tiny__echo"]
    said = bench.run(known["mcp__tiny__echo"], text="a")
    assert (said.ok, said.text) == (False, "The MCP server tiny gave no result: it was not started")


def test_the_process_ends_with_the_run(bench: Bench) -> None:
    servers = bench.servers(tiny())
    servers.tools(["mcp:tiny"])
    process = servers._live["tiny"].session._channel._process  # type: ignore[attr-defined]
    assert process.poll() is None
    servers.close()
    assert process.poll() is not None


def test_a_server_over_http(bench: Bench, address: str) -> None:
    bench.environ = {**os.environ, "WEB_TOKEN": "key"}
    web = Server("web", url=address, headers={"Authorization": "Bearer ${WEB_TOKEN}"}, timeout_s=10)
    tools = bench.tools(web)

    assert bench.run(tools["mcp__web__echo"], text="a") == ToolResult('{"text": "a"}')
    assert len(bench.run(tools["mcp__web__huge"]).stdout) == 100_003
    said = bench.run(tools["mcp__web__die"])
    assert not said.ok
    bench.tools(Server("web", url=address))
    assert "the MCP server web cannot be used" in bench.said[-1]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": 7}, "schema"),
        ({"$ref": "#"}, "cannot be followed"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "cannot be"),
        ({"properties": {"a": {"pattern": "(a|a|b?)*c|(.*.*.*.*.*)x$"}}}, ""),
        ({"properties": {"a": {"pattern": "("}}}, "schema"),
    ],
)
def test_a_strangers_schema_is_no_crash(schema: dict[str, Any], told: str) -> None:
    found = mistakes(schema, {"a": "a" * 5_000})
    assert found
    assert told in found[0]


def test_a_run_at_auto_still_asks_about_a_tool_nobody_has_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, user = tmp_path.resolve() / "project", tmp_path / "user"
    project.mkdir()
    user.mkdir()
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(user))
    (user / "config.toml").write_text(
        f'[models]\ndefault = "scripted:answers.json"\ndefault_cheap = "scripted:answers.json"\n'
        f'[mcp.tiny]\ncommand = "{sys.executable}"\nargs = ["{SCRIPT}"]\n'
        '[archetypes.coder]\ntools = ["mcp:tiny/echo"]\n'
    )
    turns = [{"tool_calls": [{"tool": "mcp__tiny__echo", "arguments": {"text": word}}]} for word in ("first", "second")]
    script = {"schema": 1, "conversations": [{"match": "", "turns": [*turns, {"text": "Done."}]}]}
    (project / "answers.json").write_text(json.dumps(script))
    (project / "track.toml").write_text(
        'schema = 1\nid = "t"\ntitle = "T"\n[[tickets]]\nid = "T1"\ntitle = "A"\nprompt = "B"\ntarget_file = "a.py"\n'
    )
    plan = load_plan(project / "track.toml", project, level=TrustLevel.AUTO)
    with build_engine(plan, ScriptedClutch([approve])) as engine:
        assert engine.run() is ExitCode.OK
    finished = [event.data for event in entries_of(plan) if event.kind == "call_finished"]
    asked = [event.data.outcome_unknown for event in entries_of(plan) if event.kind == "call_proposed"]
    assert [call.outcome for call in finished] == ["ok", "ok"]
    assert not any(asked)
    decided = [event.data.by for event in entries_of(plan) if event.kind == "call_decided"]
    assert decided[0] == "scripted"
    assert decided[1] == "trust:auto"
    assert (project / ".conductor" / "logs" / "mcp-tiny.log").exists()


@pytest.mark.network
def test_public_servers(bench: Bench, tmp_path: Path) -> None:
    packages = [f"@modelcontextprotocol/server-{name}" for name in ("filesystem", "everything")]
    prefix = tmp_path / "npm"
    subprocess.run(
        ["npm", "install", "--no-audit", "--prefix", str(prefix), *packages], check=True, capture_output=True
    )
    programs = prefix / "node_modules" / ".bin"
    (bench.root / "a.txt").write_text("from the file\n")

    files = bench.tools(Server("files", str(programs / "mcp-server-filesystem"), (str(bench.root),)))
    assert bench.run(files["mcp__files__read_text_file"], path=str(bench.root / "a.txt")).text == "from the file\n"
    outside = bench.run(files["mcp__files__read_text_file"], path="/etc/passwd")
    assert not outside.ok

    everything = bench.tools(Server("all", str(programs / "mcp-server-everything")))
    assert "hello" in bench.run(everything["mcp__all__echo"], message="hello").text
