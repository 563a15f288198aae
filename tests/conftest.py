"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from conductor.tools.workspace import Workspace

NOBODY = 65534
collect_ignore = ["fixtures"]  # projects with tests of their own

# Where a change is judged, the same examples each time: new ones are for people, who can look at what was found.
# No example has a deadline: machines are noisy.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure() -> None:
    """Hear signals as on a terminal: below nohup or in the background the programs under test would ignore them."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project folder with a protected part and something outside of it worth protecting."""
    root = tmp_path.resolve() / "project"
    for folder in ("src/deep", ".git", ".conductor", "tracks"):
        (root / folder).mkdir(parents=True)
    (root / "src/a.py").write_text("def f():\n    return 1\n")
    (root / "src/deep/b.py").write_text("import a\n")
    (root / "top.py").write_text("top = True\n")
    (root / ".git/config").write_text("[core]\n")
    (root / "conductor.toml").write_text("")
    (root / "tracks/t.toml").write_text("schema = 1\n")
    (root.parent / "secret.txt").write_text("secret\n")
    return root


@pytest.fixture
def workspace(project: Path) -> Workspace:
    return Workspace(project, protected=("tracks/t.toml",))


@pytest.fixture
def commoner() -> Generator[Path]:
    """A folder owned by, and a test run as, a user who may not do everything (root reads and writes anything)."""
    folder = Path(tempfile.mkdtemp()).resolve()
    privileged = os.geteuid() == 0
    if privileged:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if privileged:
            os.seteuid(0)
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the scores that tests recorded."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "score" and getattr(report, "when", "") == "call":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {value}")
