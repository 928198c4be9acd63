"""The kinds of artifact: finding each in a file's content and splicing it back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from pytest_fapo.core.candidate import ArtifactKind, Domain
from pytest_fapo.core.demonstration_file import is_demonstration_file
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.record import Level
from pytest_fapo.source.addresses import has_wildcard, matches_name, matches_text, passes_over
from pytest_fapo.source.constants import add_constant
from pytest_fapo.source.data_values import find_values, holds_values, is_data_file, replace_value
from pytest_fapo.source.functions import add_function, functions_of, replace_function
from pytest_fapo.source.parameter_values import ParameterValue, domain_for, read_value
from pytest_fapo.source.python_texts import replace_text, texts_of
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
        """Return the pieces of a file that the pattern `name` stands for, in the order of the file."""

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        """Return the file with one piece holding `text`."""

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        """Return the file (empty where it is not there yet) with one piece more."""


class WholeFile:
    """A text file that is one prompt, or holds the examples that a function shows."""

    kind: ArtifactKind = "file"
    noun = "file"

    def handles(self, path: str, name: str, level: Level) -> bool:
        examples = level == "structure" and is_demonstration_file(path)
        return not name and (examples or (level == "prompt" and not is_data_file(path)))

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        if path.endswith(PYTHON):
            yield FoundPiece("", reason=f"a Python file is not a prompt; name its texts: '{path}::*_PROMPT'")
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
            raise ArtifactError(f"{path}: a Python file is not a prompt; a new prompt is a text file")
        if "\0" in text:
            raise ArtifactError(f"{path}: a text file holds no NUL character")
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise ArtifactError(f"{path}: {error}") from None


class PythonTextKind:
    """A text of a Python module, wherever it is there."""

    kind: ArtifactKind = "constant"
    noun = "text"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "prompt" and bool(name) and path.endswith(PYTHON)

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        module = texts_of(data, path)
        exact = module.texts.get(name) or module.refused.get(name)
        several = [*module.texts.values(), *module.refused.values()] if has_wildcard(name) else []
        found = [text for text in several if matches_text(text.name, name)]
        for text in [exact] if exact else found:
            if exact or text.kind == "constant" or not passes_over(name, text.value):
                yield FoundPiece(text.name, text.value, text.reason)

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_text(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return add_constant(data, path, name, text)


class DataText:
    """A text under a key of a JSON, YAML, TOML or prompt file; without a key, each that is no mere label."""

    kind: ArtifactKind = "constant"
    noun = "text"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return (
            level == "prompt"
            and not path.endswith(PYTHON)
            and (is_data_file(path) or (bool(name) and holds_values(path)))
        )

    def find(self, data: bytes, path: str, name: str, domain: Domain | None) -> Iterator[FoundPiece]:
        pattern = name or "**"
        values = [value for value in find_values(data, path) if matches_name(value.name, pattern)]
        pieces = [_text_piece(value) for value in values if not _is_label(value, pattern)]
        yield from pieces
        if has_wildcard(name) or any(not piece.reason for piece in pieces):
            return
        texts = [value.name for value in find_values(data, path) if isinstance(value.value, str)]
        inside = [text for text in texts if not name or (matches_name(text, f"{name}.**") and text != name)]
        if inside:
            what = "it holds several values" if name else "its texts are single words"
            yield FoundPiece(name, reason=f"{what}; name one of them, such as '{path}::{inside[0]}'")

    def replace(self, data: bytes, path: str, name: str, text: str) -> bytes:
        return replace_value(data, path, name, text)

    def create(self, data: bytes, path: str, name: str, text: str) -> bytes:
        raise ArtifactError(f"{path}::{name}: there is no such text; a data file gets no new keys")


def _is_label(value: ParameterValue, pattern: str) -> bool:
    return isinstance(value.value, str) and passes_over(pattern, value.value)


def _text_piece(value: ParameterValue) -> FoundPiece:
    if value.reason or not isinstance(value.value, str):
        shown = json.dumps(value.value, ensure_ascii=False)
        reason = value.reason or f"it holds {shown[:40]}, which is not text; params may name it"
        return FoundPiece(value.name, reason=reason)
    try:
        value.value.encode()
    except UnicodeEncodeError:
        return FoundPiece(value.name, reason="it holds half a character (a lone surrogate); write it again")
    return FoundPiece(value.name, value.value)


class ParameterKind:
    """One value of a Python, YAML, TOML or JSON file."""

    kind: ArtifactKind = "param"
    noun = "value"

    def handles(self, path: str, name: str, level: Level) -> bool:
        return level == "param" and bool(name) and holds_values(path)

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
        return replace_value(data, path, name, read_value(text))

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


KINDS: tuple[ArtifactForm, ...] = (
    WholeFile(),
    PythonTextKind(),
    DataText(),
    ParameterKind(),
    PythonFunction(),
)

_FORMS: dict[Level, str] = {
    "prompt": "a text file ('app/prompts/draft.md'), a text of a Python file "
    "('app/texts.py::DRAFT_PROMPT', 'app/desk.py::agent.system_prompt') or a text under a key "
    "('app/prompts.yaml::triage.system')",
    "param": "a value of a Python, YAML, TOML or JSON file ('app/settings.py::TOP_K', "
    "'config.yaml::llm.model')",
    "structure": "a Python file ('app/pipeline.py') or a function of one ('app/pipeline.py::answer')",
}


def kind_for(path: str, name: str, level: Level) -> ArtifactForm:
    """Return the kind that an address or a pattern of this form means at this level.

    Raises:
        ArtifactError: no kind takes it.
    """
    for kind in KINDS:
        if kind.handles(path, name, level):
            return kind
    address = f"{path}::{name}" if name else path
    raise ArtifactError(f"'{address}': at level {level} an address is {_FORMS[level]}")
