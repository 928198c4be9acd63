"""What an assertion or a label demands of a text: include, exclude, length, beginning, ending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pytest_fapo.reading.assertions import Assertion, Operand
from pytest_fapo.reading.values import mentions, normal, plain, texts_in, whole_text

Kind = Literal["include", "exclude", "longest", "shortest", "begin", "end", "shape"]
_EXCLUDE = frozenset(
    {"not", "never", "forbid", "forbidden", "avoid", "exclude", "excludes", "without", "banned", "prohibited"}
)
_INCLUDE = frozenset(
    {"include", "includes", "contain", "contains", "mention", "mentions", "must", "require", "required"}
    | {"quote", "quotes", "keyword", "keywords", "phrase", "phrases", "fact", "facts"}
)
_SHAPES = {
    "islower": "in lower case",
    "isupper": "in upper case",
    "istitle": "in title case",
    "isdigit": "digits only",
    "isnumeric": "digits only",
    "isdecimal": "digits only",
}


@dataclass(frozen=True)
class Requirement:
    """One demand on a text."""

    kind: Kind
    value: Any
    """The phrase(s), the limit in units of `unit`, or the words for a shape."""
    field: str = ""
    """The expected field that states it, where there is one."""
    unit: Literal["characters", "words"] = "characters"
    pieces: tuple[str, ...] = ()
    """Parts of the text as the explanation shows it."""

    @property
    def sentence(self) -> str:
        """What is wrong with the text, to follow its name."""
        value = plain(self.value)
        return {
            "include": f"lacks {value!r}",
            "exclude": f"contains {value!r}, which it must not",
            "longest": f"is longer than {value} {self.unit}",
            "shortest": f"is shorter than {value} {self.unit}",
            "begin": f"does not begin with {value!r}",
            "end": f"does not end with {value!r}",
            "shape": f"is not {value}",
        }[self.kind]


def name_kind(name: str) -> Kind | None:
    """What the name of an expected field says about its use, if anything."""
    words = set(normal(name.replace(".", " ")).split())
    if words & _EXCLUDE:
        return "exclude"
    if words & {"max", "maximum", "limit"} or {"at", "most"} <= words:
        return "longest"
    if words & {"min", "minimum"} or {"at", "least"} <= words:
        return "shortest"
    return "include" if words & _INCLUDE else None


def read_requirement(assertion: Assertion, expected: Any) -> Requirement | None:
    """The demand that a failed assertion states; None where it states none on a text."""
    left, right = assertion.left, assertion.right
    if assertion.operator in ("in", "not in") and left is not None and right is not None:
        if not isinstance(left.value, str) or not _is_text(right):
            return None
        kind: Kind = "include" if assertion.operator == "in" else "exclude"
        return Requirement(kind, left.value, _stating(expected, left.value, kind), pieces=_pieces(right))
    if assertion.operator in ("<=", "<", ">=", ">") and assertion.call in ("len", "split"):
        return _length(assertion, expected)
    argument = assertion.argument
    if assertion.call in ("startswith", "endswith") and argument is not None and not assertion.negated:
        if isinstance(argument.value, str) and argument.known:
            kind = "begin" if assertion.call == "startswith" else "end"
            return Requirement(kind, argument.value, _stating(expected, argument.value, "include"))
        return None
    if assertion.call in _SHAPES and not assertion.negated:
        return Requirement("shape", _SHAPES[assertion.call])
    return None


def requirement_of_fields(expected: Any, output: Any) -> Requirement | None:
    """The first demand of a case's own labels that its output misses: for bare `assert all(...)`."""
    text = whole_text(output)
    if not isinstance(expected, dict):
        return None
    for name, value in expected.items():
        kind = name_kind(str(name))
        items = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        if kind == "include":
            missing = [item for item in items if not mentions(text, item)]
        elif kind == "exclude":
            missing = [item for item in items if mentions(text, item)]
        else:
            continue
        if missing:
            return Requirement(kind, missing[0], str(name))
    return None


def _length(assertion: Assertion, expected: Any) -> Requirement | None:
    left, right = assertion.left, assertion.right
    argument = assertion.argument
    if left is None or right is None or argument is None:
        return None
    numbers = [side.value for side in (left, right)]
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
        return None
    below = assertion.operator in ("<=", "<")
    actual_left = ("= len(" in assertion.raw) and f"where {left.text} = len(" in assertion.raw
    limit = int(right.value if actual_left else left.value)
    longest = below if actual_left else not below
    if assertion.operator in ("<", ">"):
        limit += -1 if longest else 1
    words = isinstance(argument.value, list) or argument.text.startswith("[")
    field = next(
        (str(name) for name, value in expected.items() if value == limit and not isinstance(value, bool)), ""
    ) if isinstance(expected, dict) else ""  # fmt: skip
    return Requirement(
        "longest" if longest else "shortest",
        limit,
        field,
        unit="words" if words else "characters",
        pieces=() if words else _pieces(argument),
    )


def _is_text(operand: Operand) -> bool:
    return isinstance(operand.value, str) or operand.text[:1] in "'\""


def _pieces(operand: Operand) -> tuple[str, ...]:
    if operand.known and isinstance(operand.value, str):
        return (operand.value,) if operand.value else ()
    return tuple(operand.pieces())


def _stating(expected: Any, phrase: str, kind: Kind) -> str:
    """The expected field that holds a phrase; one whose name fits the kind is preferred."""
    if not isinstance(expected, dict):
        return ""
    holding = [
        str(name) for name, value in expected.items() if normal(phrase) in map(normal, texts_in(value))
    ]
    fitting = [name for name in holding if name_kind(name) == kind]
    return (fitting or holding or [""])[0]


def phrases(value: Any) -> Iterator[str]:
    """The phrases that an expected value lists."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item.strip():
            yield item
