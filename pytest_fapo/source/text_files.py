"""Text files: bytes to text and back without loss (encoding, byte order mark, newlines), and front matter."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_NEWLINE = re.compile(r"\r\n|\r|\n")


class SourceText(NamedTuple):
    """A decoded file; `text` has the file's own newlines and no byte order mark."""

    text: str
    encoding: str
    mark: bytes

    def encode(self, text: str) -> bytes:
        """Return the bytes of a file with `text` for content, in this file's encoding and with its mark.

        Raises:
            UnicodeEncodeError: the encoding has no spelling for a character.
        """
        return self.mark + text.encode(self.encoding)

    @property
    def newline(self) -> str:
        """The newline that the file uses most; `\\n` where it has none."""
        counts = Counter(_NEWLINE.findall(self.text))
        return counts.most_common(1)[0][0] if counts else "\n"


def decode(data: bytes, path: str) -> SourceText:
    """Decode a file by its byte order mark, a Python file by its coding line (PEP 263), others as UTF-8.

    Raises:
        ArtifactError: the bytes are not text in that encoding; guessing would risk the file.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], encoding, mark, path)
    encoding = "utf-8"
    if path.endswith((".py", ".pyi")):
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError as error:
            raise ArtifactError(f"{path}: {error}; save the file as UTF-8 or declare its encoding") from None
    return _decode_as(data, encoding, b"", path)


def _decode_as(data: bytes, encoding: str, mark: bytes, path: str) -> SourceText:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ArtifactError(
            f"{path}: line {line}: byte 0x{data[error.start]:02x} is not {encoding}; "
            f"save the file as UTF-8 or take it out of the scope"
        ) from None
    if "\0" in text:
        raise ArtifactError(f"{path}: holds NUL bytes, so it is not a text file; take it out of the scope")
    if text.encode(encoding) != data:
        raise ArtifactError(f"{path}: {encoding} cannot be written back exactly; save it as UTF-8")
    return SourceText(text, encoding, mark)


def universal_newlines(text: str) -> str:
    """`text` with every newline spelled `\\n`, as Python's text files give it."""
    return _NEWLINE.sub("\n", text)


def split_lines(text: str) -> list[str]:
    """Lines with their ends; only `\\n`, `\\r\\n` and `\\r` end a line (unlike `str.splitlines`)."""
    ends = [match.end() for match in _NEWLINE.finditer(text)]
    starts = [0, *ends]
    return [text[start:end] for start, end in zip(starts, [*ends, len(text)], strict=True) if end > start]


def with_newlines_of(old: SourceText, new: str) -> str:
    """`new` spelled with the newlines of `old`; lines that stay keep their own, be they mixed."""
    lines = split_lines(old.text)
    newline = old.newline
    return merged_lines(
        lines,
        [universal_newlines(line) for line in lines],
        split_lines(universal_newlines(new)),
        lambda line: line.replace("\n", newline),
    )


def merged_lines(
    old: Sequence[str], meanings: Sequence[str], new: Sequence[str], spell: Callable[[str], str]
) -> str:
    """New lines as one text; those that were there before are written as they were.

    Args:
        old: the lines as they are written, with their ends.
        meanings: what each of them says.
        new: what the lines are to say.
        spell: writes one of them.
    """
    result: list[str] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, meanings, new, autojunk=False).get_opcodes():
        result += old[i1:i2] if tag == "equal" else map(spell, new[j1:j2])
    return "".join(result)


FRONT_MATTER = (".md", ".mdx", ".markdown", ".prompt", ".prompty")
"""Names of files that may begin with a front matter end so."""

_HEAD = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<head>.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)


class PromptParts(NamedTuple):
    """The parts of a prompt file."""

    head: str | None
    """The lines between the dashes, without these; None where the file does not begin with a front matter."""
    body: str
    head_start: int = 0
    body_start: int = 0


def front_matter(text: str) -> PromptParts:
    """Split a prompt file into its front matter and its body, which is all where there is none."""
    match = _HEAD.match(text)
    if match is None:
        return PromptParts(None, text)
    return PromptParts(match["head"], text[match.end() :], match.start("head"), match.end())
