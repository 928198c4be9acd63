"""Hostile text in Markdown: rendered it is the text that it was, and nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from pytest_fapo.views.markdown import code, details, fenced, prose, table

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b | c",
    r"back\slash \| pipe \\",
    "`tick` ``two`` ```three",
    "``` \n# title\n```",
    "</code></td></table></details><h1>x</h1>",
    "<!-- comment",
    "[link](javascript:alert(1)) ![image](https://host.example/x.png)",
    "line one\n\n# heading\n- list\n/close\n@everyone",
    "**bold** _it_ ~~gone~~ $x$ &lt; &amp; :tada:",
    "\x1b[31mred\x1b[0m \u202eright to left",
    "*",
    "`",
    "\\",
    "|",
]
RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


class Reader(HTMLParser):
    """Tags and text of rendered Markdown, per cell of its tables."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def rendered(markdown: str) -> Reader:
    reader = Reader()
    reader.feed(RENDERER.render(markdown))
    return reader


def plain(text: str) -> str:
    """As a person sees it: one line, without invisible characters, escapes spelled out."""
    text = re.sub("[\x00-\x08\x0b-\x1f\x7f\u202e]", lambda found: repr(found.group())[1:-1], text)
    return " ".join(text.replace("\u2060", "").split())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_shows_the_text_and_stays_a_cell(text: str) -> None:
    page = rendered(table(["case", "left", "right"], [[code(text), prose(text), "end"]]))
    assert [plain(cell) for cell in page.cells] == [plain(text), plain(text), "end"]
    assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_paragraph_shows_the_text(text: str) -> None:
    page = rendered(f"Why: {prose(text)} and {code(text)}.")
    assert plain(page.text) == plain(f"Why: {text} and {text}.")
    assert set(page.tags) <= {"p", "code"}


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fold_ends_where_it_should(text: str) -> None:
    page = rendered(details(text, fenced(text, "diff")) + "\n\nafter")
    assert page.tags == ["details", "summary", "pre", "code", "p"]
    assert plain(page.text) == plain(f"{text} {text} after")


def test_names_and_issues_are_not_called() -> None:
    for text in (prose("ask @octocat about #12 and !3"), details("ask @octocat about #12 and !3", "")):
        assert not re.search(r"[@#!]\w", text)


def test_prose_keeps_plain_sentences_readable_in_a_plain_file() -> None:
    sentence = 'The prompt never says "reply with one word" - so it chats (31 % of cases, e.g. t01).'
    assert prose(sentence) == sentence
    assert code('{"team": "billing"}') == '`{"team": "billing"}`'


def test_cuts_are_said() -> None:
    assert code("x" * 300, most=20) == "`" + "x" * 19 + "…`"
    block = fenced("y" * 2_000_000 + "\n" + "z\n" * 50, lines=3)
    assert len(block) < 700
    assert "1,999,500 characters" in block
    assert "48 more lines" in block
