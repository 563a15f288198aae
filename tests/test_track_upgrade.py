from __future__ import annotations

from pathlib import Path

import pytest

from conductor.errors import InvalidFile
from conductor.toml_source import read_toml
from conductor.track_file import SCHEMA
from conductor.track_upgrade import STEPS, upgrade_track

OLD = '# mine\nid = "t"   # kept\n\n[[tickets]]\nid = "T1"\n'


@pytest.mark.parametrize("text", [OLD, "\ufeff" + OLD, OLD.replace("\n", "\r\n"), ""])
def test_a_file_without_a_schema_gets_one_and_stays_as_it_was(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    done = upgrade_track(path, dry_run=False)

    assert path.read_bytes().decode().removeprefix("\ufeff").endswith(text.removeprefix("\ufeff"))
    assert path.read_bytes().startswith(b"\xef\xbb\xbf") == text.startswith("\ufeff")
    assert read_toml(path).data["schema"] == 1
    assert path.stat().st_mode & 0o777 == 0o640
    assert done.copy and done.copy.read_bytes() == text.encode()
    after = path.read_bytes()
    assert upgrade_track(path, dry_run=False).steps == ()
    assert path.read_bytes() == after


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(OLD)

    assert len(upgrade_track(path, dry_run=True).steps) == 1
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("t.toml", OLD)]


@pytest.mark.parametrize("schema", ["2", '"1"', "99"])
def test_a_later_schema_is_refused_with_its_line(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(f"# x\nschema = {schema}\n")

    with pytest.raises(InvalidFile, match=r"t\.toml:2: schema: is "):
        upgrade_track(path, dry_run=False)
    assert path.read_text() == f"# x\nschema = {schema}\n"


def test_the_last_step_leads_to_what_is_read() -> None:
    assert [step.schema for step in STEPS] == list(range(1, SCHEMA + 1))
