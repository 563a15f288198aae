"""What the documentation shows is run: every `conductor` line of every code block, in a project like a reader's."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import conductor
from conductor.events import KINDS

ROOT = Path(conductor.__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
_SHELL = ("", "sh", "bash", "console")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each block that holds commands; where some have a prompt, the others are output."""
    language: str | None = None
    block: list[str] = []
    for line in text.splitlines():
        if not line.lstrip().startswith("```"):
            block.append(line.strip())
        elif language is None:
            language, block = line.strip().removeprefix("```"), []
        else:
            prompted = [said.removeprefix("$ ") for said in block if said.startswith("$ ")]
            if language in _SHELL:
                yield prompted or block
            language = None


def commands() -> list[str]:
    lines = {
        line for page in PAGES for block in blocks(page.read_text()) for line in block if line.startswith("conductor ")
    }
    return sorted({re.split(r"\s+# ", line)[0].strip() for line in lines})


def kinds_table() -> str:
    rows = (f"| `{kind}` | {' '.join((record.__doc__ or '').split())} |" for kind, record in KINDS.items())
    return "\n".join(("| kind | meaning |", "|---|---|", *rows)) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's project: the demo's files, a git history, a first track, and a run that waits at the clutch."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(ROOT / "conductor" / "demo_project", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(folder / "bookshop", folder / "src")
    shutil.copytree(ROOT / "conductor" / "tools", folder / "conductor")
    shutil.copy(folder / "bookshop" / "report.py", folder)
    (folder / "broken.py").write_text("def whole():\n    pass\n\n\ndef half(:\n")
    run = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for step in (["init", "-q"], ["add", "."], [*run, "commit", "-qm", "begin"]):
        subprocess.run(["git", *step], cwd=folder, check=True)
    conduct(folder, "git config user.name x; git config user.email x@example.org")
    conduct(folder, "conductor run tracks/demo.toml")
    conduct(folder, "conductor init")
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.copy(folder / ".conductor" / "journal.db", folder / "laptop-journal.db")
    return folder


def conduct(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CONDUCTOR_MODEL": "scripted:tracks/worker.json", "NO_COLOR": "1", "COLUMNS": "100"}
    environment |= {"CONDUCTOR_CONFIG_HOME": str(folder.parent / "user"), "TMPDIR": str(folder.parent)}
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment | {"PATH": programs},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_there_are_commands_to_run() -> None:
    assert len(commands()) > 15


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_documentation_runs(project: Path, line: str) -> None:
    done = conduct(project, line)
    said = done.stdout + done.stderr
    # Without a terminal a run waits for its human (3), none has ended to replay (2), and a page shows mistakes (2).
    allowed = {"run": (0, 1, 3), "watch": (0, 1, 3), "demo": (3,), "check": (0, 2), "replay": (2,)}
    assert done.returncode in allowed.get(line.split()[1], (0,)), said
    assert "Traceback" not in said


def test_the_journals_page_names_every_kind_with_its_meaning() -> None:
    page = ROOT / "docs" / "journal.md"
    text = page.read_text()
    written = text[: text.index("| kind | meaning |")] + kinds_table()
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(written)
    assert page.read_text() == written, "run this test with UPDATE_DOCS=1"


def layers_table() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = ["| module | what it is |", "|---|---|"]
    for layer in contracts[0]["layers"]:
        for name in layer.split(" | "):
            place = ROOT / "conductor" / name
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            said = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n\n")[0]
            rows.append(f"| `{name}{'/' if place.is_dir() else ''}` | {' '.join(said.split())} |")
    return "\n".join(rows) + "\n"


def test_the_page_on_architecture_names_every_module_with_its_meaning() -> None:
    page = ROOT / "docs" / "architecture.md"
    text = page.read_text()
    written = text.partition("| module | what it is |")[0] + layers_table()
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(written)
    assert page.read_text() == written, "run this test with UPDATE_DOCS=1"


def test_modules_that_the_page_on_architecture_leads_to_are_there() -> None:
    told = (ROOT / "docs" / "architecture.md").read_text().partition("| module |")[0]
    named = re.findall(r"`([a-z_/]+(?:\.py|/))`", told)
    assert len(named) > 25
    assert [name for name in named if not (ROOT / "conductor" / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
