"""Where a run is, by what it journals."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.clutch.scripted import approve
from conductor.display.whereabouts import Whereabouts
from conductor.errors import ModelError, NeedsHuman
from conductor.messages import Aborted
from conductor.models import Ticket
from tests.bench import Bench, ListModel, Turn, calls

SHELL = calls(("run_shell", {"command": "exit 1"}))


@pytest.mark.parametrize(
    ("turns", "answers", "error", "stage"),
    [
        ([ModelError("no")], [], ModelError, "model"),
        ([SHELL], [Aborted()], NeedsHuman, "review"),
        ([SHELL, ModelError("no")], [approve], ModelError, "model"),
    ],
)
def test_stages(tmp_path: Path, turns: list[Turn], answers: list[object], error: type[Exception], stage: str) -> None:
    bench = Bench(tmp_path, lambda: [Ticket("T1", "Title", "a.py", "Do it.")], ListModel({"T1": turns}))
    with pytest.raises(error):
        bench.engine(answers).run()  # type: ignore[arg-type]
    where = Whereabouts("t")
    for event in bench.heard:
        where(event)

    known = {"track": "t", "ticket": "T1", "stage": stage, "event": bench.heard[-1].event_id}
    assert where.known() == (known | {"model": "list"} if stage == "model" else known)
