"""Files reached by descriptors: whatever is swapped, and whenever, nothing outside is read or written."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conductor.errors import Refused, TargetChanged
from conductor.tools.descriptors import Below, Open, open_at_once, open_by_steps, stamp_of
from conductor.tools.workspace import Workspace
from tests.bench import tree


def _openat2() -> Open | None:
    top = os.open("/", os.O_RDONLY)
    try:
        return open_at_once(top)
    finally:
        os.close(top)


OPENERS = {"by steps": open_by_steps} | ({"at once": found} if (found := _openat2()) else {})


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Open:
    return OPENERS[request.param]


def workspace_with(root: Path, opener: Open) -> Workspace:
    workspace = Workspace(root)
    workspace.__dict__["_below"] = Below(root, opener)
    return workspace


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd").iterdir()))


@pytest.mark.parametrize("name", ["src/a.py", "./src/a.py", "top.py", "src/deep/b.py"])
def test_what_is_below_is_opened(project: Path, opener: Open, name: str) -> None:
    with Below(project, opener).opened(name, os.O_RDONLY) as handle:
        assert os.fstat(handle).st_ino == (project / name).stat().st_ino
        assert not os.get_inheritable(handle)


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "src/../../secret.txt", "/etc/passwd", "link", "out/secret.txt", "inward/a.py", "proc/root"],
)
def test_no_link_and_no_way_up_is_followed(project: Path, opener: Open, name: str) -> None:
    (project / "link").symlink_to("top.py")
    (project / "out").symlink_to(project.parent)
    (project / "inward").symlink_to("src")
    (project / "proc").symlink_to("/proc/self")
    before = open_descriptors()

    with pytest.raises(OSError), Below(project, opener).opened(name, os.O_RDONLY):
        pass
    assert open_descriptors() == before


def test_a_root_that_became_a_link_is_not_followed(project: Path, opener: Open) -> None:
    below = Below(project, opener)
    project.rename(project.with_name("moved"))
    project.symlink_to(project.parent)

    with pytest.raises(OSError):
        below.nearest("secret.txt")


Swap = Callable[[Path], None]


def _file_to_link_outside(project: Path) -> None:
    (project / "src/a.py").unlink(missing_ok=True)
    (project / "src/a.py").symlink_to(project.parent / "secret.txt")


def _folder_to_link_outside(project: Path) -> None:
    (project / "src").rename(project / "was")
    (project / "src").symlink_to(project.parent / "elsewhere")


def _folder_moved_outside(project: Path) -> None:
    (project / "src").rename(project.parent / "gone")


def _file_to_hard_link_of_outside(project: Path) -> None:
    (project / "src/a.py").unlink(missing_ok=True)
    os.link(project.parent / "secret.txt", project / "src/a.py")


def _file_rewritten_in_place(project: Path) -> None:
    (project / "src/a.py").write_text("by another hand\n")


SWAPS = [
    _file_to_link_outside,
    _folder_to_link_outside,
    _folder_moved_outside,
    _file_to_hard_link_of_outside,
    _file_rewritten_in_place,
]
CHANGES = {"write": ("src/a.py", b"new\n"), "delete": ("src/a.py", None), "create": ("src/new/c.py", b"new\n")}


class SwapAt:
    """Opens as it is told to, and swaps just before the n-th time: every moment between two steps can be tried."""

    def __init__(self, opener: Open, project: Path, swap: Swap, moment: int) -> None:
        self._open, self._project, self._swap, self._left = opener, project, swap, moment

    def __call__(self, top: int, name: str, flags: int) -> int:
        if self._left == 0:
            self._swap(self._project)
        self._left -= 1
        return self._open(top, name, flags)

    @property
    def swapped(self) -> bool:
        return self._left < 0


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("swap", SWAPS)
def test_a_swap_at_any_moment_of_a_change_leaves_everything_outside_as_it_is(
    tmp_path: Path, opener: Open, swap: Swap, change: str
) -> None:
    name, after = CHANGES[change]
    moment = 0
    while True:
        home = tmp_path / str(moment)
        project = home / "project"
        (project / "src").mkdir(parents=True)
        (home / "elsewhere").mkdir()
        (home / "elsewhere/a.py").write_text("old\n")
        (home / "secret.txt").write_text("secret\n")
        (project / "src/a.py").write_text("old\n")
        swapper = SwapAt(opener, project, swap, moment)
        workspace = workspace_with(project, swapper)
        before = None if change == "create" else b"old\n"
        try:
            workspace.replace(name, before, after)
        except (TargetChanged, Refused):
            assert swapper.swapped
        outside = tree(home / "elsewhere") | {"secret.txt": (home / "secret.txt").read_bytes()}
        assert outside == {"a.py": b"old\n", "secret.txt": b"secret\n"}, f"at moment {moment}"
        if (home / "gone").exists():
            assert tree(home / "gone") == {"a.py": b"old\n"}
        assert [path for path in home.rglob("*.conductor") if path.is_file()] == []
        if not swapper.swapped:
            break
        moment += 1
    assert moment > 3


def test_what_has_the_same_content_but_is_another_file_is_not_what_was_shown(project: Path, opener: Open) -> None:
    workspace = workspace_with(project, opener)
    target = workspace.target(project / "top.py")
    content = (project / "top.py").read_bytes()
    (project / "twin.py").write_bytes(content)
    (project / "twin.py").replace(project / "top.py")

    with pytest.raises(TargetChanged, match="another file"):
        workspace.replace("top.py", content, b"x", target)


def test_other_names_of_a_file_keep_their_content(project: Path, opener: Open) -> None:
    os.link(project.parent / "secret.txt", project / "linked.txt")
    workspace = workspace_with(project, opener)

    assert workspace.look(project / "linked.txt").links == 2
    workspace.replace("linked.txt", b"secret\n", b"mine\n")

    assert (project.parent / "secret.txt").read_text() == "secret\n"
    assert (project / "linked.txt").read_text() == "mine\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_mode_and_owner_are_kept(project: Path, opener: Open) -> None:
    os.chown(project / "top.py", 1234, 4321)
    (project / "top.py").chmod(0o4750)
    status = (project / "top.py").stat()

    Below(project, opener).write("top.py", b"x", stamp_of(status))

    now = (project / "top.py").stat()
    assert (now.st_uid, now.st_gid, stat.S_IMODE(now.st_mode)) == (1234, 4321, 0o4750)


# A version, then entries of tag, rights and id: owner rw, user 1234 r, group r, mask r, others nothing.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, number)
    for tag, rights, number in (
        (1, 6, 2**32 - 1),
        (2, 4, 1234),
        (4, 4, 2**32 - 1),
        (16, 4, 2**32 - 1),
        (32, 0, 2**32 - 1),
    )
)
ATTRIBUTES = {"user.note": b"mine\0\xff", "system.posix_acl_access": ACL}


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="the platform has no extended attributes")
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_access_lists_and_attributes_are_kept(project: Path, opener: Open, name: str) -> None:
    file = project / "src/a.py"
    try:
        os.setxattr(file, name, ATTRIBUTES[name])
    except OSError as error:
        pytest.skip(f"this file system has none: {error.strerror}")
    mode = file.stat().st_mode
    below = Below(project, opener)
    below.write("src/a.py", b"new\n", stamp_of(file.stat()))
    assert os.getxattr(file, name) == ATTRIBUTES[name]
    assert (file.stat().st_mode, file.read_bytes()) == (mode, b"new\n")
    below.put("src/a.py", b"newer\n", 0o100640)
    assert name in os.listxattr(file)


@pytest.mark.skipif(not hasattr(os, "setxattr") or os.geteuid() != 0, reason="only root gives a program capabilities")
def test_the_capabilities_of_a_program_do_not_pass_to_another(project: Path, opener: Open) -> None:
    file = project / "src/a.py"
    try:
        os.setxattr(file, "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    except OSError as error:
        pytest.skip(f"this file system has none: {error.strerror}")
    Below(project, opener).write("src/a.py", b"new\n", stamp_of(file.stat()))
    assert "security.capability" not in os.listxattr(file)


def test_a_tree_deeper_than_any_path_is_walked_as_far_as_paths_go(project: Path, opener: Open) -> None:
    here = os.open(project, os.O_RDONLY)
    name = "deep" * 5
    for _ in range(250):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    try:
        assert project / "top.py" in list(workspace_with(project, opener).walk(project))
    finally:  # pytest's own cleaning up recurses
        subprocess.run(["rm", "-rf", project / name], check=True)


def test_no_descriptor_is_left_open(project: Path, opener: Open) -> None:
    workspace = workspace_with(project, opener)
    workspace.read(project / "top.py")
    before = open_descriptors()
    for _ in range(5):
        list(workspace.walk(project))
        workspace.replace("top.py", (project / "top.py").read_bytes(), os.urandom(8))
        with pytest.raises(Refused):
            workspace.read(project / "none")
    assert open_descriptors() == before
