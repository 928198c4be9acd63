"""Values of parameters: as JSON text, as numbers in a source, and as keys in an address."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, NoReturn

from pydantic import JsonValue

from pytest_fapo.artifacts.globs import has_wildcard
from pytest_fapo.errors import ArtifactError

_BARE = re.compile(r'[^.\s"=]+')
_PART = re.compile(r'"(?:\\.|[^"\\])*"|[^."]+')


class Value(NamedTuple):
    """One scalar that a file holds under a dotted name; `reason` says why it cannot be edited."""

    name: str
    value: JsonValue = None
    reason: str = ""
    low: float | None = None
    high: float | None = None
    """Bounds that the file itself states, both included: `Field(3, ge=1, le=10)`."""


def read_value(text: str) -> JsonValue:
    """The value that an edit's text stands for.

    Raises:
        ArtifactError: it is not one JSON scalar.
    """
    try:
        value: JsonValue = json.loads(text, parse_constant=_refused)
    except ValueError:
        value = math.inf
    if isinstance(value, (list, dict)) or (isinstance(value, float) and not math.isfinite(value)):
        raise ArtifactError(
            f'{text.strip()[:60]!r} is not one JSON value; expected such as 5, 0.2, true or "text"'
        )
    return value


def same_value(one: object, other: object) -> bool:
    """Equal and of one type: 1, 1.0 and True are three values."""
    return type(one) is type(other) and one == other


def number(value: float, *, fraction: bool) -> str:
    """A number as Python, TOML, JSON and both YAML versions read it back.

    Args:
        value: what is to be written.
        fraction: whether the place holds a float, so that 1 is spelled `1.0`.
    """
    if isinstance(value, int) and not fraction:
        return str(value)
    text = repr(float(value))
    mantissa, mark, exponent = text.partition("e")
    # YAML 1.1 takes 1e-05 for a text: it wants a dot and a sign.
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent}" if mark else text


def dotted(keys: Sequence[str]) -> str:
    """Keys as the name in an address; those with dots or blanks are quoted."""
    return ".".join(key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in keys)


def keys_of(name: str) -> list[str]:
    """The keys of a dotted name; inverse of `dotted`."""
    parts = _PART.findall(name)
    return [json.loads(part) if part.startswith('"') else part.strip() for part in parts]


def matches_key(name: str, pattern: str) -> bool:
    """Whether the name of a value is one that `pattern` stands for, key by key."""
    if name == pattern:
        return True
    keys, patterns = keys_of(name), keys_of(pattern)
    if len(keys) != len(patterns):
        return False
    return keys == patterns or (has_wildcard(pattern) and all(map(fnmatchcase, keys, patterns)))


def _refused(word: str) -> NoReturn:
    raise ValueError(word)
