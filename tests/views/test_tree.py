"""Folders: which files count, what git says changed, and a map of what matters."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conductor.errors import Refused, UsageError
from conductor.views.base import Options, Part
from conductor.views.many import Order, views_below
from conductor.views.map import map_of
from conductor.views.registry import suffixes
from conductor.views.tokens import token_counter
from conductor.views.tree import changed_lines, source_files


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "core.py": "class Engine:\n    def start_engine(self): pass\n    def idle(self): pass\n"
        "def never_named(): pass\n",
        "one.py": "from core import Engine\ndef one():\n    Engine().start_engine()\n",
        "two.py": "from core import Engine\ndef two():\n    Engine().start_engine()\n    name = 'never_named'\n",
        "out/built.py": "def built(): pass\n",
        ".gitignore": "out/\n",
        "notes.txt": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def names(project: Path) -> list[str]:
    return [Path(path).relative_to(project).as_posix() for path in source_files(project, suffixes())]


def test_files_of_a_repository_honour_gitignore(project: Path) -> None:
    git(project, "init")
    git(project, "add", "core.py", "one.py")
    (project / "one.py").unlink()
    assert names(project) == ["core.py", "two.py"]


def test_a_repository_may_lie_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init")
    (project / ".git").rename(project / "out" / "git")
    assert "out/built.py" in names(project)
    monkeypatch.setenv("GIT_DIR", str(project / "out" / "git"))
    assert names(project) == ["core.py", "one.py", "two.py"]


def test_a_repository_has_no_program_of_its_own_run(project: Path) -> None:
    git(project, "init")
    git(project, "add", "core.py")
    git(project, "commit", "-m", "x")
    git(project, "config", "core.fsmonitor", f"touch {project}/ran; false")
    assert names(project) == ["core.py", "one.py", "two.py"]
    assert changed_lines(project / "core.py", "HEAD") == []
    assert not (project / "ran").exists()


def test_files_outside_of_a_repository(project: Path) -> None:
    (project / "venv").mkdir()
    (project / "venv" / "pyvenv.cfg").touch()
    (project / "venv" / "x.py").touch()
    (project / "node_modules").mkdir()
    (project / "node_modules" / "x.py").touch()
    (project / ".hidden").mkdir()
    (project / ".hidden" / "x.py").touch()
    (project / "loop").symlink_to(project, target_is_directory=True)
    assert names(project) == ["core.py", "one.py", "out/built.py", "two.py"]


def test_a_folder_that_cannot_be_listed_stands_for_what_is_in_it(commoner: Path) -> None:
    for name in ("a", "b"):
        (commoner / name).mkdir()
        (commoner / name / "x.py").touch()
    (commoner / "a").chmod(0)
    assert source_files(commoner, suffixes()) == [f"{commoner}/a", f"{commoner}/b/x.py"]
    (shown,) = views_below(commoner, [f"{commoner}/a"], Order("skeleton", Options(), Part()))
    assert shown.error == "Permission denied"
    (commoner / "a").chmod(0o700)


def test_paths_begin_as_the_folder_was_given(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for _ in range(2):
        assert source_files(Path(), suffixes())[:2] == ["core.py", "one.py"]
        assert source_files(Path("../") / project.name, suffixes())[0] == f"../{project.name}/core.py"
        git(project, "init")


def test_changed_lines(project: Path) -> None:
    git(project, "init")
    git(project, "add", "core.py")
    git(project, "commit", "-m", "x")
    lines = (project / "core.py").read_text().splitlines()
    lines[1] = "    def start_engine(self): return 1"
    (project / "core.py").write_text("\n".join([*lines, "x = 1", "y = 2"]) + "\n")
    assert changed_lines(project / "core.py", "HEAD") == [range(2, 3), range(5, 7)]
    assert changed_lines(project / "one.py", "HEAD")[0].stop > 1_000_000
    with pytest.raises(UsageError, match="no-such"):
        changed_lines(project / "core.py", "no-such")
    with pytest.raises(UsageError):
        changed_lines(project / "core.py", "--output=evil")
    shutil.rmtree(project / ".git")
    with pytest.raises(UsageError) as caught:
        changed_lines(project / "core.py", "HEAD")
    assert caught.value.hint.startswith("fatal: not a git repository")
    assert "\n" not in caught.value.hint
    assert not (project / "evil").exists()


def test_a_map_shows_what_is_used_first(project: Path) -> None:
    found = source_files(project, suffixes())
    text = map_of(project, found, 22).text
    assert text.startswith("# core.py\nclass Engine:\n def start_engine(self): pass\n")
    assert "never_named" not in text
    everything = map_of(project, found, 2000)
    assert "never_named" in everything.text
    assert everything.notice == "7 of 7 definitions in 2000 tokens (o200k_base)"
    assert everything.kind == "skeleton"


def test_a_map_keeps_its_budget(project: Path) -> None:
    count, _ = token_counter()
    for budget in (1, 20, 40, 80):
        assert count(map_of(project, source_files(project, suffixes()), budget).text) <= budget


def test_a_focus_moves_the_map(project: Path) -> None:
    found = source_files(project, suffixes())
    assert map_of(project, found, 2000, "two.py::two").text.index("# two.py") < map_of(project, found, 2000).text.index(
        "# two.py"
    )
    with pytest.raises(Refused):
        map_of(project, found, 2000, "two.py::nobody")


@pytest.mark.parametrize(
    "offers",
    [
        "from .api import fetch_all\n__all__ = [\n    'fetch_all',\n]\n",
        "from .api import (\n    fetch_all as fetch_all,\n)\n",
        "from .api import _own, fetch_all\n",
    ],
)
def test_a_map_has_what_a_package_offers_though_nothing_in_it_uses_it(tmp_path: Path, offers: str) -> None:
    (tmp_path / "__init__.py").write_text(offers)
    (tmp_path / "api.py").write_text("".join(f"def h{n}(): pass\n" for n in range(9)) + "def fetch_all(): pass\n")
    (tmp_path / "api.pyi").write_text("def fetch_all() -> int: ...\n")
    shown = map_of(tmp_path, source_files(tmp_path, suffixes()), 12)
    assert shown.text == "# api.py\ndef fetch_all(): pass\n"
    assert shown.notice.startswith("1 of 10 definitions")


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ({"a.py": "def _aaaa(): pass\ndef bbbbb(): pass\n"}, "# a.py\ndef bbbbb(): pass\n"),
        (  # a method that every class has tells nothing of the class
            {
                "a.py": "class Heavy:\n def __init__(self): pass\n",
                "b.py": "class UsedHere: pass\n",
                "c.py": "UsedHere()\n",
            }
            | {"d.py": "from b import UsedHere\nUsedHere()\n"}
            | {f"e{number}.py": "super().__init__()\n" * 2 for number in range(5)},
            "# b.py\nclass UsedHere: pass\n",
        ),
        (  # nor does a name that many files have
            {f"a{number}.py": "def shared_name(): pass\n" for number in range(6)}
            | {"b.py": "def single_name(): pass\n"}
            | {f"c{number}.py": "x.shared_name()\nx.single_name()\n" for number in range(3)},
            "# b.py\ndef single_name(): pass\n",
        ),
        (  # and of several modules it is the one that is named
            {f"{name}.py": "def run(): pass\n" for name in ("aaa", "helper", "other")}
            | {"use.py": "import helper\nhelper.run()\n"},
            "# helper.py\ndef run(): pass\n",
        ),
    ],
    ids=["private", "init", "common", "owner"],
)
def test_a_map_of_one_definition_has_the_one_that_matters_most(
    tmp_path: Path, files: dict[str, str], shown: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert map_of(tmp_path, source_files(tmp_path, suffixes()), 12).text == shown


def test_a_map_has_no_special_methods(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class A:\n def __repr__(self): pass\n def __init__(self): pass\n")
    text = map_of(tmp_path, source_files(tmp_path, suffixes()), 2000).text
    assert text == "# a.py\nclass A:\n def __init__(self): pass\n"


def test_a_map_shows_the_product_not_its_tests_and_helpers(tmp_path: Path) -> None:
    files = {
        "lib/__init__.py": "from .api import (\n    Client as Client,\n)\n",
        "lib/api.py": "from .debug import explain_everything\nclass Client:\n    def __init__(self, url): pass\n"
        "    def _hidden_away(self): explain_everything()\n    def fetch(self): return self.status_code\n",
        "lib/debug.py": "def explain_everything(): pass\n",
        "tests/conftest.py": "def status_code(): pass\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    paths = source_files(tmp_path, suffixes())
    text = map_of(tmp_path, paths, 2000).text
    assert text.startswith("# lib/api.py\nclass Client:\n def __init__(self,url): pass\n")
    assert text.index("lib/debug.py") < text.index("tests/conftest.py")
    assert map_of(tmp_path, paths, 12).text == "# lib/api.py\nclass Client: ...\n"


def test_a_map_repeats_no_name(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "class A:\n    @property\n    def x(self): pass\n    @x.setter\n    def x(self, v): pass\n"
        "@t.overload\ndef f(a: int): ...\n@overload\ndef f(a: str): ...\ndef f(a): pass\n"
    )
    text = map_of(tmp_path, source_files(tmp_path, suffixes()), 2000).text
    assert text == "# a.py\nclass A:\n @property\n def x(self): pass\ndef f(a): pass\n"


def test_a_map_from_the_cache_is_the_same(project: Path) -> None:
    found = source_files(project, suffixes())
    for path in found:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    first = map_of(project, found, 2000, "two.py::two")
    assert map_of(project, found, 2000, "two.py::two") == first
    (project / "one.py").write_text("def changed(): pass\n")
    (project / "two.py").unlink()
    after = map_of(project, found, 2000)
    assert "def changed" in after.text
    assert after.notice.endswith("1 file could not be read")
