from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from conductor.errors import NeedsHuman, Refused, TargetChanged
from conductor.tools.workspace import MAX_FILE_BYTES, Workspace


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob(".?*.conductor"))


@pytest.mark.parametrize("path", ["src/a.py", "./src/a.py", "src/../src/a.py", "src//a.py", "src/deep/../a.py"])
def test_ways_to_write_a_path_inside(workspace: Workspace, project: Path, path: str) -> None:
    assert workspace.resolve(path) == project / "src/a.py"


def test_absolute_paths_count_by_where_they_lead(workspace: Workspace, project: Path) -> None:
    assert workspace.resolve(str(project / "src/a.py")) == project / "src/a.py"
    with pytest.raises(Refused, match="outside"):
        workspace.resolve(str(project.parent / "secret.txt"))


def test_a_path_through_a_link_to_the_project_is_inside(workspace: Workspace, project: Path) -> None:
    (project.parent / "alias").symlink_to(project)

    assert workspace.resolve(str(project.parent / "alias/src/a.py")) == project / "src/a.py"
    assert workspace.resolve("../alias/src/a.py") == project / "src/a.py"
    with pytest.raises(Refused, match="protected"):
        workspace.resolve("../alias/.git/config")


@pytest.mark.parametrize(
    "path",
    ["..", "../secret.txt", "src/../../secret.txt", "/etc/passwd", "../project-2/x", "~", "~/x", "~root/x"],
)
def test_paths_outside_are_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(Refused):
        workspace.resolve(path)


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 4000, "a\nb", "a\x1b[2Kb", "a\u2028b", "\ud800", "a/\x7f"])
def test_what_is_no_path_is_refused_without_repeating_it_raw(workspace: Workspace, path: str) -> None:
    with pytest.raises(Refused, match="not a path") as caught:
        workspace.resolve(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "path",
    [
        *(".git", ".git/config", ".GIT/config", "src/../.git/x", ".git/hooks/new", "src/.git/hooks/post-commit"),
        *(".conductor", ".Conductor/journal.db", "conductor.toml", "./conductor.toml", "CONDUCTOR.TOML"),
        *("tracks/t.toml", "tracks/T.toml", "tracks/../tracks/t.toml", ".g\u200cit/config", "conductor\u200d.toml"),
    ],
)
def test_protected_paths_are_refused_however_they_are_written(workspace: Workspace, path: str) -> None:
    with pytest.raises(Refused, match="protected"):
        workspace.resolve(path)


def test_a_protected_name_is_the_same_composed_or_not(project: Path) -> None:
    workspace = Workspace(project, protected=("tracks/é.toml",))

    with pytest.raises(Refused, match="protected"):
        workspace.resolve("tracks/e\u0301.toml")


def test_neighbours_of_protected_paths_are_free(workspace: Workspace) -> None:
    for path in (".gitignore", ".github/x.yml", "conductor.toml.bak", "src/conductor.toml", "tracks/other.toml"):
        workspace.resolve(path)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("../secret.txt", "outside"),
        ("..", "outside"),
        (".git/config", "protected"),
        (".git", "protected"),
        ("/", "outside"),
    ],
)
def test_links_count_by_where_they_lead(workspace: Workspace, project: Path, target: str, said: str) -> None:
    (project / "link").symlink_to(target)

    with pytest.raises(Refused, match=said):
        workspace.resolve("link")
    with pytest.raises(Refused):
        workspace.resolve("link/x")


def test_a_link_inside_is_the_file_it_leads_to(workspace: Workspace, project: Path) -> None:
    (project / "link.py").symlink_to("src/a.py")

    real = workspace.resolve("link.py")
    assert workspace.relative(real) == "src/a.py"
    workspace.replace("src/a.py", workspace.read(real), b"new\n")
    assert (project / "link.py").is_symlink()
    assert (project / "src/a.py").read_bytes() == b"new\n"


def test_links_in_a_loop_are_refused(workspace: Workspace, project: Path) -> None:
    (project / "one").symlink_to("two")
    (project / "two").symlink_to("one")

    with pytest.raises(Refused):
        workspace.read(workspace.resolve("one/x"))


def test_a_protected_path_reached_by_a_link_from_it_is_refused(workspace: Workspace, project: Path) -> None:
    (project / ".git/inward").symlink_to(project / "src")

    with pytest.raises(Refused, match="protected"):
        workspace.resolve(".git/inward/a.py")


@pytest.mark.parametrize(("path", "said"), [("src", "folder"), ("none.py", "not exist"), ("fifo", "regular")])
def test_only_regular_files_are_read_and_nothing_hangs(
    workspace: Workspace, project: Path, path: str, said: str
) -> None:
    os.mkfifo(project / "fifo")

    with pytest.raises(Refused, match=said):
        workspace.read(workspace.resolve(path))


def test_a_file_too_large_to_hold_is_refused(workspace: Workspace, project: Path) -> None:
    with (project / "big").open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)

    with pytest.raises(Refused, match="too large"):
        workspace.read(project / "big")


def test_unreadable_files_and_folders_are_refused(commoner: Path) -> None:
    workspace = Workspace(commoner)
    (commoner / "f").write_text("x")
    (commoner / "f").chmod(0)
    (commoner / "shut").mkdir(mode=0)

    with pytest.raises(Refused, match="f cannot be read: Permission denied"):
        workspace.read(commoner / "f")
    with pytest.raises(Refused, match="Permission denied"):
        workspace.read(workspace.resolve("shut/x"))
    assert list(workspace.walk(commoner)) == [commoner / "f"]


def test_a_folder_that_cannot_be_written_refuses_and_keeps_nothing(commoner: Path) -> None:
    workspace = Workspace(commoner)
    (commoner / "f").write_bytes(b"x")
    commoner.chmod(0o555)

    for path, before, after in (("f", b"x", b"y"), ("f", b"x", None), ("new/er", None, b"y")):
        with pytest.raises(Refused, match="cannot be written: Permission denied"):
            workspace.replace(path, before, after)
    assert [path.name for path in commoner.iterdir()] == ["f"]
    assert (commoner / "f").read_bytes() == b"x"


def test_new_folders_are_made_and_go_again_when_the_write_fails(workspace: Workspace, project: Path) -> None:
    workspace.replace("new/nested/f.py", None, b"x")
    assert (project / "new/nested/f.py").read_bytes() == b"x"

    with pytest.raises(Refused, match="name too long"):
        workspace.replace(f"other/{'n' * 255}/{'é' * 200}", None, b"x")
    assert not (project / "other").exists()
    assert leftovers(project) == []


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o444])
def test_the_mode_of_a_file_is_kept(workspace: Workspace, project: Path, mode: int) -> None:
    target = project / "src/a.py"
    target.chmod(mode)

    workspace.replace("src/a.py", target.read_bytes(), b"x")

    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_new_file_gets_the_mode_any_new_file_gets(workspace: Workspace, project: Path) -> None:
    (project / "usual").touch()

    workspace.replace("new", None, b"x")

    assert (project / "new").stat().st_mode == (project / "usual").stat().st_mode


def _other_content(project: Path) -> None:
    (project / "src/a.py").write_text("other\n")


def _gone(project: Path) -> None:
    (project / "src/a.py").unlink()


def _folder(project: Path) -> None:
    _gone(project)
    (project / "src/a.py").mkdir()


def _fifo(project: Path) -> None:
    _gone(project)
    os.mkfifo(project / "src/a.py")


def _link_outside(project: Path) -> None:
    (project.parent / "same.py").write_bytes((project / "src/a.py").read_bytes())
    _gone(project)
    (project / "src/a.py").symlink_to(project.parent / "same.py")


def _link_to_a_twin(project: Path) -> None:
    (project / "twin").mkdir()
    (project / "src").rename(project / "twin/src")
    (project / "src").symlink_to("twin/src")


@pytest.mark.parametrize("swap", [_other_content, _gone, _folder, _fifo, _link_outside, _link_to_a_twin])
def test_what_is_no_longer_what_was_shown_is_not_written(workspace: Workspace, project: Path, swap: object) -> None:
    before = (project / "src/a.py").read_bytes()
    swap(project)  # type: ignore[operator]

    with pytest.raises(TargetChanged):
        workspace.replace("src/a.py", before, b"written\n")
    holders = [path for path in project.parent.rglob("*") if path.is_file() and path.read_bytes() == b"written\n"]
    assert holders == []


def test_a_file_that_appeared_is_not_overwritten(workspace: Workspace, project: Path) -> None:
    with pytest.raises(TargetChanged):
        workspace.replace("top.py", None, b"x")


def test_a_full_disk_needs_a_human(workspace: Workspace, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NeedsHuman, match="No space left"):
        workspace.replace("top.py", (project / "top.py").read_bytes(), b"x")
    assert (project / "top.py").read_text() == "top = True\n"
    assert leftovers(project) == []


def test_walk_is_ordered_and_leaves_out_what_is_not_source(workspace: Workspace, project: Path) -> None:
    for folder in ("node_modules", "src/__pycache__", ".hidden"):
        (project / folder).mkdir()
        (project / folder / "x.py").touch()
    (project / ".gitignore").touch()
    (project / "link.py").symlink_to("src/a.py")
    (project / "bad\nname.py").touch()
    os.mkfifo(project / "fifo")

    names = [workspace.relative(path) for path in workspace.walk(project)]

    assert names == [".gitignore", "fifo", "top.py", "src/a.py", "src/deep/b.py"]
