"""`conductor cost` adds up to what the provider itself counted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.driver import Json, environment, make_project, play, run_command
from tests.openai_server import Answer, Call, OpenAIServer, Reply, rate_limited

TICKETS: list[Json] = [
    {"id": "T1", "target_file": "one.txt", "prompt": "Write PLUM.", "verify": "grep -q PLUM one.txt"},
    {"id": "T2", "target_file": "two.txt", "prompt": "Write PEAR.", "verify": "grep -q PEAR two.txt"},
]


class Counting:
    """A provider that keeps its own books: what each good answer counted."""

    def __init__(self) -> None:
        self.books: list[Reply] = []
        self.limits = 1

    def __call__(self, body: Json) -> Answer:
        if self.limits:
            self.limits -= 1
            return rate_limited("0")
        number = len(self.books) + 1
        counted: dict[str, int] = {"input_tokens": 100 * number, "output_tokens": number, "cached_tokens": 10 * number}
        reply = Reply(self._text(body), self._calls(body), **counted)
        self.books.append(reply)
        return reply

    def _text(self, body: Json) -> str:
        return "The command exits 3." if "the draft, or a better hint" in body["messages"][-1]["content"] else "Done."

    def _calls(self, body: Json) -> list[Call]:
        said = sum(message["role"] == "assistant" for message in body["messages"])
        asked = body["messages"][1]["content"]
        if not body.get("tools"):
            return []
        if said == 0:
            return [Call("run_shell", {"command": "seq 1 2000; exit 3"})]
        if said == 1 and "Ticket T1" in asked:
            return [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})]
        return []


def test_the_table_adds_up_to_the_servers_own_count(tmp_path: Path) -> None:
    project = make_project(tmp_path, TICKETS, settings="[archetypes.coder]\nmax_turns = 3\n")
    provider = Counting()
    with OpenAIServer(provider) as server:
        user = tmp_path / "user"
        user.mkdir()
        models = f'default = "openai/gpt-5-mini"\ndefault_cheap = "openai/gpt-5-nano"\napi_base = "{server.url}"'
        (user / "config.toml").write_text(f"[models]\n{models}\n")
        assert play(project).code == 1, "T2 never writes PEAR"
        assert play(project, "--retry", "T2").code == 1
        books = provider.books
        sent = len(server.requests)
    counted = {
        "input_tokens": sum(reply.input_tokens for reply in books),
        "output_tokens": sum(reply.output_tokens for reply in books),
        "cached_tokens": sum(reply.cached_tokens for reply in books),
    }
    found = json.loads(run_command(project, "cost", "--json").stdout)
    total = found["total"]
    assert {name: total[name] for name in counted} == counted
    assert (total["completions"], total["requests"]) == (len(books), len(books) + 1) == (sent - 1, sent)
    assert set(found["by_tier"]) == {"worker", "hints"} and set(found["by_ticket"]) == {"T1", "T2"}
    assert set(found["by_model"]) == {"openai/gpt-5-mini", "openai/gpt-5-nano"} and set(found["by_archetype"]) == {
        "coder"
    }
    for key in ("by_tier", "by_archetype", "by_model", "by_ticket", "accounts"):
        groups = found[key] if key == "accounts" else found[key].values()
        for name, count in counted.items():
            assert sum(group[name] for group in groups) == count, (key, name)
    assert total["usd"] > 0
    assert total["kept_back_by_hints"] > 2000, "two thousand lines, three times, became three hints"

    table = run_command(project, "cost").stdout.splitlines()
    assert table[0].split() == ["tier", "archetype", "model", "ticket", "requests", "input", "cached", "output", "cost"]
    last = next(line for line in table if line.startswith("all"))
    assert last.split()[1:5] == [
        f"{n:,}" for n in (sent, *(counted[k] for k in ("input_tokens", "cached_tokens", "output_tokens")))
    ]
    assert any(line.startswith("kept out of conversations: hints about") for line in table)
    assert len(run_command(project, "cost", "--by", "model").stdout.splitlines()) == 5


def test_before_anything_was_asked(tmp_path: Path) -> None:
    project = make_project(tmp_path, TICKETS)
    asked = run_command(project, "cost", env=environment(project))
    assert (asked.returncode, asked.stdout) == (0, "No model has been asked yet.\n")
    assert json.loads(run_command(project, "cost", "--json").stdout)["total"]["requests"] == 0


def test_the_time_to_the_first_text_of_streamed_answers_is_shown(tmp_path: Path) -> None:
    project = make_project(tmp_path, TICKETS[:1])
    turns = [Reply("", [Call("write_file", {"path": "one.txt", "content": "PLUM\n"})]), Reply("PLUM is written.")]
    with OpenAIServer(turns) as server:
        user = tmp_path / "user"
        user.mkdir()
        models = f'default = "openai/m"\ndefault_cheap = "openai/m"\napi_base = "{server.url}"\nstream = true'
        (user / "config.toml").write_text(f"[models]\n{models}\n")
        assert play(project).code == 0
    assert "time to first text: openai/m 0.0" in run_command(project, "cost").stdout
    total = json.loads(run_command(project, "cost", "--json").stdout)["total"]
    assert total["streamed"] == 1, "the first answer had no text"
    assert total["first_text_s"] > 0
    log = run_command(project, "log", "--kind", "model_replied", "--json").stdout.splitlines()
    assert [json.loads(line)["data"]["first_text_s"] > 0 for line in log] == [False, True]
