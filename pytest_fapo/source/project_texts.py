"""The texts of a file with their addresses, whether or not the scope names them."""

from __future__ import annotations

from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import Address
from pytest_fapo.source.artifact_kinds import PYTHON, kind_for
from pytest_fapo.source.python_texts import texts_of


class LocatedText(NamedTuple):
    """A text that can be edited, and where it stands."""

    address: str
    value: str
    """The text as an edit sees it."""
    line: int = 0
    """The line that it begins on; 0 where it is not known."""


def texts_in_file(data: bytes, path: str) -> list[LocatedText]:
    """List every text of a file in its order: of code, under the keys of a data file, and the whole file.

    Args:
        data: the file.
        path: its path below the project's root, POSIX.

    Raises:
        ArtifactError: a Python file cannot be read.
    """
    if path.endswith(PYTHON):
        texts = texts_of(data, path).texts.values()
        return [LocatedText(str(Address(path, text.name)), text.value, text.line) for text in texts]
    found: dict[str, LocatedText] = {}
    for name in ("", "**"):
        try:
            pieces = list(kind_for(path, name, "prompt").find(data, path, name, None))
        except ArtifactError:
            continue  # not of its format, or of one that has no such pieces
        for piece in pieces:
            if not piece.reason:
                address = str(Address(path, piece.name))
                found.setdefault(address, LocatedText(address, piece.text))
    return list(found.values())
