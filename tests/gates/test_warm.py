"""pyright kept running says what the plain command says, is quicker, and makes way for it where anything is amiss."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conductor.errors import UsageError
from conductor.gates.base import Gate, GateResult, run_gate
from conductor.gates.cache import GateCache
from conductor.gates.registry import reader_of
from conductor.gates.warm import server_of
from conductor.sandbox.base import Policy, Sandbox
from conductor.sandbox.registry import choose, unconfined
from tests.gates.test_seeded import FAULTS, STOCK, write

BIN = Path(sys.executable).parent
PYRIGHT = Gate("types", f"{BIN}/pyright", parser="pyright")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "project"
    for name, text in STOCK.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def cache(root: Path) -> Iterator[GateCache]:
    cache = GateCache(root, warm=True)
    yield cache
    cache.close()


def ask(cache: GateCache, sandbox: Sandbox | None = None, gate: Gate = PYRIGHT) -> GateResult:
    return cache.ask(gate, gate.command, sandbox or unconfined())[0]


def found(result: GateResult) -> list[str]:
    assert result.reading is not None, result.stdout
    return sorted(map(str, result.reading.findings))


def was_warm(result: GateResult) -> bool:
    return b"kept running" in result.stderr


@pytest.mark.slow
def test_on_the_seeded_projects_both_find_the_same(root: Path, cache: GateCache) -> None:
    assert not was_warm(ask(cache))
    faults = [fault for fault in FAULTS if fault[1] == "pyright"]
    assert len(faults) == 6
    for _, checker, path, line, content in faults:
        write(root, checker, path, content)
        warm = ask(cache)
        plain = run_gate(PYRIGHT, PYRIGHT.command, root, unconfined(), reader_of)
        assert was_warm(warm)
        assert found(warm) == found(plain)
        assert warm.exit_code == plain.exit_code == 1
        assert f" {path}:{line} " in found(warm)[0]


@pytest.mark.slow
def test_files_that_come_and_go_and_settings_are_taken_in(root: Path, cache: GateCache) -> None:
    ask(cache)
    (root / "shop/stocks.py").write_text("from shop.gone import x\n\nN: int = ''\n")
    assert [line.split(" ")[1] for line in found(ask(cache))] == ["shop/stocks.py:3", "shop/stocks.py:1"]
    (root / "shop/gone.py").write_text("x = 1\n")
    assert len(found(ask(cache))) == 1
    (root / "shop/stocks.py").unlink()
    assert found(ask(cache)) == []
    (root / "shop/books.py").write_text(STOCK["shop/books.py"] + "\n\ndef f(x):\n    return x\n")
    (root / "pyrightconfig.json").write_text('{"reportMissingParameterType": "error"}')
    result = ask(cache)
    assert not was_warm(result)  # both are asked, since the settings are others
    assert [line.split(" ")[0] for line in found(result)] == ["reportMissingParameterType"]
    (root / "shop/books.py").write_text(STOCK["shop/books.py"] + "\n\n\ndef f(x):\n    return x\n")
    again = ask(cache)
    assert was_warm(again)
    assert [line.split(" ")[0] for line in found(again)] == ["reportMissingParameterType"]


@pytest.mark.slow
def test_only_the_files_that_were_asked_about_are_reported(root: Path, cache: GateCache) -> None:
    ask(cache)
    (root / "shop/books.py").write_text(STOCK["shop/books.py"] + "A: int = ''\n")
    (root / "shop/prices.py").write_text(STOCK["shop/prices.py"] + "B: int = ''\n")
    gate = Gate("types", f"{BIN}/pyright shop/prices.py", parser="pyright")
    assert [line.split(" ")[1].partition(":")[0] for line in found(ask(cache, gate=gate))] == ["shop/prices.py"]


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", ["bubblewrap", "landlock", "seatbelt"])
def test_it_runs_in_the_sandbox_where_it_can_write_nothing(root: Path, cache: GateCache, mechanism: str) -> None:
    try:
        sandbox = choose(mechanism, Policy(root, protected=(".conductor",)))
    except UsageError as why:
        pytest.skip(str(why))
    with ExitStack() as held:
        write = "echo x > a || echo x > shop/books.py || rm shop/books.py || echo held"
        mine = "cd ${TMPDIR:-/tmp}; echo y > y; cat y"
        process = sandbox.serve(f"({write}); {mine}", cwd=root, until=held)
        out, _ = process.communicate(timeout=20)
    assert out.split() == [b"held", b"y"]
    assert (root / "shop/books.py").read_text() == STOCK["shop/books.py"]
    ask(cache, sandbox)
    (root / "shop/books.py").write_text(STOCK["shop/books.py"] + "A: int = ''\n")
    result = ask(cache, sandbox)
    assert was_warm(result)
    assert len(found(result)) == 1


FAKE = """#!{python}
import os, sys, time
if "--stdio" in sys.argv:
    {server}
print("0 errors, 0 warnings, 0 informations")
"""


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("sys.exit(3)", "it ended"),
        ("print('hello', flush=True); time.sleep(60)", "time"),
        ("sys.stdout.write('Content-Length: 3\\r\\n\\r\\n{xx'); sys.stdout.flush(); time.sleep(60)", "cannot be read"),
        ("sys.stdout.write('Length: 3\\r\\n\\r\\n{}'); sys.stdout.flush(); time.sleep(60)", "cannot be read"),
        ("time.sleep(60)", "time"),
    ],
)
def test_a_server_that_is_none_makes_way_for_the_plain_command(
    root: Path, cache: GateCache, server: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conductor.gates.warm._PATIENCE_S", 0.5)
    for name in ("pyright", "pyright-langserver"):
        (root / name).write_text(FAKE.format(python=sys.executable, server=server))
        (root / name).chmod(0o755)
    gate = Gate("types", "./pyright", parser="pyright")
    assert ask(cache, gate=gate).passed
    assert cache._pyright is not None
    assert why in cache._pyright.given_up
    (root / "shop/books.py").write_text("A = 1\n")
    assert not was_warm(ask(cache, gate=gate))


def test_where_the_two_differ_the_plain_command_counts(root: Path, cache: GateCache) -> None:
    (root / "pyright").write_text(
        "#!/bin/sh\necho '  /x.py:1:1 - error: other (reportX)'; echo '1 error, 0 warnings'; exit 1\n"
    )
    (root / "pyright").chmod(0o755)
    (root / "pyright-langserver").symlink_to(BIN / "pyright-langserver")
    result = ask(cache, gate=Gate("types", "./pyright", parser="pyright"))
    assert found(result) == ["reportX /x.py:1 other"]
    assert cache._pyright is not None
    assert cache._pyright.given_up == "it does not say what the command says"


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("pyright", "exec pyright-langserver --stdio 2>/dev/null"),
        ("pyright --outputjson", "exec pyright-langserver --stdio 2>/dev/null"),
        (".venv/bin/pyright a.py 'b c.py'", "exec .venv/bin/pyright-langserver --stdio 2>/dev/null"),
        ("python3 -m pyright .", "exec python3 -m pyright.langserver --stdio 2>/dev/null"),
        ("pyright -p other.json", ""),
        ("pyright --level warning", ""),
        ("pyright | tee log", ""),
        ("pyright src", ""),
        ("pyright *.py", ""),
    ],
)
def test_only_a_plain_command_has_a_server(command: str, server: str) -> None:
    assert server_of(command) == server


@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it(root: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from conductor.gates.warm import server_of;"
        "from conductor.sandbox.registry import unconfined;"
        "from contextlib import ExitStack; held = ExitStack();"
        f"p = unconfined().serve(server_of({PYRIGHT.command!r}), cwd=Path({str(root)!r}), until=held);"
        "time.sleep(1); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state == "Z":
            break
        time.sleep(0.05)
    else:
        os.kill(pid, 9)
        pytest.fail("the server outlived its parent")
