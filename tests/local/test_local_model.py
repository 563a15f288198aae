"""A real model that you serve yourself: `make test-local API_BASE=... MODEL=...`. What it got right is printed.

Only what Conductor promises is asserted: that a run ends in an orderly way, and that hints keep the rules. How good
the model is stands in the scores.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conductor.app import build_engine
from conductor.clutch.scripted import ScriptedClutch, approve
from conductor.errors import ConductorError
from conductor.events import Event
from conductor.llm.gateway import Gateway
from conductor.messages import Message
from conductor.plan import load_plan
from conductor.qa.analyser import analyse
from conductor.qa.base import Hint
from conductor.qa.inspector import Inspector
from tests.qa.test_analyser import Case, corpus, recorded
from tests.test_weather import TRACK

API_BASE, MODEL = os.environ.get("CONDUCTOR_LOCAL_API_BASE", ""), os.environ.get("CONDUCTOR_LOCAL_MODEL", "")
Record = Callable[[str, object], None]
pytestmark = pytest.mark.skipif(not (API_BASE and MODEL), reason="no local model is named: see make test-local")


def gateway(*, stream: bool = False) -> Gateway:
    return Gateway(API_BASE, stream=stream, timeout_s=600, max_output_tokens=1000)


def test_streaming(record_property: Record) -> None:
    heard: list[str] = []
    said = gateway(stream=True).open(MODEL, on_text=heard.append).complete([Message("user", "Count to five.")], [])
    record_property("score", f"{len(heard)} pieces, {said.usage.output_tokens} tokens in {said.asked_s:.1f} s")
    assert "".join(heard) == said.text


def test_hints(record_property: Record) -> None:
    """Of the corpus where it is there, else of recorded runs: every third case, the built-in analyser beside it."""
    cases = corpus()[::3] or recorded()[::11]
    inspector = Inspector(gateway().open(MODEL), timeout_s=300)
    hints = [inspector.hint(case.run) for case in cases]
    used = [(case, hint) for case, hint in zip(cases, hints, strict=True) if hint.source == "model"]
    causes, files = (sum(map(said, used)) for said in (_mentions, _names))
    floor = sum(case.mentions(analyse(case.run)) for case in cases)
    reasons = Counter(hint.note.partition(":")[0].partition(" which")[0] for hint in hints if hint.note)
    record_property("score", f"{len(used)} of {len(cases)} hints usable; refused: {dict(reasons)}")
    record_property(
        "score", f"cause {causes}, right file {files} of {len(used)}; built-in: cause {floor} of {len(cases)}"
    )
    for case, hint in zip(cases, hints, strict=True):
        print(f"{case.id}: [{hint.source}] {hint.text}")
    assert all(1 <= len(hint.text.split()) <= 20 for hint in hints)
    assert not any(case.invented(hint.text) for case, hint in used)


def _mentions(used: tuple[Case, Hint]) -> bool:
    return used[0].mentions(used[1].text)


def _names(used: tuple[Case, Hint]) -> bool:
    return used[0].names_file(used[1].text)


def test_a_track_in_a_window_of_8k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Record) -> None:
    monkeypatch.setenv("CONDUCTOR_CONFIG_HOME", str(tmp_path / "user"))
    (tmp_path / "user").mkdir()
    settings = f'default = "{MODEL}"\ndefault_cheap = "{MODEL}"\napi_base = "{API_BASE}"\ncontext_window = 8192\n'
    (tmp_path / "user" / "config.toml").write_text(f"[models]\n{settings}[archetypes.coder]\nmax_turns = 8\n")
    (tmp_path / "track.toml").write_text(TRACK.replace("Write PLUM.", "Write the word PLUM into the file one.txt."))
    heard: list[Event] = []
    plan = load_plan(tmp_path / "track.toml", tmp_path)
    with build_engine(plan, ScriptedClutch([approve] * 50), listeners=[heard.append]) as engine:
        try:
            ended = str(int(engine.run()))
        except ConductorError as stop:
            ended = f"{int(stop.exit_code)}: {stop}"
    calls = sum(event.kind == "call_finished" for event in heard)
    turns = sum(event.kind == "model_replied" for event in heard)
    record_property("score", f"exit {ended} after {turns} turns and {calls} calls")
    assert turns
