"""The kinds of artifact, each with its way to be found in a file's content and to be spliced back.

A new kind is one more entry of `KINDS`: the store, rendering, diff and write-back stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from pytest_fapo.artifacts.constants import add_constant, parse_module, replace_constant
from pytest_fapo.artifacts.encoding import decode, universal, with_newlines_of
from pytest_fapo.artifacts.functions import add_function, functions_of, replace_function
from pytest_fapo.artifacts.globs import has_wildcard, matches_name
from pytest_fapo.artifacts.params import domain_for, find_values, holds_params, matches_key, replace_value
from pytest_fapo.errors import ArtifactError
from pytest_fapo.models import ArtifactKind, Domain, Level

PYTHON = (".py", ".pyi")
_TESTS = re.compile(r"(.*/)?(test_[^/]*|[^/]*_test|conftest)\.py")


class Piece(NamedTuple):
    """What a kind finds in one file; `reason` says why a piece that is there cannot be edited."""

    name: str
    text: str = ""
    reason: str = ""
    domain: Domain | None = None


class Kind(Protocol):
    """One kind of artifact."""

    kind: ArtifactKind
    noun: str
    """What one is called in messages."""

    def handles(self, path: str, name: str, level: Level) -> bool:
        """Whether addresses of this form belong to this kind."""

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[Piece]:
        """The pieces of a file that the pattern `name` stands for, in the order of the file."""

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        """The file with one piece holding `text`."""

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        """The file (empty where it is not there yet) with one piece more."""


class WholeFile:
    """A text file that is one prompt."""

    kind: ArtifactKind = "file"
    noun = "file"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "prompt" and not name

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[Piece]:
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

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        if path.endswith(PYTHON):
            raise ArtifactError(f"{path}: a Python file is no prompt; a new prompt is a text file")
        if "\0" in text:
            raise ArtifactError(f"{path}: a text file holds no NUL character")
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise ArtifactError(f"{path}: {error}") from None


class StringConstant:
    """A string that a Python module or class binds to a name."""

    kind: ArtifactKind = "constant"
    noun = "constant"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "prompt" and bool(name) and path.endswith(PYTHON)

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[Piece]:
        for constant in parse_module(data, path).constants.values():
            if constant.name == name or (has_wildcard(name) and matches_name(constant.name, name)):
                yield Piece(constant.name, constant.value, constant.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_constant(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return add_constant(data, path, name, text)


class Parameter:
    """One value of a Python, YAML, TOML or JSON file."""

    kind: ArtifactKind = "param"
    noun = "value"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "param" and bool(name) and holds_params(path)

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[Piece]:
        for value in find_values(data, path):
            if not matches_key(value.name, name):
                continue
            if value.reason:
                yield Piece(value.name, reason=value.reason)
                continue
            text = json.dumps(value.value, ensure_ascii=False)
            try:
                yield Piece(value.name, text, domain=domain_for(value, domain))
            except ArtifactError as error:
                yield Piece(value.name, reason=str(error))

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_value(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        raise ArtifactError(f"{path}::{name}: there is no such value; parameters are not created")


class PythonFunction:
    """A function or method of a Python file; a pattern without a name stands for all of them."""

    kind: ArtifactKind = "function"
    noun = "function"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "structure" and path.endswith(".py")

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[Piece]:
        tests = "tests are not rewritten" if _TESTS.fullmatch(path) else ""
        for function in functions_of(data, path).values():
            if (
                not name
                or function.name == name
                or (has_wildcard(name) and matches_name(function.name, name))
            ):
                yield Piece(function.name, function.text, tests or function.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_function(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        if _TESTS.fullmatch(path):
            raise ArtifactError(f"{path}::{name}: tests are not rewritten")
        return add_function(data, path, name, text)


KINDS: tuple[Kind, ...] = (WholeFile(), StringConstant(), Parameter(), PythonFunction())
_FORMS: dict[Level, str] = {
    "prompt": "a text file ('app/prompts/draft.md') or a string constant of a Python file "
    "('app/texts.py::DRAFT_PROMPT')",
    "param": "a value of a Python, YAML, TOML or JSON file ('app/settings.py::TOP_K', "
    "'config.yaml::llm.model')",
    "structure": "a Python file ('app/pipeline.py') or a function of one ('app/pipeline.py::answer')",
}


def kind_for(path: str, name: str, level: Level) -> Kind:
    """The kind that an address or a pattern of this form means at this level.

    Raises:
        ArtifactError: no kind takes it.
    """
    for kind in KINDS:
        if kind.handles(path, name, level):
            return kind
    address = f"{path}::{name}" if name else path
    raise ArtifactError(f"'{address}': at level {level} an address is {_FORMS[level]}")
