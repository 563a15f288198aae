"""What a few calls find out of a model, and that it is kept and used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conductor.llm.findings import Ability, findings, findings_file, keep, keep_refused, refused_windows
from conductor.llm.gateway import Gateway
from conductor.llm.listing import stated_window
from conductor.llm.probe import probe
from tests.e2e.driver import run_command
from tests.openai_server import Answer, Call, Fault, OpenAIServer, Reply, error_body

WANTED = 'She said "hello"\nand left.'


class Server:
    """A server with or without tools, whose window holds `window` tokens; what is longer loses its beginning.

    A forgetful model knows no word of a long text.
    """

    def __init__(self, window: int, *, tools: bool = True, text: str = WANTED, forgetful: bool = False) -> None:
        self.window, self.tools, self.text, self.forgetful = window, tools, text, forgetful

    def __call__(self, body: dict[str, Any]) -> Answer:
        said = "\n".join(str(message["content"]) for message in body["messages"])
        if "tools" in body:
            if not self.tools:
                return Fault(400, error_body("tiny does not support tools", "api_error"))
            return Reply("", [Call("note", {"text": self.text})])
        if "<tool_call>" in said:
            call = json.dumps({"name": "note", "arguments": {"text": self.text}})
            return Reply(f"<tool_call>\n{call}\n</tool_call>")
        if "code word" in said:
            kept = said[-self.window * 4 :]
            known = "PLUM-4711" in kept and not self.forgetful
            return Reply("PLUM-4711" if known else "I do not know.", input_tokens=len(kept) // 4 - 3)
        return Reply("one two three four five six seven eight nine ten")


def probed(script: Server) -> Ability:
    with OpenAIServer(script) as server:
        gateway = Gateway(api_base=server.url)
        from msgspec.structs import replace

        return probe(
            lambda protocol, on_text: replace(gateway, protocol=protocol, stream=on_text is not None).open(
                "openai/tiny", on_text=on_text
            )
        )


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "none")


def test_a_model_with_everything() -> None:
    assert probed(Server(100_000)) == Ability("native", True, True, 0, 32_768)


def test_a_small_model_without_tools() -> None:
    assert probed(Server(9_000, tools=False)) == Ability("text", True, True, 8_192, 8_192)


def test_a_model_that_forgets_what_its_server_counted_has_a_window_all_the_same() -> None:
    assert probed(Server(9_000, forgetful=True)).window == 8_192
    assert probed(Server(100_000, forgetful=True)) == Ability("native", True, True, 0, 32_768)


@pytest.mark.parametrize(
    ("listed", "window"),
    [
        ({"data": [{"id": "tiny", "meta": {"n_ctx": 8192, "n_ctx_train": 32768}}]}, 8192),
        ({"data": [{"id": "other", "max_model_len": 1}, {"id": "tiny", "max_model_len": 4096}]}, 4096),
        ({"data": [{"id": "whatever", "context_length": 2048}]}, 2048),
        ({"data": [{"id": "one"}, {"id": "two", "context_length": 2048}]}, 0),
        ({"data": [{"id": "tiny", "meta": None, "context_length": "long"}, 3]}, 0),
        ({"data": 3}, 0),
        ([], 0),
        (None, 0),
    ],
)
def test_a_window_is_what_the_server_says_in_its_list(listed: object, window: int) -> None:
    with OpenAIServer([Reply("hi")], models=listed) as server:
        assert stated_window(server.url, "openai/tiny") == window
    assert stated_window(server.url, "openai/tiny") == 0, "nobody is there any more"


def test_arguments_that_come_out_wrong() -> None:
    assert not probed(Server(100_000, text="She said hello and left.")).json


def test_findings_are_kept_by_address_and_model_and_damage_is_nothing() -> None:
    found = Ability("text", True, False, 8_192, 8_192)
    keep("http://a/v1", "openai/tiny", found)
    keep("", "openai/tiny", Ability("native", True, True, 0, 4_096))
    assert findings("http://a/v1") == {"openai/tiny": found}
    assert findings("")["openai/tiny"].tools == "native"
    for damage in ("{", "[]", '{"http://a/v1": {"openai/tiny": {"tools": 3}}}', '{"http://a/v1": 7}'):
        findings_file().write_text(damage)
        assert findings("http://a/v1") == {}
    keep("http://a/v1", "openai/tiny", found)
    assert findings("http://a/v1") == {"openai/tiny": found}


def test_a_window_that_a_server_named_is_kept_beside_a_probe_until_the_next_one() -> None:
    found = Ability("text", True, False, 8_192, 8_192)
    keep_refused("http://a/v1", "openai/other", 2_048)
    keep("http://a/v1", "openai/tiny", found)
    keep_refused("http://a/v1", "openai/tiny", 4_096)
    assert refused_windows("http://a/v1") == {"openai/other": 2_048, "openai/tiny": 4_096}
    assert findings("http://a/v1") == {"openai/tiny": found}
    keep("http://a/v1", "openai/tiny", found)
    assert refused_windows("http://a/v1") == {"openai/other": 2_048}
    findings_file().write_text("{")
    assert refused_windows("http://a/v1") == {}


def test_the_command_says_it_and_the_context_uses_it(tmp_path: Path) -> None:
    project, settings = tmp_path / "project", tmp_path / "settings"
    (project / "tracks").mkdir(parents=True)
    settings.mkdir()
    (project / "a.py").write_text("A = 1\n")
    (project / "tracks" / "t.toml").write_text(
        'schema = 1\nid = "t"\ntitle = "T"\n[[tickets]]\nid = "T1"\ntitle = "T"\ntarget_file = "a.py"\nprompt = "Do."\n'
    )
    environ = {**os.environ, "CONDUCTOR_CONFIG_HOME": str(settings)}
    with OpenAIServer(Server(9_000, tools=False)) as server:
        models = f'[models]\ndefault = "openai/tiny"\napi_base = "{server.url}"\n'
        (settings / "config.toml").write_text(models)
        done = run_command(project, "doctor", "--probe", "openai/tiny", env=environ)
        assert done.returncode == 0, done.stderr
        assert "tools      in its text only" in done.stdout
        assert "window     about 8,192 tokens" in done.stdout
        shown = run_command(project, "context", "T1", env=environ).stdout
        assert "8,192 tokens, measured by conductor doctor --probe" in shown
    with OpenAIServer(Server(9_000), models={"data": [{"id": "tiny", "max_model_len": 9_000}]}) as server:
        settings.joinpath("config.toml").write_text(f'[models]\napi_base = "{server.url}"\n')
        done = run_command(project, "doctor", "--probe", "openai/tiny", env=environ)
        assert "window     9,000 tokens, its server says" in done.stdout
        assert len(server.requests) == 2, "none of them long"
    gone = run_command(project, "doctor", "--probe", "openai/nobody", env=environ | {"CONDUCTOR_API_BASE": "http://x"})
    assert gone.returncode != 0
    assert "Traceback" not in gone.stderr
