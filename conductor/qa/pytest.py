"""Reads pytest: not only where a test failed, but what it was testing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from conductor.qa.base import Finding
from conductor.qa.output import Output
from conductor.qa.python import describe, last_chain, tracebacks
from conductor.qa.source import subjects
from conductor.qa.unit import describe_test

_TITLE = re.compile(r"^_{3,} (?P<title>.+?) _{3,}$")
_BANNER = re.compile(r"^={3,} (?P<title>.+?) ={3,}$")
_PLACE = re.compile(
    r"^(?P<file>[^\s:][^:]{0,250}):(?P<line>\d+):(?: (?:in (?P<function>\S+)|(?P<type>[A-Za-z_][\w.]*)))?(?:: .*)?$"
)
_LINE_STYLE = re.compile(r"^(?P<file>/?[^\s:][^:]{0,250}\.py):(?P<line>\d+): (?P<message>\S.*)$")
_SUMMARY = re.compile(r"^(?P<kind>FAILED|ERROR) (?P<test>\S+?\.py(?:::[^\s].*?)?)(?: - (?P<message>.*))?$")
_COUNTS = re.compile(r"^=*\s*(?P<counts>(?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")
_FAILED_COUNT = re.compile(r"(\d+) (?:failed|errors?)")
_E_LINE = re.compile(r"^(?:\[gw\d+\] )?E(?:\s{1,}(?P<text>.*))?$")
_WHERE = re.compile(r"^\s*\+\s+(?:where|and)\s+(?P<value>.+?) = (?P<call>[A-Za-z_][\w.]*\(.*)$")
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$|(?:^|/)tests?/")
_NO_TESTS = re.compile(
    r"no tests ran|^(?:=*\s*)?(?:no tests collected|\d+ deselected) in |collected 0 items|^=* ?\d+ deselected"
)
_SELECTED = re.compile(r"-[km][ =]?(?:'[^']*'|\"[^\"]*\"|\S+)")
_USAGE = re.compile(r"^(?:ERROR|[\w./ -]{0,60}: error): (?P<message>\S.*)$")
_CONFTEST = re.compile(r"^ImportError while loading conftest '(?P<file>[^']+)'")
_SYNTAX_PLACE = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_SECTION = re.compile(r"^ERROR (?:collecting|at setup of|at teardown of) ")
_FIXTURE_PLACE = re.compile(r"^file (?P<file>\S+), line (?P<line>\d+)")
_TEST_NAME = re.compile(r"(?=.*test)[\w.]+(?:\[.{0,40}\])?")
_COMPARED = re.compile(r"^(?:AssertionError: )?assert (?P<left>.+?) (?P<op>==|!=|<=|>=|<|>|in|is) (?P<right>.+)$")
_RAISED = re.compile(r"[\w.]*(?:Error|Exception|Failed|Exit|Warning)\b")
_INTERNAL = re.compile(r"^INTERNALERROR> ?")


class Failure(Struct, frozen=True):
    """One failing test or collection error: its E lines, the places of its trace, the source lines at fault."""

    title: str
    errors: tuple[str, ...] = ()
    places: tuple[tuple[str, int, str], ...] = ()
    sources: tuple[str, ...] = field(default_factory=tuple[str, ...])
    block: tuple[str, ...] = ()

    @property
    def error(self) -> str:
        """The first E line that says something."""
        return next((text for text in self.errors if text), "")


def read_pytest(output: Output) -> Finding | None:
    """Read a pytest run: wrong usage, a broken conftest, collection errors, or the failures by their common cause."""
    lines = output.lines
    failures = list(_failures(lines))
    summary = [m for m in map(_SUMMARY.match, lines) if m]
    ran = "pytest" in output.command or "py.test" in output.command
    if not (failures or summary or ran or any(_CONFTEST.match(line) for line in lines)):
        return None
    conftest = _conftest(output)
    if conftest:
        return conftest
    if failures:
        return _by_cause(failures, _count(lines), output)
    located = _line_style(output)
    if summary:
        found = _from_summary(summary, _count(lines), output)
        return replace(located, where=found.where, extras=found.extras) if located else found
    return located or _not_run(output) if ran else None


def _conftest(output: Output) -> Finding | None:
    for at, line in enumerate(output.lines):
        match = _CONFTEST.match(line)
        if match:
            return _one(_read_failure(match["file"], output.lines[at : at + 200]), output)
    return None


def _not_run(output: Output) -> Finding | None:
    lines = output.lines
    internal = [_INTERNAL.sub("", line) for line in lines if _INTERNAL.match(line)]
    if internal:
        chain = last_chain(tracebacks(internal))
        if chain:
            return describe(chain, output)
    for line in (*output.stderr, *output.stdout):
        match = _USAGE.match(line)
        if match and not match["message"].startswith("usage:"):
            return Finding(f"pytest: {match['message']}")
    if any(_NO_TESTS.search(line) for line in lines):
        chosen = _SELECTED.search(output.command.split("pytest", 1)[-1])
        reason = f"every test was deselected by {chosen.group()}" if chosen else "no test was found"
        count = next((m.group() for m in (re.search(r"\d+ deselected", line) for line in lines) if m), "")
        advice = "" if chosen else "files test_*.py, functions test_*"
        return Finding(f"pytest ran no test: {reason}", extras=(count, advice))
    return None


def _failures(lines: Sequence[str]) -> Iterator[Failure]:
    """Yield one failure for each underlined title of the FAILURES and ERRORS sections."""
    starts = [at for at, line in enumerate(lines) if _TITLE.match(line) and not set(line) <= set("_ ")]
    for number, at in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(lines)
        banner = next((near for near in range(at + 1, end) if _BANNER.match(lines[near])), end)
        title = _TITLE.match(lines[at])
        yield _read_failure(title["title"] if title else "", lines[at + 1 : banner])


def _read_failure(title: str, block: Sequence[str]) -> Failure:
    errors: list[str] = []
    places: list[tuple[str, int, str]] = []
    sources: list[str] = []
    for line in block:
        if line.startswith(("--------", "________")) and "Captured" in line:
            break
        said = _E_LINE.match(line)
        if said:
            errors.append((said["text"] or "").strip())
            continue
        place = _PLACE.match(line)
        if place and (place["file"].endswith(".py") or place["function"]):
            places.append((place["file"], int(place["line"]), place["function"] or ""))
        elif line.startswith(">") and "pytest --fixtures" not in line:
            sources.append(line[1:].strip())
        elif places and line.startswith("    ") and len(sources) < len(places):
            sources.append(line.strip())
    if not errors and not places:
        errors = [line.strip() for line in block if line.strip()][:1]
    return Failure(title, tuple(errors), tuple(places), tuple(sources), tuple(block))


def _by_cause(failures: Sequence[Failure], count: int, output: Output) -> Finding:
    """Report the place outside the tests most failures share; where all show in tests only, the simplest of them."""
    inside = Counter(
        place[:2]
        for place in (_project_place(failure, output) for failure in failures)
        if place and not _TEST_FILE.search(place[0])
    )
    total = max(count, len(failures))
    more = f"{total} tests fail" if total > 1 else ""
    if inside:
        common = inside.most_common(1)[0][0]
        failure = next(one for one in failures if (_project_place(one, output) or ("", 0))[:2] == common)
        found = _one(failure, output)
        return replace(found, extras=(*found.extras[:1], more, *found.extras[1:]))
    failure = min(failures, key=_effort)
    found = _one(failure, output)
    under_test = list(dict.fromkeys(name for one in sorted(failures, key=_effort) for name in _under_test(one)))
    others = [name for name in under_test if f"{name}(" not in found.message] if total > 1 else []
    through = f"also through {', '.join(f'{name}()' for name in others[:3])}" if others else ""
    return replace(found, extras=(more, through, *found.extras))


def _effort(failure: Failure) -> tuple[bool, int]:
    """Sort key: a failure that names the function under test and has a short message is the easiest to learn from."""
    return (not _under_test(failure), len(failure.error) + len("".join(failure.sources[-1:])))


def _project_place(failure: Failure, output: Output) -> tuple[str, int, str] | None:
    ours = [place for place in failure.places if output.is_ours(place[0])]
    return ours[-1] if ours else None


def _under_test(failure: Failure) -> list[str]:
    from_where = [m["call"].split("(", 1)[0] for m in map(_WHERE.match, failure.errors) if m]
    names = [name for name in subjects("\n".join(f"{call}()" for call in from_where)) if not name.startswith("Decimal")]
    return names or [name for source in failure.sources[-1:] for name in subjects(source)]


def _one(failure: Failure, output: Output) -> Finding:
    """Return what one failure says, from the innermost place of the project it passed through."""
    syntax = next((m for text in failure.errors for m in [_SYNTAX_PLACE.search(text)] if m), None)
    if syntax:
        said = next((text for text in reversed(failure.errors) if re.match(r"\w+Error: ", text)), failure.errors[-1])
        return Finding(said, output.place(syntax["file"], syntax["line"]))
    chain = last_chain(tracebacks(failure.block)) if not failure.places else []
    if chain:
        return describe_test(chain, failure.title, output)
    test = _SECTION.sub("", failure.title)
    message = _message(failure) or f"test {test} failed"
    source = failure.sources[-1] if failure.sources else ""
    extras = (f"at `{source}`" if 0 < len(source) < 90 else "", "" if test.endswith(".py") else f"test {test}")
    place = _project_place(failure, output)
    if not place:
        named = next((m for m in map(_FIXTURE_PLACE.match, failure.block) if m), None)
        where = output.place(named["file"], named["line"]) if named else test if test.endswith(".py") else ""
        return Finding(message, output.short(where), extras=extras)
    file, line, function = place
    if _TEST_FILE.search(file) and not file.endswith("conftest.py") and _TEST_NAME.fullmatch(test):
        function = test
    return Finding(message, output.place(file, line), "" if function.startswith("<") else function, extras)


def _message(failure: Failure) -> str:
    """Return the error, and for a failed comparison the call that gave the wrong value and the value expected."""
    text = next((one for one in failure.errors if _RAISED.match(one)), failure.error)
    compared = _COMPARED.match(text)
    where = next((m for m in map(_WHERE.match, failure.errors) if m), None)
    source = failure.sources[-1] if failure.sources else ""
    if compared and where and subjects(where["call"]) and len(where["value"]) < 60:
        call = where["call"] if len(where["call"]) < 50 else f"{where['call'].split('(', 1)[0]}()"
        expected = compared["right"] if compared["op"] == "==" else f"{compared['op']} {compared['right']}"
        return f"{call} gave {where['value']}, expected {expected}"
    if compared and subjects(source):
        return f"{subjects(source)[0]}(): {text.removeprefix('AssertionError: ')}"
    return re.sub(r"^AssertionError: assert", "assert", text)


def _from_summary(summary: Sequence[re.Match[str]], count: int, output: Output) -> Finding:
    messages = Counter(m["message"] or "" for m in summary)
    common = messages.most_common(1)[0][0]
    first = next(m for m in summary if (m["message"] or "") == common)
    file, _, test = first["test"].partition("::")
    total = max(count, len(summary))
    more = f"{total} tests fail" if total > 1 else ""
    return Finding(common or "failed", output.place(file), test.replace("::", "."), (more,))


def _line_style(output: Output) -> Finding | None:
    for line in output.stdout:
        match = _LINE_STYLE.match(line)
        said = match["message"] if match else ""
        if match and output.is_ours(match["file"]) and (said.startswith("assert ") or _RAISED.match(said)):
            return Finding(said, output.place(match["file"], match["line"]))
    return None


def _count(lines: Sequence[str]) -> int:
    for line in reversed(lines):
        match = _COUNTS.match(line)
        if match:
            return sum(int(number) for number in _FAILED_COUNT.findall(match["counts"]))
    return 0
