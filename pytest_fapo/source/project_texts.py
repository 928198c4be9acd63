"""The texts of a project's files with their addresses, and those that stand in what was sent to a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pytest_fapo.source.addresses import Address
from pytest_fapo.source.data_values import find_values, is_data_file
from pytest_fapo.source.python_texts import texts_of
from pytest_fapo.source.template_syntax import fixed_parts
from pytest_fapo.source.text_files import decode, universal_newlines


class LocatedText(NamedTuple):
    """A text that can be edited, and where it stands."""

    address: str
    kind: str
    """`constant`, `attribute`, `local`, `entry`, `argument`, `default`, `docstring`, `result` or `file`."""
    line: int
    """1 for the first; 0 in a data file."""
    value: str
    """The text as an edit sees it."""
    fixed: tuple[str, ...]
    """The parts of it that are the same in every request: what stands between its placeholders."""

    @property
    def words(self) -> int:
        """The number of words in its fixed parts."""
        return sum(len(part.split()) for part in self.fixed)

    def stands_in(self, sent: str) -> bool:
        """True if its fixed parts stand in `sent`, in order; runs of white space count as one blank."""
        position, squeezed = 0, " ".join(sent.split())
        for part in map(_squeezed, self.fixed):
            found = squeezed.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return bool(self.fixed)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def texts_in_file(data: bytes, path: str) -> list[LocatedText]:
    """List the texts of a file in its order: of code, under the keys of a data file, or the whole file.

    Args:
        data: the file.
        path: its path below the project's root, POSIX.

    Raises:
        ArtifactError: the file is not valid in its format.
    """
    if path.endswith((".py", ".pyi")):
        return list(_python_texts(data, path))
    if is_data_file(path):
        values = [(value.name, value.value) for value in find_values(data, path) if not value.reason]
        return [
            LocatedText(str(Address(path, name)), "entry", 0, text, fixed_parts(text))
            for name, text in values
            if isinstance(text, str)
        ]
    text = universal_newlines(decode(data, path).text)
    return [LocatedText(path, "file", 1, text, fixed_parts(text))]


def _python_texts(data: bytes, path: str) -> Iterator[LocatedText]:
    for text in texts_of(data, path).texts.values():
        if text.expression is not None:
            address = str(Address(path, text.name))
            yield LocatedText(address, text.kind, text.line, text.value, text.expression.fixed)


def texts_sent(texts: Iterable[LocatedText], sent: str, least_words: int = 3) -> list[LocatedText]:
    """Return those texts that stand in a message, the longest first.

    Args:
        texts: of one file or of several.
        sent: what went to the model: a message, a tool's description, a response schema.
        least_words: what is shorter stands there by chance.
    """
    found = [text for text in texts if text.words >= least_words and text.stands_in(sent)]
    return sorted(found, key=lambda text: -sum(map(len, text.fixed)))
