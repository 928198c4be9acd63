"""Parameter values as JSON text and as numbers in a source, and their domains."""

from __future__ import annotations

import json
import math
import re
from typing import NamedTuple, NoReturn

from pydantic import JsonValue

from pytest_fapo.core.candidate import Domain
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.addresses import dotted as dotted


class ParameterValue(NamedTuple):
    """One scalar that a file holds under a dotted name; `reason` says why it cannot be edited."""

    name: str
    value: JsonValue = None
    reason: str = ""
    low: float | None = None
    high: float | None = None
    """Bounds that the file itself states, both included: `Field(3, ge=1, le=10)`."""


def read_value(text: str) -> JsonValue:
    """Return the value that an edit's text stands for.

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
    """Return a number as Python, TOML, JSON and both YAML versions read it back.

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


def _refused(word: str) -> NoReturn:
    raise ValueError(word)


_TEMPERATURE = re.compile(r"temperature|(^|[._])temp($|[._])", re.I)

_SHARE = re.compile(
    r"top_?p|min_?p|threshold|ratio|share|fraction|weight|alpha|similarity|cutoff|score", re.I
)


def domain_for(found: ParameterValue, given: Domain | None) -> Domain:
    """Return the domain of a parameter, by the scope or by what the file shows.

    A present value outside the given bounds is no error: the scope says what may be written, and that the
    present value is not among it may be the very reason to tune it.

    Raises:
        ArtifactError: the given domain is for values of another type, or none is given and none can be
            guessed; the message is the reason, without the address.
    """
    name, value = found.name, found.value
    if given is None:
        if found.low is not None and found.high is not None and _is_number(value):
            fraction = isinstance(value, float) or _fractional(name)
            return Domain(kind="float" if fraction else "int", low=found.low, high=found.high)
        return _within(_inferred(name, value), found)
    if given.kind == "choice":
        return _choices(value, given)
    if given.kind == "bool":
        if isinstance(value, bool):
            return given
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        fraction = isinstance(value, float) or _fractional(name)
        return given.model_copy(update={"kind": "float"}) if fraction else given
    raise ArtifactError(f"its value {_short(value)} is of another kind than its domain {given}")


def _choices(value: JsonValue, given: Domain) -> Domain:
    if isinstance(value, str) and not any(isinstance(choice, str) for choice in given.choices):
        texts = ["null" if choice is None else str(choice) for choice in given.choices]
        return given.model_copy(update={"choices": texts})
    if isinstance(value, float) and all(_is_number(choice) for choice in given.choices):
        return given.model_copy(update={"choices": [float(str(choice)) for choice in given.choices]})
    return given


def _inferred(name: str, value: JsonValue) -> Domain:
    if isinstance(value, bool):
        return Domain(kind="bool")
    if value is None or isinstance(value, str):
        kind = "a text" if isinstance(value, str) else "null"
        raise ArtifactError(f"it holds {kind}: say what it may be, such as '... = first | second'")
    if isinstance(value, (int, float)):
        if _TEMPERATURE.search(name) and 0 <= value <= 2:
            return Domain(kind="float", low=0, high=1 if value <= 1 else 2)
        if _SHARE.search(name) and 0 <= value <= 1 and (isinstance(value, float) or _fractional(name)):
            return Domain(kind="float", low=0, high=1)
        if isinstance(value, int) and value >= 0:
            return Domain(kind="int", low=min(value, 1), high=max(10, 4 * value) if value else 3)
        if isinstance(value, float) and value > 0:
            return Domain(kind="float", low=value / 4, high=value * 4)
    raise ArtifactError(f"no bounds can be guessed for {_short(value)}: give them, such as '... = 0..20'")


def _within(guess: Domain, found: ParameterValue) -> Domain:
    """Return the guess, not past a bound that the file states."""
    if guess.kind not in ("int", "float"):
        return guess
    low = max((bound for bound in (guess.low, found.low) if bound is not None), default=None)
    high = min((bound for bound in (guess.high, found.high) if bound is not None), default=None)
    return guess.model_copy(update={"low": low, "high": high})


def _fractional(name: str) -> bool:
    """True if a whole number under this name is a fraction by chance: `temperature: 0`."""
    return bool(_TEMPERATURE.search(name) or re.search(r"(^|[._])(top|min)_?p$|penalty", name, re.I))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: JsonValue) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
