from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conductor.shell import Launch, run, run_command, shell_argv
from conductor.withheld import command_environment


def is_gone(pid: int) -> bool:
    """Say whether the process ends within a moment (a zombie nobody reaped has ended)."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("command", "code"),
    [("true", 0), ("exit 7", 7), ("no-such-command-here", 127), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_exit_codes_are_those_a_shell_reports(tmp_path: Path, command: str, code: int) -> None:
    result = run_command(command, cwd=tmp_path)

    assert (result.exit_code, result.status, result.ended_by) == (code, code, "")


def test_every_byte_of_both_streams_is_kept(tmp_path: Path) -> None:
    result = run_command(r"printf '\xff\x00\r\n'; printf '\xfe' >&2", cwd=tmp_path)

    assert (result.stdout, result.stderr) == (b"\xff\x00\r\n", b"\xfe")


def test_standard_input_is_closed_and_there_is_no_terminal(tmp_path: Path) -> None:
    assert run_command("cat; (: </dev/tty) 2>/dev/null || echo none", cwd=tmp_path, timeout_s=5).stdout == b"none\n"


def test_a_timeout_ends_the_command_and_keeps_what_it_printed(tmp_path: Path) -> None:
    result = run_command("echo begun; sleep 60", cwd=tmp_path, timeout_s=0.3)

    assert (result.exit_code, result.status, result.stdout) == (None, 124, b"begun\n")
    assert result.ended_by == "it ran longer than 0.3 s"
    assert result.duration_s < 2


def test_a_command_that_ignores_sigterm_is_killed_after_a_grace(tmp_path: Path) -> None:
    result = run_command("trap '' TERM; echo $$; while :; do sleep 0.05; done", cwd=tmp_path, timeout_s=0.2)

    assert result.exit_code is None
    assert result.duration_s < 5
    assert is_gone(int(result.stdout))


def test_a_background_child_neither_holds_up_nor_outlives_the_command(tmp_path: Path) -> None:
    result = run_command("sleep 60 & echo $!", cwd=tmp_path)

    assert result.exit_code == 0
    assert result.duration_s < 2
    assert is_gone(int(result.stdout))


def test_a_child_that_left_the_group_does_not_hold_up_the_command(tmp_path: Path) -> None:
    result = run_command("setsid sleep 3 & echo on", cwd=tmp_path)

    assert (result.exit_code, result.stdout) == (0, b"on\n")
    assert result.duration_s < 2


def test_endless_output_is_ended_and_bounded(tmp_path: Path) -> None:
    result = run_command("yes", cwd=tmp_path, timeout_s=20, max_output=1_000_000)

    assert result.exit_code is None
    assert result.ended_by == "it printed more than 1000000 bytes"
    assert len(result.stdout) == 1_000_000
    assert result.duration_s < 5


def test_too_much_output_is_reported_the_same_when_the_command_was_quicker(tmp_path: Path) -> None:
    result = run_command("printf 12345678901", cwd=tmp_path, max_output=10)

    assert (result.exit_code, result.ended_by) == (None, "it printed more than 10 bytes")
    assert run_command("printf 1234567890", cwd=tmp_path, max_output=10).exit_code == 0


def test_the_environment_is_the_one_given(tmp_path: Path) -> None:
    assert run_command("echo $ONLY-$HOME", cwd=tmp_path, env={"ONLY": "this"}).stdout == b"this-\n"


WAITING = """
import sys
from pathlib import Path
from conductor.shell import run_command
try:
    run_command(sys.argv[1], cwd=Path.cwd())
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    ("command", "interrupts"),
    [("echo $$ > pid; sleep 60", 1), ("trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done", 2)],
)
def test_ctrl_c_ends_the_group_and_a_second_one_at_once(tmp_path: Path, command: str, interrupts: int) -> None:
    waiting = subprocess.Popen([sys.executable, "-c", WAITING, command], cwd=tmp_path, stdout=subprocess.PIPE)
    pid_file = tmp_path / "pid"
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert waiting.poll() is None
        time.sleep(0.01)
    begun = time.monotonic()
    for _ in range(interrupts):
        waiting.send_signal(signal.SIGINT)
        time.sleep(0.2)

    assert waiting.communicate(timeout=5)[0] == b"interrupted\n"
    assert is_gone(int(pid_file.read_text()))
    assert time.monotonic() - begun < 1.5


def test_ctrl_c_in_the_moment_of_the_start_ends_the_command(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        pid_file.write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Launch(shell_argv("sleep 60"), prepare=interrupt), cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert is_gone(int(pid_file.read_text()))


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_command("echo x", cwd=tmp_path)

    assert os.listdir(tmp_path) == []  # noqa: PTH208


GONE = """OPENAI_API_KEY OPENAI_APIKEY AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SESSION_TOKEN GITHUB_TOKEN
GITHUB_TOKEN2 HF_TOKEN PGPASSWORD MYSQL_PWD DB_PASS GPG_PASSPHRASE GOOGLE_APPLICATION_CREDENTIALS AZURE_OPENAI_KEY
GITHUB_PAT npm_config_authToken litellm_master_key DJANGO_SECRET_KEY SECRETS API_KEY_FILE CI_JOB_JWT TWINE_PASSWORD"""
KEPT = """PATH HOME LANG LC_ALL PWD OLDPWD TERM USER SHELL TMPDIR VIRTUAL_ENV PYTHONPATH SSH_AUTH_SOCK GIT_ASKPASS
TOKENIZERS_PARALLELISM XDG_SESSION_ID KEYBOARD MONKEY COMPASS SECRETARY BYPASS PATTERN DATABASE_URL HTTPS_PROXY"""


def test_commands_get_no_credentials_and_keep_the_rest() -> None:
    environ = dict.fromkeys(f"{GONE} {KEPT}".split(), "x")

    assert set(command_environment(environ)) == set(KEPT.split())


def test_what_a_command_used_is_known_children_included(tmp_path: Path) -> None:
    """In a small process: what a command holds is known where it is more than what its parent does."""
    busy = "import time\nheld = bytearray(200_000_000)\nwhile time.process_time() < 0.2: pass\n"
    (tmp_path / "busy.py").write_text(busy)
    ask = (
        "import sys; from pathlib import Path; from conductor.shell import run_command\n"
        "for command in (f'{sys.executable} busy.py & wait; true', 'true'):\n"
        "    used = run_command(command, cwd=Path())\n"
        "    print(used.cpu_s, used.peak_bytes)\n"
    )
    told = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    (busy_s, busy_bytes), (idle_s, idle_bytes) = (map(float, line.split()) for line in told.splitlines())
    assert busy_s >= 0.2 > idle_s
    assert busy_bytes >= 200_000_000
    assert idle_bytes == 0


def test_what_an_ended_command_used_is_known_too(tmp_path: Path) -> None:
    result = run_command("while :; do :; done", cwd=tmp_path, timeout_s=0.3)
    assert result.exit_code is None
    assert result.cpu_s > 0
