"""Any text in any style of literal, in any of the places: it is read back, and all other bytes stay."""

from __future__ import annotations

import codecs
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_fapo.source.python_texts import replace_text, texts_of

PLACES = {
    "X": ("X = §", "X"),
    "D.a.b": ("D = {'a': {'b': §}, 'c': 'ü'}", "D['a']['b']"),
    "L[1]": ("L = [\n    'ü',\n    §,\n]", "L[1]"),
    "c.k": ("c = dict(a=1, k=§, z='ü')", "c['k']"),
    "c[0]": ("c = list([§, 'ü'])", "c[0]"),
    "f.x": ("def f():\n\tx = §\n\treturn x", "f()"),
    "f(x)": ("def f(x=§):\n    return x", "f()"),
    "A.B.x": ("class A:\n    class B:\n        x: str = §", "A.B.x"),
    "X#1": ("if N:\n    X = §\nelse:\n    X = 'ü'", "X"),
}
"""Source with § for the literal, by the name of the text; and an expression that gives its value."""

LITERALS = [
    '"Sort \\u00e9 the {x} \\t\\x41 ticket."',
    "'Sort \\\"the\\\" ticket\\\n now \\\\.'",
    'u"Sort it."',
    'r"Sort \\d it\\n."',
    '"""Sort\nthe "ticket"\n\tnow.\n"""',
    "'''\\\nSort\n  the \\\nticket.'''",
    'R"""Sort \\w\nit."""',
    "\"a \" 'Sort it.'",
    "(\n    'a\\n'  # why\n    'Sort it.'\n)",
    '"a" + "Sort it."',
    '" ".join(["a", "Sort it."])',
]

TEMPLATES = [
    'f"Sort {N} for {S!r:>9} {{}}."',
    "f'Sort {N}' f\" and {S!r:>9}.\"",
    'f"""Sort\n{N}\n{S!r:>9}\\\n"""',
    'rf"\\d {N} {S!r:>9}"',
    '("Sort {} " f"{N} and "\n    f"{S!r:>9}")',
]

SIGNS = [*"\"'\\{}%#é東\t\r\n\0 ", '"""', "'''", "\\\\", "\r\n"]

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)

TEXT = st.lists(st.one_of(st.sampled_from([*SIGNS, "N{x}"]), WORDS), max_size=30).map("".join)


class Case(NamedTuple):
    data: bytes
    name: str
    run: str
    edges: tuple[bytes, bytes]
    """The bytes before and behind the literal."""


@st.composite
def cases(draw: st.DrawFn, literals: list[str]) -> Case:
    name = draw(st.sampled_from(sorted(PLACES)))
    source, run = PLACES[name]
    encoding, newline = draw(st.sampled_from(["utf-8", "latin-1"])), draw(st.sampled_from(["\n", "\r\n"]))
    before, behind = source.split("§")
    literal = draw(st.sampled_from(literals))
    mark = codecs.BOM_UTF8 if draw(st.booleans()) and encoding == "utf-8" else b""

    def encoded(text: str) -> bytes:
        return text.replace("\n", newline).encode(encoding)

    start = mark + encoded(f"# coding: {encoding}\nN = 7; S = 'ü'\n{before}")
    end = encoded(f"{behind}\n")
    return Case(start + encoded(literal) + end, name, run, (start, end))


def value_of(data: bytes, run: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(compile(data, "m.py", "exec", dont_inherit=True), namespace)
    return eval(run, namespace)


def stays_around(result: bytes, case: Case) -> bool:
    return result.startswith(case.edges[0]) and result.endswith(case.edges[1])


@settings(max_examples=150, deadline=None)
@given(cases(LITERALS), TEXT)
def test_a_text_is_read_back(case: Case, text: str) -> None:
    result = replace_text(case.data, "m.py", case.name, text)
    assert value_of(result, case.run) == text
    assert texts_of(result, "m.py").texts[case.name].value == text
    assert stays_around(result, case)


@settings(max_examples=120, deadline=None)
@given(cases(TEMPLATES), st.lists(TEXT, min_size=3, max_size=3), st.booleans())
def test_a_template_is_read_back_and_filled_in(case: Case, texts: list[str], swapped: bool) -> None:
    doubled = [text.replace("{", "{{").replace("}", "}}") for text in texts]
    first, second = ("{S}", "{N}") if swapped else ("{N}", "{S}")
    template = f"{doubled[0]}{first}{doubled[1]}{second}{doubled[2]}"
    result = replace_text(case.data, "m.py", case.name, template)
    values = {"{N}": "7", "{S}": f"{'ü'!r:>9}"}
    assert value_of(result, case.run) == f"{texts[0]}{values[first]}{texts[1]}{values[second]}{texts[2]}"
    assert texts_of(result, "m.py").texts[case.name].value == template
    assert stays_around(result, case)
