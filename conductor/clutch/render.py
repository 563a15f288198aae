"""How a preview looks: display-safe lines, coloured and folded to the terminal's width, made no sooner than shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct
from rich.cells import cell_len, get_character_cell_size
from rich.text import Text

from conductor.clutch.glance import quoted_words, warnings_of, words_of
from conductor.clutch.payload import same_payload
from conductor.messages import (
    Aborted,
    Approved,
    ChosenRule,
    Decision,
    Effect,
    Happened,
    Preview,
    Rejected,
    Skipped,
    ToolCall,
)
from conductor.visible import visible

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_EFFECTS = {Effect.READ: "only reads", Effect.IDEMPOTENT: "changes a file", Effect.UNSAFE: "can change anything"}
_SIGN_STYLES = {"+": "bold green", "-": "bold red", "!": "bold yellow", "$": "bold green", ">": "bold green"}
_TEXT_STYLES = {"-": "red", "!": "yellow", "$": "bold", ">": "bold", "=": "dim"}
_CHUNK = 100  # lines coloured at a time: a screenful is quick however long the preview is
_MAX_COLOURED = 20_000  # characters of a chunk; what is longer is no source code that anyone reads


class Line(Struct, frozen=True):
    """One logical line of a preview. `text` is display-safe, `sign` stands in front of it, `number` is 0 for none."""

    sign: str
    text: str
    number: int = 0


class Row(Struct, frozen=True):
    """One row on the screen; `line` is the index of the line it belongs to, `at` the first character shown of it."""

    line: int
    text: Text
    at: int = 0


def header(preview: Preview, tool: str, lines: Sequence[Line], width: int) -> list[Text]:
    """Return the rows that say what is asked: ticket, tool, target, effect, and the size of a change."""
    target = preview.path if preview.path and preview.path not in (".", "") else preview.title
    parts = [
        Text(visible(preview.ticket_id, one_line=True), style="bold"),
        Text(visible(tool, one_line=True), style="bold cyan"),
        Text(visible(target, one_line=True), style="bold"),
        Text(_effect(preview), style="dim"),
    ]
    title = Text.assemble((" · ", "dim")).join(part for part in parts if part.plain)
    if preview.kind == "diff":
        added, removed = (sum(line.sign == sign for line in lines) for sign in "+-")
        title.append("  ").append(f"+{added}", style="green").append(" ").append(f"−{removed}", style="red")
    line = Text().append("── ", style="dim").append_text(title)
    line.append(" " + "─" * (width - line.cell_len - 1), style="dim")
    return fold(line, width)


def notice_rows(preview: Preview, width: int) -> list[Text]:
    """Return what a change does to the code's shape, and the warnings about a call."""
    shape = Text(visible(preview.shape, one_line=True), style="cyan")
    rows = list(_hang(Text("~ ", style="bold cyan"), shape, width)) if preview.shape else []
    for notice in (*preview.notices, *(f"it {warning}" for warning in warnings_of(preview))):
        rows += _hang(Text.assemble(("! ", "bold yellow")), Text(visible(notice, one_line=True), style="yellow"), width)
    return rows


def preview_lines(preview: Preview) -> list[Line]:
    """Return the preview's text as lines: nothing is left out but the two lines that name a diff's file."""
    text = visible(preview.text).removesuffix("\n")
    match preview.kind:
        case "diff":
            return list(_diff_lines(text))
        case "command":
            lines = [Line("$" if number == 0 else ">", line) for number, line in enumerate(text.split("\n"))]
            words = words_of(preview)
            if list(words) == preview.text.split():
                return lines  # they are what anyone sees
            return [*lines, Line("=", visible(quoted_words(words), one_line=True))] if words else lines
        case "text":
            return [Line("", line) for line in text.split("\n")]


def rows(lines: Sequence[Line], path: str, width: int) -> Iterator[Row]:
    """Yield the rows of `lines`, coloured by the language of `path`, over-long ones folded with nothing lost."""
    digits = len(str(max((line.number for line in lines), default=0) or ""))
    signs = any(line.sign for line in lines)
    for start in range(0, len(lines), _CHUNK):
        chunk = lines[start : start + _CHUNK]
        for index, (line, text) in enumerate(zip(chunk, _coloured(chunk, path), strict=True), start):
            gutter = Text().append(f"{line.number or '':>{digits}} " if digits else "", style="dim")
            if signs:
                gutter.append(f"{line.sign or ' '} ", style=_SIGN_STYLES.get(line.sign, "dim"))
            at = 0
            for row in _hang(gutter, text, width):
                yield Row(index, row, at)
                at += len(row) - len(gutter)


def outcome(decision: Decision, call: ToolCall) -> Text:
    """Return the line that stays on the screen when a call was decided on."""
    match decision:
        case Approved(arguments) if not same_payload(arguments, call.arguments):
            return Text("✎ edited, shown again:", style="cyan")
        case Approved(rule=ChosenRule(offer) as chosen):
            said = f"✓ approved, and from now on ({chosen.terms}): {offer.text}"
            return Text(visible(said, one_line=True), style="green")
        case Approved(comment=comment):
            said = f": {visible(comment, one_line=True)}" if comment else ""
            return Text(f"✓ approved{said}", style="green")
        case Rejected(reason):
            said = f": {visible(reason, one_line=True)}" if reason else ""
            return Text(f"✗ rejected{said}", style="red")
        case Happened(comment):
            said = f": {visible(comment, one_line=True)}" if comment else ""
            return Text(f"✓ it happened{said}", style="green")
        case Skipped() | Aborted():
            said = "ticket skipped" if isinstance(decision, Skipped) else "paused: the call waits"
            return Text(said, style="yellow")


def fold(text: Text, width: int) -> list[Text]:
    """Cut `text` into rows of at most `width` cells, at any character: what is code is not wrapped at words."""
    return list(_folded(text, width))


def _folded(text: Text, width: int) -> Iterator[Text]:
    """Yield the rows of `text`. Of a very long one, which has one style, no more is looked at than is asked for."""
    plain, step = text.plain, width * max(1, _MAX_COLOURED // width)
    if len(plain) <= step:
        yield from _cut(text, width)
        return
    for start in range(0, len(plain), step):
        yield from _cut(Text(plain[start : start + step], style=text.style), width)


def _cut(text: Text, width: int) -> Iterator[Text]:
    if cell_len(text.plain) <= width:
        yield text
        return
    cuts: list[int] = []
    used = 0
    for offset, char in enumerate(text.plain):
        cells = get_character_cell_size(char)
        if used + cells > width:
            cuts.append(offset)
            used = 0
        used += cells
    yield from text.divide(cuts)


def _hang(sign: Text, text: Text, width: int) -> Iterator[Text]:
    """Fold `text` behind `sign`, further rows indented by as much."""
    blank = Text(" " * sign.cell_len)
    for number, row in enumerate(_folded(text, max(10, width - sign.cell_len))):
        yield (blank if number else sign).copy().append_text(row)


def _effect(preview: Preview) -> str:
    if preview.kind == "diff":
        if "\n+++ /dev/null" in preview.text[:5000]:
            return "deletes the file"
        if preview.text.startswith("--- /dev/null"):
            return "new file"
    return _EFFECTS[preview.effect]


def _diff_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a unified diff, numbered as in the file each stands in, a mark between its hunks."""
    old_left = new_left = old = new = 0
    for position, line in enumerate(text.split("\n")):
        sign, rest = line[:1], line[1:]
        if sign == "\\":
            yield Line("!", rest.strip())
        elif old_left <= 0 and new_left <= 0:
            if hunk := _HUNK.match(line):
                if old or new:
                    yield Line("⋮", "")
                old, old_left, new, new_left = (1 if part is None else int(part) for part in hunk.groups())
            elif position > 1 or not line.startswith(("--- ", "+++ ")):
                yield Line("", line)
        elif sign in "+-":
            yield Line(sign, rest, new if sign == "+" else old)
            old, old_left = (old + 1, old_left - 1) if sign == "-" else (old, old_left)
            new, new_left = (new + 1, new_left - 1) if sign == "+" else (new, new_left)
        else:
            yield Line("", rest, new)
            old, new, old_left, new_left = old + 1, new + 1, old_left - 1, new_left - 1


def _coloured(lines: Sequence[Line], path: str) -> list[Text]:
    """Return the texts of `lines`: what was removed in one colour, what stays or is new as source code."""
    texts = [Text(_with_tabs(line), style=_TEXT_STYLES.get(line.sign, "")) for line in lines]
    code = [index for index, line in enumerate(lines) if line.number and line.sign != "-"]
    for index, text in zip(code, _highlighted("\n".join(texts[index].plain for index in code), path), strict=False):
        texts[index] = text
    return texts


def _highlighted(code: str, path: str) -> list[Text]:
    """Return the lines of `code` in the colours of the language that `path` is written in; none where it has none."""
    if not code or not path or len(code) > _MAX_COLOURED:
        return []
    from rich.syntax import Syntax

    language = Syntax.guess_lexer(path)
    if language == "default":
        return []
    light = os.environ.get("COLORFGBG", "").endswith((";7", ";15"))
    text = Syntax("", language, theme="ansi_light" if light else "ansi_dark").highlight(code)
    lines = list(text.split("\n", allow_blank=True))
    return lines if [line.plain for line in lines[: code.count("\n") + 1]] == code.split("\n") else []


def _with_tabs(line: Line) -> str:
    """Widen tabs; in what changes or runs they are marked, because there they matter."""
    return line.text.replace("\t", "⇥   " if line.sign in _SIGN_STYLES else "    ")
