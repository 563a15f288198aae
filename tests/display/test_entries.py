from __future__ import annotations

import re

import pytest

from conductor import events
from conductor.display.entries import in_words, line
from conductor.events import KINDS, Payload
from conductor.journal import Journal
from conductor.stores.memory import MemoryStore
from tests.test_events import sample

NESTED = {"context_built", "model_replied", "calls_offered", "gate_finished"}  # of these more than strings is needed
HASH = "70f490ce514cb1be538a7d3f1a596d5e893f189ec27257846379c293363cbff3"


@pytest.mark.parametrize(
    "kind", sorted(set(KINDS) - {"context_built", "model_replied", "calls_offered", "gate_finished"})
)
def test_every_kind_has_a_line(kind: str) -> None:
    (event,) = Journal(MemoryStore(), "t").record(sample(KINDS[kind]), ticket_id="T1")
    said = line(event)
    assert re.match(rf" {{4}}1 \d\d:\d\d:\d\d T1     {kind}", said)
    assert "\n" not in said and "\ud800" not in said and "{" not in said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            events.ContextBuilt([{"role": "user", "content": "x" * 1200}], shown=[{"path": "a.py"}]),
            "1,200 characters · a.py",
        ),
        (
            events.ModelReplied(
                "m",
                "Let me see.\nAnd more.",
                [{"call_id": "c", "tool": "read_file", "arguments": {"path": "a.py"}}],
                "stop",
                {"input_tokens": 1_000, "output_tokens": 234, "usd": 0.5},
                0.1,
            ),
            "Let me see. · read_file a.py · 1,234 tokens, $0.5000",
        ),
        (events.CodeChanged("c", "a.py", "", HASH), "a.py · no file -> 70f490ce"),
        (events.RunPaused("ticket T1 waits at the clutch", 3, ["T1"]), "ticket T1 waits at the clutch · exit code 3"),
        (events.TicketCompleted(), ""),
    ],
)
def test_what_entries_say(data: Payload, said: str) -> None:
    assert in_words(data) == said


def test_what_a_model_says_cannot_command_the_terminal() -> None:
    (event,) = Journal(MemoryStore(), "t").record(events.WorkerTold("\x1b]0;gone\x07 to do"), ticket_id="T1")
    assert "\x1b" not in line(event) and "to do" in line(event)
