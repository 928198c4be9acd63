"""Spellings of a text in YAML: plain, quoted, literal (`|`) and folded (`>`), as the one before was."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import NamedTuple

from pytest_fapo.source.text_files import merged_lines, split_lines, universal_newlines

_PLAIN = re.compile(r"""[^\W\d_](?:[\w .,;!?()/'"%+=@$<>–—-]*[\w.!?)'"%])?""")
"""Texts that every reader takes for the same without quotes."""

_CONSTANT = re.compile(r"(y|yes|n|no|on|off|true|false|null|nan|inf)", re.I)

_HEADER = re.compile(r"([|>])([-+1-9]*)([^\r\n]*)")


class Scalar(NamedTuple):
    """A scalar as it stands in the file, with what its spelling depends on."""

    text: str
    """Its characters; of a block the header, the lines, and no empty line that is not part of the value."""
    indent: int | None
    """The column of the mapping or list that holds it; None inside braces and brackets."""
    rest: str
    """All that follows in the file."""
    newline: str

    @property
    def is_block(self) -> bool:
        """True if it is literal or folded."""
        return self.text[:1] in ("|", ">")

    @property
    def header(self) -> re.Match[str] | None:
        """The first line of a block: style, indentation and chomping, comment."""
        return _HEADER.match(self.text) if self.is_block else None

    @property
    def body(self) -> list[str]:
        """The lines of a block below its header, with their ends."""
        return split_lines(self.text)[1:]

    @property
    def width(self) -> int:
        """The number of blanks before the lines of a block, of one that is to be written too."""
        outer = self.indent or 0
        given = re.search(r"[1-9]", self.header[2]) if self.header else None
        if given:
            return outer + int(given[0])
        first = next((line for line in self.body if line.strip()), "") if self.is_block else ""
        return len(first) - len(first.lstrip(" ")) or outer + 2


def spellings_of_text(text: str, old: Scalar) -> Iterator[str]:
    """Ways to write a text in place of the old scalar, the one nearest to its style first.

    Not each of them is right for each text: the caller takes the first that is read back as the text.
    """
    if old.is_block:
        if old.text.startswith(">"):
            yield from _blocks(text, old, ">")
        yield from _blocks(text, old, "|")
    elif "\n" in text and not old.text.startswith('"') and not old.rest[:1].strip("\r\n"):
        yield from _blocks(text, old, "|")
    elif old.text.startswith("'"):
        yield "'" + text.replace("'", "''") + "'"
    elif not old.text.startswith('"') and _PLAIN.fullmatch(text) and not _CONSTANT.fullmatch(text):
        yield text
    yield in_one_line(_double_quoted(text), old)


def in_one_line(spelling: str, old: Scalar) -> str:
    """A spelling of one line where the old value may have been a block: its comment and its end stay."""
    if old.header is None:
        return spelling
    return spelling + old.header[3] + (old.newline if old.text.endswith(("\n", "\r")) else "")


def _double_quoted(text: str) -> str:
    return '"' + re.sub(r'["\\\x00-\x1f\x7f-\xa0\u2028\u2029\ufeff]', _escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    known = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return known.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _blocks(text: str, old: Scalar, style: str) -> Iterator[str]:
    core = text.rstrip("\n")
    if not core.strip() or old.indent is None:
        return
    ends = len(text) - len(core)
    lines = core.split("\n") if style == "|" else _folded(core, old)
    lines += [""] * max(0, ends - 1 - _empty_lines(old.rest))
    block = _header(core, ends, old, style) + old.newline + _indented(lines, old)
    if not old.text.endswith(("\n", "\r")):
        yield block.removesuffix(old.newline)  # the end of the line stands behind the value already
        if old.rest:
            return
    yield block


def _empty_lines(rest: str) -> int:
    lines = split_lines(rest[: len(rest) - len(rest.lstrip(" \r\n"))])
    return sum(not line.strip(" \r\n") and line[-1] in "\r\n" for line in lines)


def _header(core: str, ends: int, old: Scalar, style: str) -> str:
    signs = old.header[2] if old.header else ""
    place = re.sub(r"[-+]", "", signs)
    if core.lstrip("\n")[:1] in (" ", "\t") and not place:
        place = str(old.width - (old.indent or 0))
    return style + place + ("-", "", "+")[min(ends, 2)] + (old.header[3] if old.header else "")


def _indented(lines: list[str], old: Scalar) -> str:
    margin = " " * old.width
    before = old.body if old.is_block else []
    plain = [universal_newlines(line).removeprefix(margin) for line in before]
    plain = [line if line.strip(" \n") else "\n" for line in plain]
    return merged_lines(
        before,
        plain,
        [f"{line}\n" for line in lines],
        lambda line: (margin + line if line != "\n" else line).replace("\n", old.newline),
    )


def _folded(core: str, old: Scalar) -> list[str]:
    """The lines of a folded block: a paragraph that was there keeps its line breaks."""
    known = _paragraphs(old)
    broken = [line for lines in known.values() if len(lines) > 1 for line in lines]
    width = max(map(len, broken), default=0)
    lines: list[str] = []
    parts = re.split(r"(\n+)", core)
    for place in range(0, len(parts), 2):
        paragraph = parts[place]
        if paragraph:
            lines += known.get(paragraph) or _wrapped(paragraph, width)
        if place + 1 < len(parts):
            # One newline between two paragraphs is read as a blank, unless one of them is indented.
            indented = paragraph[:1].isspace() or parts[place + 2][:1].isspace()
            lines += [""] * (len(parts[place + 1]) - (1 if paragraph and indented else 0))
    return lines


def _paragraphs(old: Scalar) -> dict[str, list[str]]:
    margin = " " * old.width
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for raw in [*old.body, ""]:
        line = raw.rstrip("\r\n").removeprefix(margin)
        if line.strip() and not line[0].isspace():
            lines.append(line)
        else:
            found[" ".join(lines)] = lines
            lines = []
    return found


def _wrapped(paragraph: str, width: int) -> list[str]:
    if not width or paragraph[:1].isspace():
        return [paragraph]
    lines = textwrap.wrap(
        paragraph, width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return lines if " ".join(lines) == paragraph else [paragraph]
