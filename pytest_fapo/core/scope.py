"""The scope contract, `[tool.fapo.scope]`: which artifacts may be edited, and which values params may
take.

An entry is `path` or `path::NAME`; params also `path::NAME = domain`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from pytest_fapo.core.candidate import Domain
from pytest_fapo.core.record import Level

_RANGE = re.compile(r"(?P<low>[^\s|]*)\s*\.\.\s*(?P<high>[^\s|]*)")

_EXPECTED = "expected bounds ('1..20', '0..1', '1..') or choices ('gpt-4o-mini | gpt-4o')"


class ScopeEntry(NamedTuple):
    """One entry of the scope; path and name may hold `fnmatch` patterns."""

    text: str
    """As it is in the settings."""
    path: str
    name: str = ""
    domain: Domain | None = None
    """The values that the entry allows; only entries of params have one, and they need not."""


@lru_cache(maxsize=1024)
def scope_entry(text: str) -> ScopeEntry:
    """Take an entry apart.

    Raises:
        ValueError: what follows ` = ` is not a domain; the message says what is expected.
    """
    path, _, rest = text.strip().partition("::")
    name, equals, allowed = _split_entry(rest)
    domain = parse_domain(allowed) if equals else None
    return ScopeEntry(text, path.strip(), name, domain)


def parse_domain(text: str) -> Domain:
    """Bounds `low..high` (either may be missing) or choices separated by `|`, each JSON or a bare word.

    Bounds written as whole numbers give kind `int`; whether fractions are meant too is known only from the
    parameter's value.

    Raises:
        ValueError: it is neither; the message says what is expected.
    """
    text = text.strip()
    if "|" not in text and (match := _RANGE.fullmatch(text)):
        return _bounds(text, match["low"], match["high"])
    words = _choices(text)
    if len(words) < 2 or not all(words):
        raise ValueError(f"{text!r} is not a domain: {_EXPECTED}")
    choices = [_choice(word) for word in words]
    if len({json.dumps(choice) for choice in choices}) < len(choices):
        raise ValueError(f"{text!r} names a choice twice")
    if all(isinstance(choice, bool) for choice in choices):
        return Domain(kind="bool", given=True)
    return Domain(kind="choice", choices=choices, given=True)


def _bounds(text: str, low: str, high: str) -> Domain:
    first, last = _number_or_none(low), _number_or_none(high)
    if (first is None and last is None) or (low and first is None) or (high and last is None):
        raise ValueError(f"{text!r} is not a domain: {_EXPECTED}")
    if first is not None and last is not None and first >= last:
        raise ValueError(f"{text!r} is not a domain: the lower bound comes first and is the smaller one")
    fractions = isinstance(first, float) or isinstance(last, float)
    return Domain(kind="float" if fractions else "int", low=first, high=last, given=True)


def _number_or_none(text: str) -> float | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _choice(word: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(word)
    except ValueError:
        return word[1:-1] if len(word) > 1 and word[0] == word[-1] == "'" else word
    if isinstance(value, (list, dict)):
        raise ValueError(f"{word!r} is not a choice: a number, a text, true, false or null is")
    return value


def _choices(text: str) -> list[str]:
    """Return the parts between `|`, except inside quotes."""
    return [part.strip() for part in re.findall(r'(?:"(?:\\.|[^"])*"|[^|])+', text)]


def _split_entry(rest: str) -> tuple[str, str, str]:
    """Name, `=` and domain; an `=` inside a quoted key belongs to the key."""
    match = re.fullmatch(r'\s*((?:"(?:\\.|[^"])*"|[^="])*?)\s*(?:(=)(.*))?', rest, re.S)
    return (match[1], match[2] or "", match[3] or "") if match else (rest.strip(), "", "")


class SettingsSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scope(SettingsSection):
    """The scope contract: which artifacts may be edited, per level. Addresses may hold `fnmatch` patterns."""

    prompts: list[str] = Field(default_factory=list)
    """Text files, texts in Python code, and texts under keys of data files."""
    params: list[str] = Field(default_factory=list)
    """Values in Python, YAML, TOML and JSON files, each with its domain where one is given:
    `app/settings.py::TOP_K = 1..20`."""
    structure: list[str] = Field(default_factory=list)
    """Python files whose functions may be rewritten, or single functions of them."""

    @field_validator("prompts", "params", "structure")
    @classmethod
    def _inside_the_tree(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            path = PurePosixPath(pattern.split("::", 1)[0].strip())
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(
                    f"{pattern!r} leaves the project; give a path relative to the folder of pyproject.toml"
                )
        return patterns

    @field_validator("params")
    @classmethod
    def _domains(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            try:
                scope_entry(entry)
            except ValueError as error:
                raise ValueError(f"{entry!r}: {error}") from None
        return entries

    @field_validator("prompts", "structure")
    @classmethod
    def _no_domains(cls, entries: list[str]) -> list[str]:
        for entry in entries:
            if _split_entry(entry.partition("::")[2])[1]:
                raise ValueError(f"{entry!r}: only params have a domain behind '='")
        return entries

    @property
    def is_empty(self) -> bool:
        """True if it names nothing."""
        return not (self.prompts or self.params or self.structure)

    def entries(self, level: Level) -> list[ScopeEntry]:
        """Return the entries of one level, taken apart, in the order of the settings."""
        texts = {"prompt": self.prompts, "param": self.params, "structure": self.structure}[level]
        return [scope_entry(text) for text in texts]
