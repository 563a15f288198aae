"""Elements that cannot be left unescaped, in a page that can load and run nothing."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from conductor.page import Html, join, page, tag

HOSTILE = "<script>alert(1)</script> \"' onload=x &amp; \x1b[2J\u202e"


class Outline(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_content_and_attributes_are_escaped() -> None:
    made = Outline(tag("p", HOSTILE, tag("b", "bold"), cls="c", title=HOSTILE, open=True, hidden=False))

    assert [name for name, _ in made.elements] == ["p", "b"]
    attributes = made.elements[0][1]
    assert attributes.keys() == {"class", "title", "open"}
    assert made.text.startswith("<script>alert(1)</script>")
    assert "\x1b" not in made.text and "\u202e" not in made.text


@given(st.text(), st.text())
def test_no_text_becomes_an_element(content: str, attribute: str) -> None:
    made = Outline(join(tag("p", content, title=attribute), content))

    assert [name for name, _ in made.elements] == ["p"]
    assert made.elements[0][1].keys() == {"title"}


def test_what_is_html_already_stays() -> None:
    assert tag("p", Html("<b>x</b>"), None, 3) == "<p><b>x</b>3</p>"


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    made = Outline(page(HOSTILE, tag("p", "hello")))

    policy = next(a["content"] for _, a in made.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not {"script", "link", "img", "iframe", "object"} & {name for name, _ in made.elements}
