"""Skeletons of languages with braces: signatures whole, and the grammar reads them again."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
import tree_sitter

from conductor.errors import Refused
from conductor.views.base import Options, Part
from conductor.views.languages import LANGUAGES
from conductor.views.map import map_of
from conductor.views.registry import skeleton_suffixes, view_of
from conductor.views.tree import source_files

CASES = {
    "a.ts": (
        """import a from "b";
/** Doc. */
@dec() export abstract class A<T> extends B implements C {
  private x: number = 1;
  static foo = (a: number): string => { return "" };
  @inp() m(a: string = "{ // }", /* no */ b = () => { return 1 }): void { return }
  abstract q(): void;
}
export interface I { a: string; b(x: number): void }
export type T1 = { a: string } | "x";
enum E { A, B = 2 }
export const f = async (
  x: number, // the x
) => x + 1, g = function () { return 1 };
namespace N { export function n() { return 1 } const z = 1 }
describe("f", () => { it("works", () => {}) });
export function over(a: string): void;
exports.foo = function* (a) { yield a };
""",
        """@dec() export abstract class A<T> extends B implements C {
    static foo = (a: number): string => {};
    @inp()
    m(a: string = "{ // }", b = () => { return 1 }): void {}
    abstract q(): void
}
export interface I {
    b(x: number): void
}
export type T1 = { a: string } | "x";
enum E {}
export const f = async (x: number,) => {}, g = function () {};
namespace N {
    export function n() {}
}
export function over(a: string): void;
exports.foo = function* (a) {};
""",
    ),
    "a.tsx": ("const A = (p: P) => <b>{p.x}</b>;\n", "const A = (p: P) => {};\n"),
    "a.js": (
        "class A { #x = 1; get y() { return 1 } }\nfunction f({a, b} = {}) { }\n",
        "class A {\n    get y() {}\n}\nfunction f({a, b} = {}) {}\n",
    ),
    "a.go": (
        """package x

import "fmt"

// A is it.
type A struct {
	X int `json:"x"`
	Y string
}

type I interface {
	M(a int) error
	fmt.Stringer
}

type (
	B int
	C struct{ z int }
)

func (a *A) M(x int) (y error) { return nil }

func G[T any](f func() struct{}) {
}
""",
        """type A struct {}
type I interface {
    M(a int) error
    fmt.Stringer
}
type (B int; C struct {})
func (a *A) M(x int) (y error)
func G[T any](f func() struct{})
""",
    ),
    "a.rs": (
        """use a::b;
/// Doc
#[derive(Debug)]
pub struct A<'a> { x: &'a str }
struct T(u8, pub u16);
enum E { A, B { x: u8 } }
pub trait Tr: Sized { type X; const C: u8; fn f(&self) -> u8; fn g() { } }
impl<'a> Tr for A<'a>
where
    A<'a>: Copy,
{ fn f(&self) -> u8 { 1 } }
pub async unsafe fn w<T>(x: T) -> Result<(), T> { Ok(()) }
""",
        """#[derive(Debug)]
pub struct A<'a> {}
struct T(u8, pub u16);
enum E {}
pub trait Tr: Sized {
    type X;
    fn f(&self) -> u8;
    fn g() {}
}
impl<'a> Tr for A<'a> where A<'a>: Copy, {
    fn f(&self) -> u8 {}
}
pub async unsafe fn w<T>(x: T) -> Result<(), T> {}
""",
    ),
    "A.java": (
        """package a.b;
@Entity(name = "x") public class A<T> extends B implements C {
  private final int x = 1;
  public A(int x) { this.x = x; }
  @Override public <U> void m(final U u, int... z) throws E { return; }
  class In { }
}
interface I { int K = 1; void m(); }
enum E { A(1), B { void x() {} }; E(int i) {} }
record R(int a, String b) { R { } }
""",
        """@Entity(name = "x") public class A<T> extends B implements C {
    public A(int x) {}
    @Override public <U> void m(final U u, int... z) throws E {}
    class In {}
}
interface I {
    void m();
}
enum E {
    ;
    E(int i) {}
}
record R(int a, String b) {
    R {}
}
""",
    ),
}
EVERYTHING = Options(compact=True, imports=True, constants=True, fields=True, docs="full", lines=True)


@pytest.mark.parametrize(("name", "code", "expected"), [(name, *case) for name, case in CASES.items()], ids=CASES)
def test_skeleton(name: str, code: str, expected: str) -> None:
    view = view_of(name, code.encode(), "skeleton", options=Options())
    assert (view.text, view.kind, view.notice) == (expected, "skeleton", "")
    assert view_of(name, expected.encode(), "skeleton", options=Options()).text == expected


@pytest.mark.parametrize(("name", "code"), [(name, case[0]) for name, case in CASES.items()], ids=CASES)
@pytest.mark.parametrize("options", [Options(), Options(compact=True), EVERYTHING], ids=["plain", "compact", "all"])
def test_the_grammar_reads_every_form(name: str, code: str, options: Options) -> None:
    text = view_of(name, code.encode(), "skeleton", options=options).text
    language = next(language for language in LANGUAGES if name.endswith(language.suffixes))
    grammar = getattr(importlib.import_module(language.grammar), language.entry)()
    assert not tree_sitter.Parser(tree_sitter.Language(grammar)).parse(text.encode()).root_node.has_error, text


ASKED_FOR = {
    "a.cts": (
        """import a from "b";
/**
 * Docs of A.
 *   More.
 */
export class A {
  // x is it
  private x: number = 1;
  [key: string]: number;
  m() { return 1 }
}
interface I { a: string; [key: string]: string }
enum E { A, B = 2 }
module M { const inner = 1; function f() { } }
const short = 1;
""",
        """import a from "b";
// Docs of A.
export class A {
    m() {}
}
interface I {}
enum E {}
module M {
    const inner = 1;
    function f() {}
}
const short = 1;
""",
        """/**
 * Docs of A.
 *   More.
 */
export class A { // L6-11
    // x is it
    private x: number = 1; // L8-8
    [key: string]: number // L9-9
    m() {} // L10-10
}
interface I { // L12-12
    a: string // L12-12
    [key: string]: string // L12-12
}
enum E { A, B = 2 } // L13-13
module M { // L14-14
    function f() {} // L14-14
}
""",
    ),
    "a.mjs": (
        "/* one */\nexport function h() { }\n",
        "// one\nexport function h() {}\n",
        "/* one */\nexport function h() {} // L2-2\n",
    ),
    "a.mts": ("const f = () => 1;\n", "const f = () => {};\n", "const f = () => {}; // L1-1\n"),
    "a.cjs": ("function f() { }\n", "function f() {}\n", "function f() {} // L1-1\n"),
    "a.go": (
        """package x

import "fmt"

// A is it.
// It is.
type A struct {
	X int `json:"x"`
	Y string
}

const K = 1

var (
	V = 2
	W = 3
)
""",
        """package x
import "fmt"
// A is it.
type A struct {}
const K = 1
var (V = 2; W = 3)
""",
        """// A is it.
// It is.
type A struct { // L7-10
    X int `json:"x"` // L8-8
    Y string // L9-9
}
""",
    ),
    "a.rs": (
        """use a::b;
extern crate c;
/// Doc
pub struct A { x: u8 }
union U { f: f32, i: u32 }
enum E { A, B { x: u8 } }
static S: u8 = 2;
impl A { const D: u8 = 1; fn f() { } }
""",
        """use a::b;
extern crate c;
// Doc
pub struct A {}
union U {}
enum E {}
static S: u8 = 2;
impl A {
    const D: u8 = 1;
    fn f() {}
}
""",
        """/// Doc
pub struct A { x: u8 } // L4-4
union U { f: f32, i: u32 } // L5-5
enum E { A, B { x: u8 } } // L6-6
impl A { // L8-8
    fn f() {} // L8-8
}
""",
    ),
    "A.java": (
        """package a.b;
import java.util.List;
/* Docs. */
class A { private int x = 1; void m() { } }
interface I { int K = 1; }
@interface N { String value() default "x"; }
""",
        """package a.b;
import java.util.List;
// Docs.
class A {
    void m() {}
}
interface I {}
@interface N {
    String value() default "x";
}
""",
        """/* Docs. */
class A { // L4-4
    private int x = 1; // L4-4
    void m() {} // L4-4
}
interface I { // L5-5
    int K = 1; // L5-5
}
@interface N { // L6-6
    String value() default "x"; // L6-6
}
""",
    ),
}


@pytest.mark.parametrize(("name", "code", "head", "inside"), [(n, *c) for n, c in ASKED_FOR.items()], ids=ASKED_FOR)
def test_what_is_asked_for_comes_along(name: str, code: str, head: str, inside: str) -> None:
    """Imports, constants and the first line of docs; or fields, all docs and line numbers."""
    options = (Options(imports=True, constants=True, docs="first"), Options(fields=True, docs="full", lines=True))
    shown = [view_of(name, code.encode(), "skeleton", options=asked).text for asked in options]
    assert shown == [head, inside]


def test_a_long_value_is_cut_and_what_is_nested_without_end_comes_raw() -> None:
    values = "".join(f"  k{number}: {number},\n" for number in range(60))
    code = f"const x = {{\n{values}}};\nconst y = 1;\n".encode()
    assert view_of("a.ts", code, "skeleton", options=Options(constants=True)).text == "const x = ...;\nconst y = 1;\n"
    deep = f"function f(a = {'(' * 3000}1{')' * 3000}) {{ }}\n"
    assert view_of("a.ts", deep.encode(), "skeleton") == (deep, "raw", "nested too deeply for a skeleton: raw")


@pytest.mark.parametrize(
    ("name", "code", "shown", "line"),
    [
        ("a.rs", "fn f() { }\nfn (\nstruct S { x: u8 }\nfn g() { }\n", "fn f() {}\nstruct S {}\nfn g() {}\n", 2),
        ("c.ts", "function f() { }\n} }\nfunction g() { }\n", "function f() {}\nfunction g() {}\n", 2),
        ("b.ts", "class A {\n  m() { }\n", "class A {\n    m() {}\n}\n", 2),
    ],
)
def test_what_stands_in_an_error_is_shown(name: str, code: str, shown: str, line: int, tmp_path: Path) -> None:
    view = view_of(name, code.encode(), "skeleton", options=Options())
    assert (view.text, view.notice) == (shown, f"approximate: syntax error at line {line}")
    (tmp_path / name).write_text(code)
    for definition in ("S", "g") if name == "a.rs" else ():
        assert f" {definition}" in map_of(tmp_path, [str(tmp_path / name)], 2000).text


def test_constants_of_an_enum_are_its_fields() -> None:
    code = "enum E { A(1), @X B { void x() { return; } }, C; E(int i) { } }\nenum F { A, B }\n"
    assert view_of("A.java", code.encode(), "skeleton", options=Options(fields=True)).text == (
        "enum E {\n    A(1),\n    @X B {\n        void x() {}\n    },\n    C\n    ;\n    E(int i) {}\n}\n"
        "enum F {\n    A,\n    B\n}\n"
    )
    assert view_of("A.java", code.encode(), "skeleton", options=Options()).text == (
        "enum E {\n    ;\n    E(int i) {}\n}\nenum F {}\n"
    )


@pytest.mark.parametrize("name", CASES, ids=CASES)
def test_other_views_are_raw_and_say_so(name: str) -> None:
    code = CASES[name][0]
    for kind, part in (("curated", Part()), ("skeleton", Part(focus="A")), ("skeleton", Part(symbol="A"))):
        view = view_of(name, code.encode(), kind, part=part)  # type: ignore[arg-type]
        assert (view.text, view.kind) == (code, "raw")
        assert view.notice.endswith("files: raw")


@pytest.mark.parametrize("name", CASES, ids=CASES)
def test_a_map_has_every_language(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CASES[name][0])
    (tmp_path / "b.py").write_text("def f(): pass\n")
    paths = source_files(tmp_path, skeleton_suffixes())
    text = map_of(tmp_path, paths, 2000).text.partition(f"# {name}\n")[2].partition("# b.py")[0]
    language = next(language for language in LANGUAGES if name.endswith(language.suffixes))
    grammar = getattr(importlib.import_module(language.grammar), language.entry)()
    assert text
    assert not tree_sitter.Parser(tree_sitter.Language(grammar)).parse(text.encode()).root_node.has_error, text


def test_a_map_ranks_by_use_and_says_what_it_cut(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text("package x\n// UseMe\nfunc Lonely() {}\nfunc UseMe() {}\n")
    (tmp_path / "b.go").write_text("package x\nfunc Other() { UseMe() }\n")
    (tmp_path / "b_test.go").write_text("package x\nfunc TestLonely() { Lonely() }\n")
    (tmp_path / "c.ts").write_text("export class Shape { area_of_it(): number { return 1 } }\nconst x = () => {}\n")
    (tmp_path / "d.ts").write_text("const y = () => new Shape();\n")
    paths = source_files(tmp_path, skeleton_suffixes())
    for _ in range(2):  # the second time from the cache
        text = map_of(tmp_path, paths, 2000).text
        assert text.startswith("# a.go\nfunc Lonely()\nfunc UseMe()\n")
        assert text.endswith("# b_test.go\nfunc TestLonely()\n")
        old = 1_000_000_000
        for path in paths:
            os.utime(path, (old, old))
    assert map_of(tmp_path, paths, 9).text == "# a.go\nfunc UseMe()\n"
    assert map_of(tmp_path, paths, 13, "c.ts::Shape").text == "# c.ts\nexport class Shape{ /* ... */ }\n"
    with pytest.raises(Refused):
        map_of(tmp_path, paths, 2000, "c.ts::Nobody")


def test_what_is_broken_is_said_and_the_rest_shown() -> None:
    view = view_of(
        "a.go", b"package x\nfunc A(x int) { return }\nfunc B( {\nfunc C() {}\n", "skeleton", options=Options()
    )
    assert "func A(x int)\n" in view.text
    assert view.notice.startswith("approximate: syntax error at line ")


def test_a_missing_grammar_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importlib.sys.modules, "tree_sitter_go", None)  # type: ignore[attr-defined]
    view = view_of("a.go", b"func A() {}", "skeleton")
    assert (view.text, view.kind) == ("func A() {}", "raw")
    assert view.notice == "no grammar for go: raw (pip install 'conductor-clutch[languages]')"


def test_nothing_crashes() -> None:
    for name in CASES:
        for data in (b"", b"\0", b"{" * 3000, b"(" * 3000, b"\xff\xfe class", b"class A {\n" * 1500):
            assert isinstance(view_of(name, data, "skeleton", options=EVERYTHING).text, str)


def test_an_open_brace_is_an_error_where_the_file_ends() -> None:
    for code, line in (("class A {\n  f() {\n    return 1\n", 4), ("const a = 1;\nconst b = ;\nclass A {}\n", 2)):
        assert view_of("a.ts", code.encode(), "skeleton").notice == f"approximate: syntax error at line {line}"
