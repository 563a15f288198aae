"""Web pages of one file that open offline: elements that cannot be left unescaped, and the frame around them.

Nothing is loaded from anywhere and nothing runs: the policy in the head forbids both, whatever the content is.
"""

from __future__ import annotations

import html
from importlib.resources import files

from conductor.visible import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_EMPTY = frozenset({"meta", "br", "hr"})


class Html(str):
    """Text that is HTML already; anything else is escaped when it becomes part of a page."""

    __slots__ = ()


Content = str | int | float | None


def tag(name: str, /, *content: Content, **attributes: str | bool | None) -> Html:
    """Return an element. `content` that is no `Html` is escaped, with what could hide in it written out.

    Of attributes `cls` stands for class; underscores stand for hyphens; True is one without a value, False and None
    are left out.
    """
    said = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{html.escape(visible(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY:
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{join(*content)}</{name}>")


def join(*content: Content) -> Html:
    """Return the parts one after the other, escaped where they are no `Html`; None is nothing."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in content if part is not None))


def page(title: str, *body: Content) -> str:
    """Return a whole page, light or dark as the reader's system is."""
    style = Html((files("conductor") / "templates" / "page.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", style),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', tag('main', *body)), lang='en')}\n"


def _attribute(key: str) -> str:
    return "class" if key == "cls" else key.rstrip("_").replace("_", "-")


def _escaped(part: str | float) -> str:
    return html.escape(visible(str(part)))
