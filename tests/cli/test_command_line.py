"""Every command of `fapo` and each of its options stands in docs/cli.md, and nothing else does."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from support.documents import REPOSITORY, headings

from pytest_fapo.cli.command_line import make_parser

PAGE = REPOSITORY / "docs" / "cli.md"


def commands(
    parser: argparse.ArgumentParser, words: str = "fapo"
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    inner = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not inner:
        yield words, parser
    for action in inner:
        for name, command in action.choices.items():
            yield from commands(command, f"{words} {name}")


def test_every_command_has_its_heading() -> None:
    found = {words for words, _ in commands(make_parser())}
    told = {
        re.sub(r" (?:\[|[A-Z]).*", "", heading.strip("`")) for heading in headings(PAGE) if heading[0] == "`"
    }
    assert found == told
    assert len(found) == 16


def test_every_option_is_told_under_its_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for words, parser in commands(make_parser()):
        section = re.split(rf"^## `{words}[^`\n]*`\n", text, flags=re.M)[1].partition("\n## ")[0]
        for action in parser._actions:
            if action.option_strings and action.dest not in ("help", "settings"):
                name = max(action.option_strings, key=len)
                assert f"`{name}" in section, f"{words} {name}"


def test_every_help_says_what_it_does_and_how_it_ends() -> None:
    for words, parser in commands(make_parser()):
        help = parser.format_help()
        assert "xit codes: 0 " in " ".join(help.split()), words
        assert ("`last`" in help) == any(action.metavar == "RUN" for action in parser._actions), words
