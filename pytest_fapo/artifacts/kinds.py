"""The kinds of artifact, each with its way to be found in a file's content and to be spliced back.

A new kind is one more entry of `KINDS`: the store, rendering, diff and write-back stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from pytest_fapo.artifacts.constants import parse_module, replace_constant
from pytest_fapo.artifacts.encoding import decode, universal, with_newlines_of
from pytest_fapo.artifacts.globs import has_wildcard, matches_name
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import ArtifactKind, Level

PYTHON = (".py", ".pyi")


class Piece(NamedTuple):
    """What a kind finds in one file; `reason` says why a piece that is there cannot be edited."""

    name: str
    text: str = ""
    reason: str = ""


class Kind(Protocol):
    """One kind of artifact."""

    kind: ArtifactKind

    def handles(self, path: str, name: str, level: Level) -> bool:
        """Whether addresses of this form belong to this kind."""

    def find(self, data: bytes, path: str, name: str) -> Iterator[Piece]:
        """The pieces of a file that the pattern `name` stands for, in the order of the file."""

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        """The file with one piece holding `text`."""


class WholeFile:
    """A text file that is one prompt."""

    kind: ArtifactKind = "file"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "prompt" and not name

    def find(self, data: bytes, path: str, name: str) -> Iterator[Piece]:
        if path.endswith(PYTHON):
            yield Piece("", reason=f"a Python file is no prompt; name its constants: '{path}::*_PROMPT'")
            return
        try:
            yield Piece("", universal(decode(data, path).text))
        except ArtifactError as error:
            yield Piece("", reason=str(error).removeprefix(f"{path}: "))

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        source = decode(data, path)
        try:
            return source.encode(with_newlines_of(source, text))
        except UnicodeEncodeError as error:
            raise ArtifactError(f"{path}: {error}") from None


class StringConstant:
    """A string that a Python module or class binds to a name."""

    kind: ArtifactKind = "constant"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "prompt" and bool(name) and path.endswith(PYTHON)

    def find(self, data: bytes, path: str, name: str) -> Iterator[Piece]:
        for constant in parse_module(data, path).constants.values():
            if constant.name == name or (has_wildcard(name) and matches_name(constant.name, name)):
                yield Piece(constant.name, constant.value, constant.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_constant(data, path, name, text)


KINDS: tuple[Kind, ...] = (WholeFile(), StringConstant())


def kind_for(path: str, name: str, level: Level) -> Kind:
    """The kind that an address or a pattern of this form means at this level.

    Raises:
        ArtifactError: no kind takes it.
    """
    for kind in KINDS:
        if kind.handles(path, name, level):
            return kind
    raise ArtifactError(
        f"'{path}::{name}': at level {level} an address is a text file ('app/prompts/draft.md') "
        f"or a string constant of a Python file ('app/texts.py::DRAFT_PROMPT')"
    )
