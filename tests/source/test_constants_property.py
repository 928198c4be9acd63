"""Many spellings of a constant times many new texts: the value is the text, the rest is untouched."""

from __future__ import annotations

import random
import textwrap

import pytest

from pytest_fapo.source.python_texts import replace_text, texts_of
from pytest_fapo.source.text_expressions import TextExpression
from pytest_fapo.source.tidying_calls import apply_all

LITERALS = {
    "double": '"Be brief, {x}."',
    "single": "'It\\'s {x}'",
    "empty": '""',
    "unicode prefix": 'u"caf\\u00e9"',
    "raw": 'r"\\d+ is a number"',
    "raw triple": "r'''\\d+\nis\n'''",
    "bracketed": '("Be brief, {x}.")',
    "triple": '"""Be brief.\nBe kind, "really".\n"""',
    "triple single quotes": "'''Be brief.\n\tTabs \\t too.'''",
    "triple continued": '"""\\\nBe brief.\nBe kind to \\\neverybody.\n"""',
    "concatenated": '(\n    "Be brief.\\n"\n    \'Be kind to \'\n    "everybody.\\n"\n    "Bye {x}"\n)',
    "concatenated with comments": '(\n    "Be brief.\\n"  # first\n    # second\n    "Be kind.\\n"\n)',
    "concatenated on one line": "\"Be brief. \" 'Be kind.'",
    "concatenated by backslash": '"Be brief.\\n" \\\n    "Be kind.\\n"',
    "concatenated raw and triple": '(r"\\d " """Be\nkind""" u"!")',
    "dedent": 'dedent("""\\\n    Be brief.\n\n      Be kind.\n    """)',
    "dedent module": 'textwrap.dedent("""\n    Be brief.\n    Be kind.""")',
    "dedent strip": 'dedent(\n    """\n    Be brief.\n    Be kind.\n    """\n).strip()',
    "cleandoc": 'inspect.cleandoc("""Be brief.\n    Be kind.\n      More.\n    """)',
    "cleandoc open": 'inspect.cleandoc("""\n    Be brief.\n    Be kind.\n    """)',
    "strip": '"""\nBe brief.\nBe kind.\n""".strip()',
    "lstrip": '"""\nBe brief.\nBe kind.\n""".lstrip()',
    "dedent one line": 'dedent("Be brief.")',
    "escapes": '"a\\x41\\u0042\\U00000043\\N{BULLET}\\101\\q\\\\ \\a"',
}

TEXTS = [
    "",
    "x",
    "Be brief, {x}. Be kind.",
    "Be brief.\nBe kind.\n",
    "Be brief.\nBe very kind, \"really\".\nAnd 'so' on.\n",
    "Line one.\n\n  indented\n\ttabbed\nlast without end",
    'ends with a quote"',
    "ends with a quote'",
    'three """ and \'\'\' and four """" of them',
    "backslash \\ and \\n and \\\\ at the end \\",
    "{braces} {{doubled}} %(percent)s ${dollar}",
    "Grüße, 東京, 😀 👩\u200d💻, \u2028 \ufeff \x00 \x07 nbsp\xa0.",
    "carriage\rreturn and\r\nboth",
    "# not a comment\nX = 'not code'\n",
    "a very long line " * 20,
    "\n".join(f"{number}. A rule that says something about {number}." for number in range(12)),
    "  leading and trailing  ",
    "\n\nblank lines around\n\n",
    "\\N{BULLET} \\u0041",
]

HEAD = "# coding: {encoding}\nimport inspect\nimport textwrap\nfrom textwrap import dedent\n\nBEFORE = 'é'"


def module(literal: str, *, encoding: str, newline: str, in_class: bool) -> bytes:
    """A module with the literal bound to `X` (or to `C.X`) between other statements on the same lines."""
    if in_class:
        literal = literal.replace("\n", "\n    ")
        body = f"class C:\n    a = 'é'; X: str = {literal}; b = 'ü'  # ö\n    Y = 1\n"
    else:
        body = f"a = 'é'; X = {literal}; b = 'ü'  # ö\nY = 1\n"
    text = HEAD.format(encoding=encoding) + "\n" + body
    return text.replace("\n", newline).encode(encoding)


def expression_of(data: bytes, name: str) -> TextExpression:
    expression = texts_of(data, "m.py").texts[name].expression
    assert expression is not None
    return expression


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("in_class", [False, True], ids=["module", "class"])
@pytest.mark.parametrize(
    ("encoding", "newline"),
    [("utf-8", "\n"), ("utf-8", "\r\n"), ("latin-1", "\n")],
    ids=["lf", "crlf", "latin"],
)
def test_value_is_the_text_and_the_rest_stays(name: str, in_class: bool, encoding: str, newline: str) -> None:
    data = module(LITERALS[name], encoding=encoding, newline=newline, in_class=in_class)
    address = "C.X" if in_class else "X"
    constant = expression_of(data, address)
    start = data.index(b"X: str = " if in_class else b"X = ")
    end = len(data) - data.index("; b = 'ü'".encode(encoding))
    for text in TEXTS:
        result = replace_text(data, "m.py", address, text)

        namespace: dict[str, object] = {}
        exec(compile(result, "m.py", "exec"), namespace)
        value = vars(namespace["C"])["X"] if in_class else namespace["X"]
        assert value == apply_all(constant.wrappers, text)
        assert value == text or constant.wrappers
        assert result.startswith(data[:start])
        assert result.endswith(data[-end:])
        assert newline == "\n" or b"\n" not in result.replace(b"\r\n", b"")


def test_the_same_text_gives_the_same_bytes() -> None:
    for literal in LITERALS.values():
        data = module(literal, encoding="utf-8", newline="\n", in_class=False)
        constant = expression_of(data, "X")
        assert replace_text(data, "m.py", "X", constant.value) == data


def test_random_texts_and_edits_back_and_forth() -> None:
    source = random.Random(7)
    alphabet = ["a", " ", "\n", '"', "'", "\\", "{", "}", "\t", "é", "#", '"""', "\\\n", "n", "%"]
    for literal in LITERALS.values():
        data = module(literal, encoding="utf-8", newline="\n", in_class=False)
        for _ in range(25):
            text = "".join(source.choices(alphabet, k=source.randrange(30)))
            wrappers = expression_of(data, "X").wrappers
            data = replace_text(data, "m.py", "X", text)
            assert expression_of(data, "X").value == apply_all(wrappers, text)


def change(source: str, text: str, name: str = "X") -> str:
    return replace_text(textwrap.dedent(source).encode(), "m.py", name, text).decode()


def test_a_changed_line_leaves_the_spelling_of_the_others() -> None:
    source = 'X = """\\\nkeep \\u00e9 \\\njoined\nchange me\nkeep\\ttoo\n"""\n'
    new = change(source, "keep é joined\nchanged\nkeep\ttoo\nnew\n")
    assert new == 'X = """\\\nkeep \\u00e9 \\\njoined\nchanged\nkeep\\ttoo\nnew\n"""\n'


def test_an_added_line_in_a_concatenation_touches_only_itself() -> None:
    source = 'X = (\n    "First.\\n"  # why\n    \'Second "quoted" \'\n    "and more.\\n"\n)\n'
    new = change(source, 'First.\nBetween.\nSecond "quoted" and more.\nLast.\n')
    assert new == (
        'X = (\n    "First.\\n"  # why\n    "Between.\\n"\n    \'Second "quoted" \'\n    "and more.\\n"\n'
        '    "Last.\\n"\n)\n'
    )


def test_a_long_new_line_in_a_concatenation_is_wrapped_at_spaces() -> None:
    new = change('X = (\n    "First.\\n"\n    "Second.\\n"\n)\n', "First.\n" + "word " * 40 + "\nSecond.\n")
    assert max(map(len, new.splitlines())) <= 102
    assert new.count("\n") > 5


def test_a_one_liner_that_gets_many_lines_becomes_a_concatenation() -> None:
    rules = "\n".join(f"- rule number {number} of the house" for number in range(5))
    new = change("class C:\n    X = 'Be kind.'\n", "Be kind.\n" + rules, "C.X")
    assert new.startswith(
        "class C:\n    X = (\n        'Be kind.\\n'\n        '- rule number 0 of the house\\n'\n"
    )
    assert new.endswith("house'\n    )\n")


def test_a_one_liner_that_gets_two_short_lines_stays_one() -> None:
    assert change("X = 'Be kind.'\n", "Be kind.\nBe brief.") == "X = 'Be kind.\\nBe brief.'\n"


def test_a_dedented_text_is_laid_out_as_before() -> None:
    source = 'from textwrap import dedent\nX = dedent("""\\\n    One.\n      Two.\n    """)\n'
    new = change(source, "One.\n\n  Two.\nThree.\n")
    assert (
        new == 'from textwrap import dedent\nX = dedent("""\\\n    One.\n\n      Two.\n    Three.\n    """)\n'
    )


def test_an_element_among_others_gets_parentheses_of_its_own() -> None:
    source = 'X = f(\n    [\n        ("system", "Be kind."),\n    ]\n)\n'
    rules = "\n".join(f"- rule number {number} of the house" for number in range(4))
    new = change(source, "Be kind.\n" + rules, "X[0]")
    assert new.startswith(
        'X = f(\n    [\n        ("system", (\n            "Be kind.\\n"\n            "- rule number 0'
    )
    assert new.endswith('house"\n        )),\n    ]\n)\n')


def test_an_only_argument_gets_lines_without_more_parentheses() -> None:
    rules = "\n".join(f"- rule number {number} of the house" for number in range(4))
    new = change('X = f(\n    "Be kind.",\n)\n', "Be kind.\n" + rules, "X[0]")
    assert new.startswith('X = f(\n    "Be kind.\\n"\n    "- rule number 0')
    assert new.endswith('house",\n)\n')
