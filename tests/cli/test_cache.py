"""`conductor cache`, and a run that is paid for once, as a user has them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.driver import environment, make_project, play, run_command
from tests.openai_server import Call, OpenAIServer, Reply

TICKETS = [{"id": "T1", "target_file": "one.txt", "prompt": "Write PLUM.", "verify": "grep -q PLUM one.txt"}]


def test_a_run_is_paid_for_once_and_its_cache_is_counted_checked_and_purged(tmp_path: Path) -> None:
    project = make_project(tmp_path, TICKETS)
    folder = tmp_path / "cache" / "conductor" / "completions"
    script = [Reply("", [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})]), Reply("Done.")]
    with OpenAIServer(script) as server:
        env = environment(
            project, XDG_CACHE_HOME=str(tmp_path / "cache"), CONDUCTOR_API_BASE=server.url, CONDUCTOR_MODEL="openai/m"
        )
        (tmp_path / "user").mkdir()
        assert play(project, "--cache", "write", env=env).code == 0
        (project / "one.txt").unlink()
        again = play(project, "--fresh", "--cache", "read", env=env)
        assert again.code == 0
        assert len(server.requests) == 2
        replies = again.kinds("model_replied")
        assert [(reply["attempts"], reply["usage"]["input_tokens"]) for reply in replies] == [(0, 0), (0, 0)]
        assert all(reply["saved"]["input_tokens"] == 10 for reply in replies)

        stats = json.loads(run_command(project, "cache", "stats", "--json", env=env).stdout)
        size = sum(path.stat().st_size for path in (folder / "entries").iterdir())
        assert stats == {
            "folder": str(folder),
            **{"entries": 2, "bytes": size, "hits": 2, "misses": 2, "written": 2, "bad": 0},
        }
        sound = run_command(project, "cache", "validate", env=env)
        assert (sound.returncode, sound.stdout) == (0, "2 entries: 2 good, 0 damaged, 0 missing\n")

        damaged = next(path for path in (folder / "entries").iterdir() if b"Done." in path.read_bytes())
        damaged.write_bytes(damaged.read_bytes()[:-1])
        unsound = run_command(project, "cache", "validate", env=env)
        assert unsound.returncode == 6 and "purge --bad" in unsound.stderr
        (project / "one.txt").unlink()
        rebuilt = play(project, "--fresh", "--cache", "write", env=env)
        assert len(server.requests) == 3 and "asked again" in rebuilt.stderr
        assert run_command(project, "cache", "validate", env=env).returncode == 0
        assert run_command(project, "cache", "purge", "--bad", env=env).stdout == "removed 0 entries, 0 bytes\n"
        assert run_command(project, "cache", "purge", env=env).stdout.startswith("removed 2 entries, ")
        assert json.loads(run_command(project, "cache", "stats", "--json", env=env).stdout)["entries"] == 0


def test_without_a_cache_there_is_nothing_to_count(tmp_path: Path) -> None:
    project = make_project(tmp_path, TICKETS)
    env = environment(project, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert run_command(project, "cache", "stats", env=env).stdout.startswith("0 entries, 0 bytes in ")
    assert run_command(project, "cache", "purge", env=env).stdout == "removed 0 entries, 0 bytes\n"
    assert run_command(project, "cache", "validate", env=env).returncode == 0
    assert not (tmp_path / "cache").exists()
    assert run_command(project, "run", "tracks/track.toml", "--cache", "always", env=env).returncode == 2
