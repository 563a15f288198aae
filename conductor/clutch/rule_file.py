"""The user's rules, kept in `rules.toml` of their own configuration directory: written by them, and by their `w`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from conductor.clutch.profiles import PROFILES
from conductor.clutch.rule import COMMANDS, FILES, READS, TOOLS, WRITES, Rule, Verdict
from conductor.errors import InvalidFile, Problem, UsageError
from conductor.toml_source import did_you_mean, read_toml
from conductor.user_file import locked, write_private
from conductor.visible import visible

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

NAME = "rules.toml"
_TEXTS = ("tool", "path", "track", "reason")
_LISTS = ("command", "exactly")
_KEYS = ("verdict", *_TEXTS, *_LISTS, "uses", "expires")
_Stamp = tuple[int, int, int]


class RuleFile:
    """`<user_dir>/rules.toml`. What a person wrote there (comments, order) stays when a rule is added or removed."""

    def __init__(self, user_dir: Path) -> None:
        self.path = user_dir / NAME
        self._read: tuple[_Stamp | None, tuple[Rule, ...]] = (None, ())

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules, read again when the file has changed. Raises `InvalidFile` with every mistake in it."""
        try:
            status = self.path.stat()
        except OSError:
            return ()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._read[0] != stamp:
            self._read = (stamp, _rules_at(self.path, status.st_mode))
        return self._read[1]

    def add(self, rule: Rule) -> None:
        """Keep a rule, in place of the same one. Raises `InvalidFile`, or `UsageError` when it cannot be written."""
        self._change(lambda rules: [*(kept for kept in rules if kept.id != rule.id), rule])

    def remove(self, rule_id: str) -> None:
        """Forget a rule. Raises as `add` does."""
        self._change(lambda rules: [kept for kept in rules if kept.id != rule_id])

    def spend(self, rule_id: str) -> bool:
        """Count one use of a rule that has a number of them; False when none was left. Raises as `add` does."""
        spent: list[Rule] = []

        def change(rules: list[Rule]) -> list[Rule]:
            spent.extend(rule for rule in rules if rule.id == rule_id and rule.uses)
            return [replace(rule, uses=(rule.uses or 0) - 1) if rule in spent else rule for rule in rules]

        self._change(change)
        return bool(spent)

    def _change(self, change: Callable[[list[Rule]], list[Rule]]) -> None:
        try:
            with locked(self.path):
                before = list(_rules_at(self.path, self.path.stat().st_mode)) if self.path.exists() else []
                write_private(self.path, _rewritten(self.path, before, change(before)))
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from error


def _rules_at(path: Path, mode: int) -> tuple[Rule, ...]:
    """Read and check the file. Raises `InvalidFile`."""
    if mode & 0o002:
        raise InvalidFile([Problem(str(path), 0, "", "others may write it")], hint=f"chmod go-w {path}")
    source = read_toml(path)
    tables: Any = source.data.get("rules", [])
    problems = [
        source.problem((key,), f"unknown key{did_you_mean(key, ['rules'])}") for key in source.data.keys() - {"rules"}
    ]
    if not isinstance(tables, list):
        raise InvalidFile([source.problem(("rules",), "must be tables: [[rules]]")])
    rules: list[Rule] = []
    for number, table in enumerate(cast("list[Any]", tables)):
        found = list(_mistakes(table))
        problems += [source.problem(("rules", number, *key), message) for key, message in found]
        if not found:
            rules.append(_rule(table))
    if problems:
        raise InvalidFile(problems)
    return tuple(rules)


def rule_from(table: dict[str, Any]) -> Rule:
    """Return the rule that a table of the file says. Raises `UsageError` with every mistake."""
    if found := list(_mistakes(table)):
        raise UsageError("; ".join(f"{'.'.join(key) or 'rule'} {message}" for key, message in found))
    return _rule(table)


def _rule(table: dict[str, Any]) -> Rule:
    return Rule(
        Verdict(table["verdict"]),
        table["tool"],
        path=table.get("path", ""),
        command=tuple(table.get("command", ())),
        exactly=tuple(table.get("exactly", ())),
        track=table.get("track", ""),
        uses=table.get("uses"),
        expires=table.get("expires"),
        reason=table.get("reason", ""),
    )


def _mistakes(table: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the key and message of what is wrong with one rule."""
    if not isinstance(table, dict):
        yield (), "must be a table"
        return
    rule = cast("dict[str, Any]", table)
    for key in rule.keys() - set(_KEYS):
        yield (key,), f"unknown key{did_you_mean(key, _KEYS)}"
    if wrong := list(_wrong_types(rule)):
        yield from wrong
        return
    verdict, tool = rule["verdict"], rule["tool"]
    kinds = [key for key in ("path", *_LISTS) if key in rule]
    if len(kinds) > 1:
        yield (kinds[1],), f"cannot stand beside {kinds[0]}"
    if tool not in TOOLS and not tool.startswith("mcp__"):
        yield ("tool",), f'"{visible(tool, one_line=True)}" is no tool{did_you_mean(tool, TOOLS)}'
    for key in kinds:
        if tool not in (COMMANDS if key in _LISTS else FILES):
            yield (key,), f"is nothing that calls of {visible(tool, one_line=True)} have"
    if verdict == Verdict.ALLOW:
        yield from _not_allowable(rule, tool)


def _wrong_types(rule: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if rule.get("verdict") not in tuple(Verdict):
        yield ("verdict",), "must be allow, ask or refuse"
    for key in _TEXTS:
        if not isinstance(rule.get(key, "" if key != "tool" else None), str):
            yield (key,), "must be a string"
    for key in _LISTS:
        words = rule.get(key, [""])
        if not (isinstance(words, list) and words and all(isinstance(w, str) for w in cast("list[Any]", words))):
            yield (key,), "must be an array of words"
    uses = rule.get("uses", 1)
    if not isinstance(uses, int) or isinstance(uses, bool) or uses < 0:
        yield ("uses",), "must be a number of times"
    expires = rule.get("expires", datetime.now(UTC))
    if not isinstance(expires, datetime) or expires.tzinfo is None:
        yield ("expires",), "must be a time with its zone, such as 2030-01-31T12:00:00Z"


def _not_allowable(rule: dict[str, Any], tool: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what no allow rule can be: rules that would never match must not look as if they did."""
    if tool not in READS | WRITES | COMMANDS:
        yield ("tool",), f"only {', '.join(sorted(READS | WRITES | COMMANDS))} can be allowed by a rule"
    elif tool not in COMMANDS and not rule.get("path"):
        yield ("path",), "missing: which files"
    elif tool in COMMANDS and not (rule.get("command") or rule.get("exactly")):
        yield ("command",), "missing: which command"
    elif "command" in rule and tuple(rule["command"]) not in (known := [profile.words for profile in PROFILES]):
        yield ("command",), f"has no list of plain flags; use exactly, or one of: {', '.join(map(' '.join, known))}"


def _rewritten(path: Path, before: list[Rule], after: list[Rule]) -> str:
    """Return the file's text with the changes from `before` to `after` and nothing else changed."""
    import tomlkit
    from tomlkit.items import AoT

    text = path.read_text(encoding="utf-8-sig") if path.exists() else "# Rules of the clutch: refuse > ask > allow.\n"
    document = tomlkit.parse(text)
    tables = _tables(document)
    kept = {rule.id: rule for rule in after}
    for number in reversed(range(len(before))):
        rule = kept.get(before[number].id)
        if rule is None:
            del tables[number]
        elif rule.uses is None:
            tables[number].pop("uses", None)
        elif rule.uses != before[number].uses:
            tables[number]["uses"] = rule.uses
    known = {rule.id for rule in before}
    for rule in after:
        if rule.id not in known:
            tables.append(_item(rule, inline=not isinstance(tables, AoT)))
    return tomlkit.dumps(document)


def _tables(document: TOMLDocument) -> Any:
    import tomlkit

    if "rules" not in document:
        document["rules"] = tomlkit.aot()
    return document["rules"]


def _item(rule: Rule, *, inline: bool) -> Any:
    """Return the rule as a table of the file, in the form that the file has its rules in."""
    import tomlkit

    table: Any = tomlkit.inline_table() if inline else tomlkit.table()
    table["verdict"] = str(rule.verdict)
    for key in _KEYS[1:]:
        value: Any = getattr(rule, key)
        if value not in ("", (), None):
            table[key] = list(cast("tuple[str, ...]", value)) if key in _LISTS else value
    return table
