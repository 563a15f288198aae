"""The configurations of docs/models.md: each is read, and each that speaks OpenAI's protocol runs a track."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import conductor
from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ExitCode
from conductor.llm.gateway import Gateway
from conductor.plan import load_plan
from conductor.settings import configured
from tests.openai_server import Call, OpenAIServer, Reply
from tests.test_weather import TRACK

PAGE = (Path(conductor.__file__).parents[1] / "docs" / "models.md").read_text()
BLOCKS = [
    block
    for block in re.findall(r"```toml\n(.*?)```", PAGE.partition("## A server of your own")[2], re.S)
    if "default_cheap" in block
]
OWN_PROTOCOL = ("anthropic/", "gemini/")


def name_of(block: str) -> str:
    return str(tomllib.loads(block)["models"]["default"])


def test_they_are_all_there() -> None:
    assert len(BLOCKS) == 7


@pytest.mark.parametrize("block", BLOCKS, ids=name_of)
def test_it_is_read_and_its_models_open(block: str) -> None:
    models = configured(tomllib.loads(block)).models
    for name in (models.default, models.default_cheap):
        assert Gateway(models.api_base).open(name).name == name


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if not name_of(block).startswith(OWN_PROTOCOL)], ids=name_of
)
def test_it_runs_a_track(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.setenv(variable, "sk-test")
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    (tmp_path / "track.toml").write_text(TRACK)
    turns = [Reply("", [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})]), Reply("Done.")]
    with OpenAIServer(turns) as server:
        here = re.sub(r"api_base = .*\n", "", block) + f'api_base = "{server.url}"\n'
        (tmp_path / "user" / "config.toml").write_text(here)
        with build_engine(load_plan(tmp_path / "track.toml", tmp_path), ScriptedClutch([approve] * 5)) as engine:
            assert engine.run() is ExitCode.OK
        asked = server.requests[0]["model"]
    assert asked and name_of(block).endswith(asked)
    assert (tmp_path / "one.txt").read_text() == "PLUM\n"
