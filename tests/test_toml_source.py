from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from conductor.errors import InvalidFile
from conductor.toml_source import Key, did_you_mean, dotted, file_digest, key_lines, read_toml

TRICKY = (Path(__file__).parent / "fixtures" / "tricky.toml").read_text()


def all_keys(value: Any, key: Key = ()) -> set[Key]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ({key} if key else set()).union(*(all_keys(child, (*key, name)) for name, child in children))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_of_a_tricky_file_is_found_on_its_line(newline: str) -> None:
    text = TRICKY.replace("\n", newline)
    lines = key_lines(text)
    assert set(lines) == all_keys(tomllib.loads(text))
    source = TRICKY.split("\n")

    def found(*key: str | int) -> str:
        return source[lines[key] - 1].strip()

    assert found("a", "b\tc", "d").startswith("a . ")
    assert found("numbers", 2, 2, "k", 0).startswith("numbers")
    assert found("numbers", 4) == '"six",'
    assert found("inline", "y", "z").startswith("inline")
    assert found("tickets") == found("tickets", 0) == "[[tickets]] # first"
    assert found("tickets", 1, "id") == 'id = "T2"'
    assert found("tickets", 0, "steps", 1, "n") == "n = 2"
    assert found("tickets", 1, "steps", 0, "n") == "n = 3"
    assert found("tickets", 1, "extra", "note") == "note = 2"
    assert found("last", "table", "end") == "end = true"


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.from_regex(
    r"[A-Za-z0-9_-]{1,5}", fullmatch=True
)
scalars = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.integers(-9, 9) | st.booleans() | st.dates()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(names, values, max_size=4))
def test_it_finds_exactly_the_keys_that_tomllib_finds(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    assert set(key_lines(text)) == all_keys(tomllib.loads(text))


PIECES = (
    'k{n} = """\n\\"""[k{n}]\n"""',
    "k{n} = '''\n[[x]]'''",
    "[k{n}]",
    "[[t]]\nk{n} = [\n1,\n]",
    "#\n",
    "k{n} = {{ z = 1 }}",
)


@given(st.lists(st.sampled_from(PIECES)))
def test_lines_are_those_of_the_text(pieces: list[str]) -> None:
    text = "\n".join(piece.format(n=n) for n, piece in enumerate(pieces))
    source = text.split("\n")
    for key, line in key_lines(text).items():
        if str(key[-1]).startswith("k"):
            assert source[line - 1].lstrip("[").startswith(str(key[-1]))


def problem_of(path: Path) -> tuple[int, str]:
    with pytest.raises(InvalidFile) as caught:
        read_toml(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return problem.line, problem.message


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"a = 1\nb = \n", 2, "not TOML: Invalid value"),
        (b"a = 1\na = 2\n", 2, "not TOML: Cannot overwrite a value"),
        (b'a = 1\nb = "', 2, "not TOML: Unterminated string"),
        (b"a = 1\nb = [1,\n", 2, "not TOML: Invalid value"),
        (b"a = 1\nb = '\xff'\n", 2, "not UTF-8: byte 0xff cannot stand here"),
        (b"a = " + b"9" * 5000, 0, "not TOML: Exceeds the limit"),
        (b"a = " + b"[" * 5000, 0, "not TOML: values are nested too deeply"),
    ],
)
def test_what_is_no_toml_is_one_problem_on_its_line(tmp_path: Path, content: bytes, line: int, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    found = problem_of(path)
    assert found[0] == line
    assert found[1].startswith(message)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "none.toml") == (0, "cannot be read: no such file")
    assert problem_of(tmp_path) == (0, "is a folder")
    assert problem_of(Path("/dev/null")) == (0, "is not a regular file")
    assert problem_of(tmp_path / "nul\0.toml")[1].startswith("cannot be read")
    loop = tmp_path / "loop.toml"
    loop.symlink_to(loop)
    assert problem_of(loop)[1].startswith("cannot be read")


def test_values_lines_and_digest_of_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n[b]\nc = [2]\n")  # the mark some editors put first
    source = read_toml(path)
    assert source.data == {"a": 1, "b": {"c": [2]}}
    assert source.digest == file_digest(path) != ""
    assert str(source.problem(("b", "c", 0), "wrong")) == f"{path}:3: b.c[0]: wrong"
    assert source.problem(("b", "d"), "missing").line == 2
    assert source.problem(("e",), "missing").line == 1


def test_keys_are_written_as_people_write_them() -> None:
    assert dotted(("tickets", 2, "dependencies", 0)) == "tickets[2].dependencies[0]"
    assert dotted(("a\x1b",)) == "a␛"


def test_guesses_are_close_or_none() -> None:
    assert did_you_mean("promt", ["prompt", "title"]) == '; did you mean "prompt"?'
    assert did_you_mean("xyz", ["prompt", "title"]) == ""
