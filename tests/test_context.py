"""The opening of a conversation: what a worker is shown of the code, and what it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor.context import MAX_TARGET_CHARACTERS, estimate_tokens, messages_of, opening
from conductor.errors import Refused
from conductor.messages import Message
from conductor.models import Archetype, Ticket, TrustLevel
from conductor.tools.workspace import Workspace

CODER = Archetype("coder", TrustLevel.STEP, ("read_file",), 5, "Be careful.")
LIBRARY = '''\
class Session:
    """Talks to the database."""

    def commit(self, force: bool = False) -> None:
        self._secret_detail = 1

    def rollback(self) -> None:
        self._other_detail = 2
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "lib.py").write_text(LIBRARY)
    return tmp_path.resolve()


def opened(root: Path, **fields: object) -> tuple[str, str, list[str]]:
    planned: dict[str, object] = {"target_file": "a.py", **fields}
    ticket = Ticket("T1", "Make it so", prompt="Do the thing.", **planned)  # type: ignore[arg-type]
    built = opening(ticket, CODER, Workspace(root))
    system, user = messages_of(built)
    return system.content, user.content, list(built.notices)


def test_the_target_is_shown_raw_and_the_prompt_stands_before_it(root: Path) -> None:
    system, user, notices = opened(root, verify="pytest -q")
    assert system.startswith("Be careful.")
    assert user.startswith("# Ticket T1: Make it so\n\nDo the thing.")
    assert "`pytest -q`" in user
    assert "## a.py (raw)\n```python\nA = 1\n```" in user
    assert notices == []


def test_context_files_are_shown_as_skeletons(root: Path) -> None:
    _, user, _ = opened(root, context=("lib.py",))
    assert "def commit(self,force:bool=False)->None" in user.replace(" ", "").replace("def", "def ")
    assert "detail" not in user


def test_marked_context_files_are_shown_curated(root: Path) -> None:
    (root / "lib.py").write_text(LIBRARY.replace("= 1", "= 1  # [HOT]"))
    _, user, _ = opened(root, context=("lib.py",))
    assert "_secret_detail" in user
    assert "_other_detail" not in user


def test_a_symbol_is_shown_whole_and_alone(root: Path) -> None:
    _, user, _ = opened(root, context=("lib.py::Session.commit",))
    assert "_secret_detail" in user
    assert "rollback" not in user


def test_a_symbol_that_is_not_there_is_said_not_guessed(root: Path) -> None:
    _, user, notices = opened(root, context=("lib.py::Session.comit",))
    assert "not shown" in user
    assert "Session.comit" in notices[0]


def test_a_target_that_is_still_to_be_made(root: Path) -> None:
    _, user, _ = opened(root, target_file="new/module.py")
    assert "## new/module.py (does not exist yet)" in user


def test_a_target_beyond_measure_is_shown_curated_and_said(root: Path) -> None:
    body = "def big():\n" + "    x = 1\n" * (MAX_TARGET_CHARACTERS // 8)
    (root / "a.py").write_text(body)
    _, user, notices = opened(root)
    assert len(user) < 5_000
    assert "curated" in notices[0]


def test_a_fence_in_the_file_does_not_end_the_fence_around_it(root: Path) -> None:
    (root / "a.md").write_text("# Hi\n```python\nx\n```\n")
    _, user, _ = opened(root, target_file="a.md")
    assert "````md\n# Hi\n```python\nx\n```\n````" in user


def test_protected_and_missing_context_is_refused(root: Path) -> None:
    for entry in ("conductor.toml", "../x.py", "gone.py"):
        with pytest.raises(Refused):
            opened(root, context=(entry,))


def test_tokens_are_a_quarter_of_the_characters() -> None:
    assert estimate_tokens([Message("user", "x" * 397)]) == 100
