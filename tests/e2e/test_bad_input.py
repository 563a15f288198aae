"""What can be wrong with what Conductor is given: a clear message, the documented exit code, nothing lost."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.driver import (
    CONDUCTOR,
    assert_calm,
    call,
    copy_demo,
    environment,
    journal,
    make_project,
    play,
    run_command,
    session,
    track_text,
    tree,
)

TRACK = "tracks/track.toml"
DONE = {"T1": [{"text": "Done."}]}
WRITES = {
    "T1": [{"tool_calls": [call("write_file", path="notes.txt", content="new\n")]}, {"text": "Done."}],
    "T2": [{"text": "Done."}],
}


def refused(project: Path, *arguments: str, code: int = 2, env: dict[str, str] | None = None) -> str:
    """Run a command that must be refused without having run anything; return what it said, on standard error only."""
    before = tree(project)
    done = run_command(project, *arguments, env=env)
    assert done.returncode == code, done.stderr
    assert_calm(done.stdout + done.stderr)
    assert done.stderr.strip() and len(done.stderr.splitlines()) <= 6, done.stderr
    assert tree(project) == before
    return done.stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_track_that_cannot_be_read(tmp_path: Path, command: str) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], DONE)
    (project / "latin.toml").write_bytes(b'schema = 1\nid = "a"\ntitle = "\xe9"\n')
    (project / "half.toml").write_text('schema = 1\nid = "a\n')
    os.mkfifo(project / "pipe.toml")
    assert "nowhere.toml" in refused(project, command, "nowhere.toml")
    assert "tracks" in refused(project, command, "tracks")
    assert "latin.toml:3" in refused(project, command, "latin.toml")
    assert "half.toml:2" in refused(project, command, "half.toml")
    (project / "pipe.toml").unlink()
    assert not (project / ".conductor").exists()


needs_nobody = pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="another user is needed")


@pytest.fixture
def open_path() -> Generator[Path]:
    """A folder that others may look into, as they may not into pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@needs_nobody
def test_a_track_that_may_not_be_read(open_path: Path) -> None:
    project = make_project(open_path, [{"id": "T1"}], DONE)
    (project / TRACK).chmod(0o600)
    done = as_nobody(project, "run", TRACK)
    assert done.returncode == 2 and "track.toml" in done.stderr
    assert_calm(done.stderr)


@needs_nobody
def test_a_folder_that_may_not_be_searched(open_path: Path) -> None:
    project = make_project(open_path, [{"id": "T1"}], DONE)
    shut = project / "shut"
    shut.mkdir(0o700)
    done = as_nobody(project, "tickets", cwd=shut)
    assert done.returncode == 2
    assert f"{shut}/conductor.toml cannot be looked at: Permission denied" in done.stderr
    assert_calm(done.stderr)


def as_nobody(project: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", CONDUCTOR, *arguments]
    env = environment(project, HOME="/nonexistent")
    return subprocess.run(
        command, cwd=cwd or project, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@needs_nobody
def test_a_project_that_may_not_be_written(open_path: Path) -> None:
    project = make_project(open_path, [{"id": "T1"}], DONE)
    done = as_nobody(project, "run", TRACK)
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr and "writable" in done.stderr
    assert_calm(done.stderr)
    assert not (project / ".conductor").exists()


@needs_nobody
def test_a_journal_of_somebody_else(open_path: Path) -> None:
    """It is its owner's alone, and whoever may not look is told so by every command."""
    project = make_project(open_path, [{"id": "T1"}], DONE)
    assert run_command(project, "run", TRACK).returncode == 0
    for command in (["run", TRACK], ["tickets"], ["log"], ["watch", "--until-end"], ["journal", "verify"], ["cost"]):
        done = as_nobody(project, *command)
        assert done.returncode == 2 and "Permission denied; it belongs to root" in done.stderr, done.stderr
        assert "Run as root" in done.stderr
        assert_calm(done.stderr)


def mounted(options: str, folder: Path, command: list[str]) -> list[str]:
    """Return a command line that runs `command` with a small file system mounted on `folder`, if that is allowed."""
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("root and unshare are needed to mount a file system")
    mount = f"mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))}"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    fill = f"cp -r {shlex.quote(str(folder))}.origin/. {shlex.quote(str(folder))} && cd {shlex.quote(str(folder))}"
    return ["unshare", "-m", "sh", "-c", f"{mount} && {fill} && {shlex.join(command)}"]


def test_a_full_disk_pauses_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """On a small file system: a command fills it, room is made, and the run goes on to its end."""
    turns = {
        "T1": [
            {"tool_calls": [call("run_shell", command="head -c 8000000 /dev/zero > filler; true")]},
            *({"tool_calls": [call("write_file", path=f"{n}.txt", content=f"{n} " * 1_000)]} for n in range(3)),
            {"text": "Done."},
        ]
    }
    project = make_project(tmp_path, [{"id": "T1"}], turns)
    project.rename(f"{project}.origin")
    project.mkdir()
    run = f"{shlex.quote(CONDUCTOR)} run {TRACK} --auto"
    answers = [{"call_id": "call_1_1", "decision": "reject", "reason": "it filled the disk"}]
    answers += [{"call_id": f"call_{n}_1", "decision": "approve"} for n in (2, 3, 4)]
    (Path(f"{project}.origin") / "answers").write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
    last = f"{shlex.quote(CONDUCTOR)} run {TRACK} --clutch jsonl < answers > said"
    script = (
        f"{run}; echo code=$?; {run}; echo code=$?; rm filler; {run}; echo code=$?; {last}; echo code=$?; wc -c ?.txt"
    )
    done = subprocess.run(
        mounted("size=4m", project, ["sh", "-c", script]),
        env=environment(project),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert_calm(done.stdout + done.stderr)
    codes = [line for line in done.stdout.splitlines() if line.startswith("code=")]
    # Full, still full, asked about the command whose outcome could not be journaled, done.
    assert codes == ["code=3", "code=3", "code=3", "code=0"], done.stdout + done.stderr
    assert done.stderr.count("no space left") == 2
    assert "6000 total" in done.stdout


def test_a_cycle_is_named_with_its_path(tmp_path: Path) -> None:
    tickets = [
        {"id": "T1", "dependencies": ["T3"]},
        {"id": "T2", "dependencies": ["T1"]},
        {"id": "T3", "dependencies": ["T2"]},
    ]
    said = refused(make_project(tmp_path, tickets, DONE), "run", TRACK)
    assert all(name in said for name in ("T1", "T2", "T3", "track.toml:"))


def test_every_mistake_of_a_track_is_named_in_one_go(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1", "target_file": "../up", "colour": "red", "dependencies": ["T9"]}])
    said = run_command(project, "check", TRACK).stderr
    for mistake in ("../up", "colour", "T9"):
        assert any(mistake in line and "track.toml:" in line for line in said.splitlines()), said


@pytest.mark.parametrize("hidden", ["\0", "\u200b", "\u202e", "\x1b[2J"])
def test_a_command_with_characters_that_cannot_be_seen(tmp_path: Path, hidden: str) -> None:
    project = make_project(tmp_path, [{"id": "T1", "verify": f"true {hidden}"}], DONE)
    said = refused(project, "run", TRACK, "--auto")
    assert "verify" in said and "track.toml:9" in said


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("nosuchprovider/nosuchmodel", 2, "nosuchprovider"),
        ("scripted:nowhere.json", 2, "nowhere.json"),
        ("openai/gpt-5-mini", 5, "OPENAI_API_KEY"),
    ],
)
def test_a_model_that_cannot_be_used(tmp_path: Path, model: str, code: int, words: str) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], WRITES)
    env = environment(project, CONDUCTOR_MODEL=model)
    assert words in refused(project, "run", TRACK, code=code, env=env)
    assert play(project).code == 0  # with the model of its own configuration it goes on


@pytest.mark.slow
def test_a_model_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    project = make_project(tmp_path, [{"id": "T1"}], WRITES)
    address = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "CONDUCTOR_MODEL": "openai/gpt-5-mini"}
    done = run_command(project, "run", TRACK, env=environment(project, **address))
    assert done.returncode == 5, done.stderr
    assert f"127.0.0.1:{port} refuses connections" in done.stderr
    assert_calm(done.stdout + done.stderr)
    assert play(project).code == 0


def test_a_second_run_of_the_same_track_is_refused_and_names_the_first(tmp_path: Path) -> None:
    project = copy_demo(tmp_path)
    with session(project) as first:
        request = first.request()
        before = len(journal(project))
        said = refused(project, "run", "tracks/demo.toml")
        assert str(first.process.pid) in said
        assert len(journal(project)) == before
        assert run_command(project, "tickets").returncode == 0  # looking is allowed
        first.answer(request)
        assert first.play().code == 0


def test_a_changed_track_file_is_not_gone_on_with_unasked(tmp_path: Path) -> None:
    tickets = [{"id": "T1"}, {"id": "T2"}]
    project = make_project(tmp_path, tickets, WRITES)
    with session(project) as run:
        run.request()
        run.hang_up()
    (project / TRACK).write_text(track_text([*tickets, {"id": "T3"}]) + "# changed\n")
    said = refused(project, "run", TRACK, code=6)
    assert "--accept-changes" in said and "--fresh" in said
    (project / TRACK).write_text(track_text(list(reversed(tickets))))
    ended = play(project, "--accept-changes")
    assert ended.code == 0
    assert not ended.kinds("track_started") and ended.kinds("run_resumed")[0]["changes_accepted"]
    (project / "notes.txt").unlink()
    fresh = play(project, "--fresh")
    assert fresh.code == 0 and fresh.kinds("track_started")
    kept = list((project / ".conductor").glob("journal-*.db"))
    assert len(kept) == 1
    assert sqlite3.connect(kept[0]).execute("select count(*) from events where kind = 'track_started'").fetchone() == (
        1,
    )


def test_changes_that_contradict_the_journal_are_refused_as_such(tmp_path: Path) -> None:
    """T1 is complete; now it is to wait for a new ticket that never ran."""
    project = make_project(tmp_path, [{"id": "T1"}, {"id": "T2"}], WRITES)
    with session(project) as run:
        run.answer(run.request())
        run.until("ticket_completed")
    (project / TRACK).write_text(track_text([{"id": "T0"}, {"id": "T1", "dependencies": ["T0"]}, {"id": "T2"}]))
    refused(project, "run", TRACK, "--accept-changes", code=6)
    refused(project, "tickets", code=6)


def test_a_damaged_journal_is_found_and_a_fresh_start_is_possible(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], WRITES)
    with session(project) as run:
        run.request()
        run.hang_up()
    with sqlite3.connect(project / ".conductor" / "journal.db") as db:
        db.execute("drop trigger events_are_never_changed")
        db.execute("update events set data = replace(data, 'new', 'old') where kind = 'model_replied'")
    said = refused(project, "run", TRACK, code=6)
    assert "--fresh" in said
    assert play(project, "--fresh").code == 0


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], WRITES)
    (project / ".conductor").mkdir()
    (project / ".conductor" / "journal.db").write_bytes(b"This is no database. " * 400)
    refused(project, "run", TRACK, code=6)
    refused(project, "tickets", code=6)
    refused(project, "log", code=6)


def test_a_working_folder_that_is_gone(tmp_path: Path) -> None:
    project = make_project(tmp_path, [{"id": "T1"}], WRITES)
    gone = tmp_path / "gone"
    command = f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {CONDUCTOR} run x.toml"
    done = subprocess.run(["sh", "-c", command], env=environment(project), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert_calm(done.stderr)


def test_a_ticket_is_tried_again_only_when_everything_asked_for_is_right(tmp_path: Path) -> None:
    tickets = [{"id": "T1"}, {"id": "T2", "dependencies": ["T1"]}]
    project = make_project(tmp_path, tickets, WRITES)
    assert play(project, decide=lambda _: {"decision": "skip"}).code == 1
    before = len(journal(project))
    for wrong in ("T9", "T2"):
        assert wrong in refused(project, "run", TRACK, "--retry", "T1", "--retry", wrong)
    text = (project / TRACK).read_text()
    (project / TRACK).write_text(text.replace("A small track", "Another track"))
    refused(project, "run", TRACK, "--retry", "T1", code=6)
    (project / TRACK).write_text(text)
    assert len(journal(project)) == before
    assert play(project).code == 1  # nothing was reopened by what was refused
    assert play(project, "--retry", "T1").code == 0
    assert (project / "notes.txt").read_text() == "new\n"
