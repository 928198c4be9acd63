"""The kinds of artifact: finding each in a file's content and splicing it back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple, Protocol

from pydantic import JsonValue

from pytest_fapo.core.candidate import ArtifactKind, Domain
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.record import Level
from pytest_fapo.source.addresses import has_wildcard, matches_name
from pytest_fapo.source.constants import add_constant, parse_module, replace_constant
from pytest_fapo.source.file_parameters import (
    replace_in_json,
    replace_in_toml,
    replace_in_yaml,
    values_in_json,
    values_in_toml,
    values_in_yaml,
)
from pytest_fapo.source.functions import add_function, functions_of, replace_function
from pytest_fapo.source.parameter_values import (
    ParameterValue,
    domain_for,
    read_value,
    same_value,
)
from pytest_fapo.source.python_parameters import replace_in_python, values_in_python
from pytest_fapo.source.text_files import decode, universal_newlines, with_newlines_of

PYTHON = (".py", ".pyi")

_TESTS = re.compile(r"(.*/)?(test_[^/]*|[^/]*_test|conftest)\.py")


class FoundPiece(NamedTuple):
    """A piece found in a file; `reason` says why a piece that is there cannot be edited."""

    name: str
    text: str = ""
    reason: str = ""
    domain: Domain | None = None


class ArtifactForm(Protocol):
    """One kind of artifact."""

    kind: ArtifactKind
    noun: str
    """The name of this kind in messages."""

    def handles(self, path: str, name: str, level: Level) -> bool:
        """True if addresses of this form belong to this kind."""

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
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

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        if path.endswith(PYTHON):
            yield FoundPiece("", reason=f"a Python file is no prompt; name its constants: '{path}::*_PROMPT'")
            return
        try:
            yield FoundPiece("", universal_newlines(decode(data, path).text))
        except ArtifactError as error:
            yield FoundPiece("", reason=str(error).removeprefix(f"{path}: "))

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

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        for constant in parse_module(data, path).constants.values():
            if constant.name == name or (has_wildcard(name) and matches_name(constant.name, name)):
                yield FoundPiece(constant.name, constant.value, constant.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_constant(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return add_constant(data, path, name, text)


class ParameterKind:
    """One value of a Python, YAML, TOML or JSON file."""

    kind: ArtifactKind = "param"
    noun = "value"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "param" and bool(name) and holds_params(path)

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        for value in find_values(data, path):
            if not matches_name(value.name, name):
                continue
            if value.reason:
                yield FoundPiece(value.name, reason=value.reason)
                continue
            text = json.dumps(value.value, ensure_ascii=False)
            try:
                yield FoundPiece(value.name, text, domain=domain_for(value, domain))
            except ArtifactError as error:
                yield FoundPiece(value.name, reason=str(error))

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

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        tests = "tests are not rewritten" if _TESTS.fullmatch(path) else ""
        for function in functions_of(data, path).values():
            if (
                not name
                or function.name == name
                or (has_wildcard(name) and matches_name(function.name, name))
            ):
                yield FoundPiece(function.name, function.text, tests or function.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_function(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        if _TESTS.fullmatch(path):
            raise ArtifactError(f"{path}::{name}: tests are not rewritten")
        return add_function(data, path, name, text)


KINDS: tuple[ArtifactForm, ...] = (WholeFile(), StringConstant(), ParameterKind(), PythonFunction())

_FORMS: dict[Level, str] = {
    "prompt": "a text file ('app/prompts/draft.md') or a string constant of a Python file "
    "('app/texts.py::DRAFT_PROMPT')",
    "param": "a value of a Python, YAML, TOML or JSON file ('app/settings.py::TOP_K', "
    "'config.yaml::llm.model')",
    "structure": "a Python file ('app/pipeline.py') or a function of one ('app/pipeline.py::answer')",
}


def kind_for(path: str, name: str, level: Level) -> ArtifactForm:
    """The kind that an address or a pattern of this form means at this level.

    Raises:
        ArtifactError: no kind takes it.
    """
    for kind in KINDS:
        if kind.handles(path, name, level):
            return kind
    address = f"{path}::{name}" if name else path
    raise ArtifactError(f"'{address}': at level {level} an address is {_FORMS[level]}")


class _Format(NamedTuple):
    values: Callable[[bytes, str], Iterator[ParameterValue]]
    replace: Callable[[bytes, str, str, JsonValue], bytes]


_YAML = _Format(values_in_yaml, replace_in_yaml)

_FORMATS = {
    ".py": _Format(values_in_python, replace_in_python),
    ".json": _Format(values_in_json, replace_in_json),
    ".toml": _Format(values_in_toml, replace_in_toml),
    ".yaml": _YAML,
    ".yml": _YAML,
}

_OURS = ("tool.fapo.", "tool.pytest.")


def holds_params(path: str) -> bool:
    """True if a file of this name is of a format that parameters are read from."""
    return PurePosixPath(path).suffix.lower() in _FORMATS


@lru_cache(maxsize=128)
def find_values(data: bytes, path: str) -> tuple[ParameterValue, ...]:
    """The values that the file holds, in its order.

    Raises:
        ArtifactError: the file is not valid in its format.
    """
    ours = _OURS if PurePosixPath(path).name == "pyproject.toml" else ()
    reason = "settings of the tests and of this tool are not tuned"
    try:
        values = list(_format(path).values(data, path))
    except RecursionError:
        raise ArtifactError(f"{path}: it is nested too deeply to be read") from None
    except ValueError as error:  # a number too long to be read, and whatever else a parser lets through
        raise ArtifactError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    return tuple(
        ParameterValue(value.name, reason=reason) if value.name.startswith(ours) else value
        for value in values
    )


def replace_value(data: bytes, path: str, name: str, text: str) -> bytes:
    """The file with one value replaced by the JSON value in `text`; unchanged where it is that already.

    Raises:
        ArtifactError: the text is no JSON scalar, or the value cannot be written there.
    """
    value = read_value(text)
    before = find_values(data, path)
    old = next((each for each in before if each.name == name), None)
    if old is None or old.reason:
        raise ArtifactError(f"{path}::{name}: {old.reason if old else 'there is no such value'}")
    if same_value(old.value, value):
        return data
    result = _format(path).replace(data, path, name, value)
    expected = [each._replace(value=value) if each is old else each for each in before]
    if list(find_values(result, path)) != expected:
        raise ArtifactError(f"{path}::{name}: {text.strip()[:60]} cannot be written in this place")
    return result


def _format(path: str) -> _Format:
    return _FORMATS[PurePosixPath(path).suffix.lower()]
