"""What is filled in by an f-string is told from its text, on every version of Python."""

from __future__ import annotations

import sys

import pytest

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_texts import replace_text, texts_of

SHOWN = {
    "f'{a}'": "{a}",
    "f'{a!r:>{width}} {a}'": "{a} {a_2}",
    "f'{a.b[0]} {a[\"b\"]}'": "{a.b[0]} {a['b']}",
    "f'{\", \".join(teams)}'": "{teams}",
    "f'{len(a)}{now()}'": "{a}{now}",
    "f'{1 + 2}{{a}}'": "{value}{{a}}",
    "f'{a=}'": "{a}",
    "f'{(lambda x: x)(a)}'": "{a}",
    "f'{ {1: 2}[a] }'": "{a}",
    r"f'\N{BULLET}{a}\x41'": "•{a}A",
    r"rf'\d{a}'": r"\d{a}",
    r"f'\\{a}'": r"\{a}",
    "f'''{a}\\\n{\"'\"}'''": "{a}{value}",
    "'{a}' f'{a}'": "{{a}}{a}",
}

NESTED = {
    "f'{', '.join(teams)} {a['}']} {f'{a}!'}'": "{teams} {a} {a_2}",
    "f'{\n    a  # the } of it\n}.'": "{a}.",
}


@pytest.mark.parametrize("literal", SHOWN)
def test_fields_are_shown_by_short_names(literal: str) -> None:
    check(literal, SHOWN[literal])


@pytest.mark.skipif(sys.version_info < (3, 12), reason="quotes of the same kind inside fields")
@pytest.mark.parametrize("literal", NESTED)
def test_quotes_and_comments_inside_fields(literal: str) -> None:
    check(literal, NESTED[literal])


def check(literal: str, shown: str) -> None:
    data = f"X = {literal}\nY = 'y'\n".encode()
    assert texts_of(data, "m.py").texts["X"].value == shown
    result = replace_text(data, "m.py", "X", f"Now: {shown} ({{{{y}}}})")
    assert texts_of(result, "m.py").texts["X"].value == f"Now: {shown} ({{{{y}}}})"
    assert result.endswith(b"\nY = 'y'\n")


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("Sort.", "drops {a}, which the code fills in"),
        ("Sort {a} {b}.", "brings in {b}, which nothing fills; write literal braces as {{ and }}"),
        ('Sort {a} as {"team": 1}.', 'brings in {"team": 1}'),
        ("Sort {a} {.", "the new text has a single brace"),
    ],
)
def test_an_edit_that_drops_or_invents_a_field_is_refused(new: str, words: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        replace_text(b"X = f'Sort {a}.'\n", "m.py", "X", new)
    assert "m.py::X: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("source", "new", "wanted"),
    [
        ("a + 'b'", "Sort {a}b", "'Sort ' + a + 'b'"),
        ("'a' + b", "a{b}!", "'a' + b + '!'"),
        ("'a ' + 'b' + c", "a x{c}", "'a ' + 'x' + c"),
        ("'-'.join(['a', 'b', 'c'])", "a-c", "'-'.join(['a', 'c'])"),
        ("'-'.join(['a', 'b', 'c'])", "b-c", "'-'.join(['b', 'c'])"),
        ("'-'.join(('a', ('b'), 'c'))", "a-c", "'-'.join(('a', 'c'))"),
        ("'-'.join([a, 'b', c])", "{a}-b-x-{c}-end", "'-'.join([a, 'b-x', c, 'end'])"),
        ("'-'.join(['b', a, c])", "b-{a}-mid-{c}", "'-'.join(['b', a, 'mid', c])"),
        ("'-'.join([a, 'b'])", "start-{a}-b", "'-'.join(['start', a, 'b'])"),
    ],
)
def test_sums_and_joins_get_the_literals_they_lack(source: str, new: str, wanted: str) -> None:
    result = replace_text(f"X = {source}\n".encode(), "m.py", "X", new).decode()
    assert result.replace('"', "'") == f"X = {wanted}\n"


def test_the_order_in_which_a_sum_fills_in_is_kept() -> None:
    with pytest.raises(ArtifactError, match="in this order"):
        replace_text(b"X = 'a' + b + 'c' + d\n", "m.py", "X", "a{d}c{b}")
