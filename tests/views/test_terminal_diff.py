"""A change on the terminal: in one column or two, and two values on one line."""

from __future__ import annotations

import io
import random
import re

import pytest
from pydantic import JsonValue

from pytest_fapo.core.text import value_difference
from pytest_fapo.loop.reviewed_change import TextChange
from pytest_fapo.views.terminal import Terminal
from pytest_fapo.views.terminal_diff import View, best_view, show_text_change

BEFORE = "".join(f"line {number} of the text\n" for number in range(1, 21))
AFTER = BEFORE.replace("line 10 of the text", "line 10 of this text").replace("line 20 of the text\n", "")


def shown(
    before: str | None, after: str, view: View, *, width: int = 120, color: bool = False
) -> tuple[str, list[str]]:
    file = io.StringIO()
    terminal = Terminal(file, tty=True, color=color, width=width)
    show_text_change(TextChange(path="app/a.md", before=before, after=after), terminal, view)
    return file.getvalue(), file.getvalue().splitlines()


def test_one_column_is_a_unified_diff() -> None:
    _, lines = shown(BEFORE, AFTER, "unified")
    assert lines[0] == "app/a.md"
    assert lines[1] == "@@ line 7"
    assert " line 9 of the text" in lines
    assert lines.index("-line 10 of the text") + 1 == lines.index("+line 10 of this text")
    assert lines[-1] == "-line 20 of the text"
    assert not any("line 1 of" in line for line in lines), "three lines around a change are enough"


def test_two_columns_stand_beside_one_another_with_line_numbers() -> None:
    _, lines = shown(BEFORE, AFTER, "side-by-side", width=80)
    assert "10 line 10 of the text" in lines[5]
    left, _, right = lines[5].partition("│")
    assert (left.strip(), right.strip()) == ("10 line 10 of the text", "10 line 10 of this text")
    assert len({line.index("│") for line in lines if "│" in line}) == 1
    assert lines[-1].partition("│")[2].strip() == "", "a line that is gone has nothing beside it"


def test_long_lines_are_folded_inside_their_column() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    _, lines = shown(words + "\n", words.replace("word30", "other") + "\n", "side-by-side", width=70)
    assert max(map(len, lines)) <= 70
    assert all(line[33:36].strip() == "│" for line in lines[2:]), lines
    right = " ".join(line.partition("│")[2].strip() for line in lines[2:]).removeprefix("1 ")
    assert right == words.replace("word30", "other")


def test_the_words_that_differ_are_marked() -> None:
    text, _ = shown("Answer with the team.\n", "Answer with one team.\n", "unified", color=True)
    marked = re.findall(r"\x1b\[1;4;3[12]m([^\x1b]*)\x1b", text)
    assert marked == ["the", "one"]


def test_a_new_file_and_a_missing_last_newline_are_said() -> None:
    _, lines = shown(None, "first\nlast", "unified")
    assert lines[0] == "app/a.md (new file)"
    assert lines[-1] == "+last (no newline at the end)"
    _, lines = shown("a constant", "a constant\nwith a rule", "unified")
    assert lines[2:] == [" a constant", "+with a rule"]
    _, lines = shown("a\r\nb\r\n", "a\r\nc\r\n", "unified")
    assert lines[2:] == [" a", "-b", "+c"]


@pytest.mark.parametrize("view", ["unified", "side-by-side"])
def test_control_characters_are_shown_not_obeyed(view: View) -> None:
    text, _ = shown("a\x1b[2J\u202eb\n", "[bold]a\x1b]0;x\x07\n", view)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\\x1b[2J\\u202eb" in text
    assert "[bold]a" in text


def test_two_columns_only_where_there_is_room_and_something_to_compare() -> None:
    rewritten = TextChange(path="a.md", before="one\n", after="two\n")
    added = TextChange(path="a.md", before="one\n", after="one\ntwo\n")
    wide, narrow = (Terminal(io.StringIO(), tty=True, width=width) for width in (130, 90))
    assert best_view(rewritten, wide) == "side-by-side"
    assert best_view(rewritten, narrow) == "unified"
    assert best_view(added, wide) == "unified"
    assert best_view(rewritten, Terminal(io.StringIO(), width=130)) == "unified", "a log has no columns"


def test_both_views_give_back_both_texts_whatever_they_are() -> None:
    source = random.Random(4)
    for _ in range(60):
        before = [
            source.choice(["a b c", "d e", "", "\tf", "long " * 20]) for _ in range(source.randint(0, 12))
        ]
        after = [line for line in before if source.random() > 0.3]
        for _ in range(source.randint(0, 4)):
            after.insert(source.randint(0, len(after)), source.choice(["new", "a b x", ""]))
        texts = ["".join(f"{line}\n" for line in lines) for lines in (before, after)]
        _, lines = shown(texts[0], texts[1], "unified", width=200)
        signs = [line for line in lines[1:] if not line.startswith("@@")]
        gone = [line[1:] for line in signs if line.startswith("-")]
        come = [line[1:] for line in signs if line.startswith("+")]
        kept = len(before) - len(gone)
        assert len(after) - len(come) == kept
        assert (texts[0] == texts[1]) == (not signs)
        shown(texts[0], texts[1], "side-by-side", width=40)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "b: 2 → 3"),
        ({"a": 1}, {"a": 1, "c": None}, "c: nothing → null"),
        ("refund", "billing", '"refund" → "billing"'),
        (None, {"a": 1}, 'null → {"a": 1}'),
        ("two\nlines", "one", '"two\\nlines" → "one"'),
    ],
)
def test_values_are_compared_on_one_line(before: JsonValue, after: JsonValue, line: str) -> None:
    assert value_difference(before, after) == line


def test_long_texts_are_shown_from_where_they_differ() -> None:
    start = "The same beginning of a long answer, word for word, up to here: "
    line = value_difference(start + "yes, of course", start + "no", most=70)
    assert "yes" in line
    assert "no" in line
    assert len(line) <= 70
    many = value_difference({str(n): n for n in range(9)}, {str(n): -n for n in range(9)})
    assert many.endswith("and 5 more")
