"""Parse pytest's explanation of a failure, and the requirements of an assertion or a label on a text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_fapo.diagnosis.loose_values import mentions, normal, plain, texts_in, whole_text

_OPERATORS = ("not in", "is not", "==", "!=", "<=", ">=", "in", "is", "<", ">")

_ERROR = re.compile(
    r"^(?:[\w]+\.)*([A-Z]\w*(?:Error|Exception|Warning|Failed|Miss|Exceeded|Interrupt))\b(?::\s?(.*))?$"
)

_DIFFERS = re.compile(r"^(\{.*\}) != (\{.*\})$")

_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Operand:
    """One side of a comparison, as pytest printed it."""

    text: str
    value: Any = None
    known: bool = False
    """True if `value` is the whole value: pytest cuts long representations with `...`."""

    @property
    def cut(self) -> bool:
        return not self.known and "..." in self.text

    def pieces(self) -> list[str]:
        """Return the parts of a cut string that are whole, long enough to be recognized."""
        body = self.value if isinstance(self.value, str) else self.text.strip("'\"")
        return [piece for piece in body.split("...") if len(piece) >= 8]


@dataclass(frozen=True)
class Assertion:
    """A failure's explanation. `operator` is empty where no comparison was recognized."""

    raw: str
    error: str = ""
    """Class name of an exception other than AssertionError."""
    message: str = ""
    """The user's own message, or the exception's."""
    operator: str = ""
    left: Operand | None = None
    right: Operand | None = None
    call: str = ""
    """Function or method whose result was asserted or compared: `len`, `startswith`, `any` …"""
    argument: Operand | None = None
    """First argument of a method call: the 'Dear' of `text.startswith('Dear')`."""
    negated: bool = False
    differing: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Differing items of two mappings: key -> (left, right)."""


def read_assertion(explanation: str, error_type: str = "") -> Assertion:
    """Take pytest's explanation apart; never raises, whatever the text is."""
    lines = [re.sub(r"^E {1,3}", "", line.rstrip()) for line in explanation[:20_000].splitlines()]
    lines = [line for line in lines if not line.startswith(">")]
    error, message = _error(lines, error_type)
    body = _body(lines)
    differing = _differing(lines)
    if body is None:
        return Assertion(raw=explanation, error=error, message=message, differing=differing)
    negated = body.startswith("not ")
    left, operator, right = _comparison(body.removeprefix("not ") if negated else body)
    call, argument = _called(lines)
    return Assertion(
        raw=explanation,
        error="" if error == "AssertionError" else error,
        message=message,
        operator=operator,
        left=left,
        right=right,
        call=call,
        argument=argument,
        negated=negated,
        differing=differing,
    )


def _error(lines: list[str], error_type: str) -> tuple[str, str]:
    for line in lines[:3]:
        match = _ERROR.match(line.strip())
        if match:
            message = (match.group(2) or "").strip()
            return match.group(1), "" if message.startswith("assert ") else message
    first = lines[0].strip() if lines else ""
    return error_type.rpartition(".")[2], "" if first.startswith("assert ") else first


def _body(lines: list[str]) -> str | None:
    for line in lines:
        match = re.search(r"(?:^|^\w*AssertionError: )\s*assert (.+)$", line)
        if match:
            return match.group(1).strip()
    return None


def _comparison(text: str) -> tuple[Operand | None, str, Operand | None]:
    text = text.strip()
    while text.startswith("(") and _operand_end(text) in (len(text), -1):
        text = text[1:-1] if text.endswith(")") else text[1:]
    end = _operand_end(text)
    if end <= 0:
        return None, "", None
    left = _operand(text[:end])
    rest = text[end:].lstrip()
    for operator in _OPERATORS:
        if rest.startswith(operator + " "):
            after = rest[len(operator) :].strip()
            stop = _operand_end(after)
            return left, operator, _operand(after[:stop] if stop > 0 else after)
    return left, "", None


def _operand_end(text: str) -> int:
    """Return the end of the first operand: a closed literal, or the last character before an operator."""
    if not text:
        return 0
    if text[0] in "'\"" or re.match(r"[bru]{1,2}['\"]", text):
        return _string_end(text)
    if text[0] in _CLOSING:
        return _bracket_end(text)
    match = re.search(r" (?:not in|is not|==|!=|<=|>=|in|is|<|>|and|or) ", text)
    return match.start() if match else len(text)


def _string_end(text: str) -> int:
    start = re.match(r"[bru]{0,2}", text)
    position = start.end() if start else 0
    quote = text[position]
    index = position + 1
    while index < len(text):
        if text[index] == "\\":
            index += 2
            continue
        if text[index] == quote:
            return index + 1
        index += 1
    return -1


def _bracket_end(text: str) -> int:
    stack: list[str] = []
    index = 0
    while index < len(text):
        char = text[index]
        if char in "'\"" and (index == 0 or not text[index - 1].isalnum()):
            end = _string_end(text[index:])
            if end < 0:
                return -1
            index += end
            continue
        if char in _CLOSING:
            stack.append(_CLOSING[char])
        elif stack and char == stack[-1]:
            stack.pop()
            if not stack:
                return index + 1
        index += 1
    return -1


def _operand(text: str) -> Operand:
    text = text.strip()
    approx = re.match(r"^(\S+) ± \S+$", text)
    try:
        value = ast.literal_eval(approx.group(1) if approx else text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return Operand(text)
    if isinstance(value, (set, frozenset, tuple)):
        value = sorted(value, key=repr) if not isinstance(value, tuple) else list(value)
    cut = "..." in text and (isinstance(value, str) or len(text) > 25)
    return Operand(text, value, known=not cut)


def _called(lines: list[str]) -> tuple[str, Operand | None]:
    for line in lines:
        match = re.match(
            r"^\s*\+\s+where .* = (?:<(?:built-in |bound )?(?:method|function) ([\w.]+)[^>]*>|([\w.]+))"
            r"\((.*)\)$",
            line,
        )
        if match:
            name = (match.group(1) or match.group(2)).rpartition(".")[2]
            end = _operand_end(match.group(3))
            return name, _operand(match.group(3)[:end] if end > 0 else match.group(3))
    return "", None


def _differing(lines: list[str]) -> dict[str, tuple[Any, Any]]:
    differing: dict[str, tuple[Any, Any]] = {}
    for line in lines:
        match = _DIFFERS.match(line.strip())
        if not match:
            continue
        left, right = _operand(match.group(1)), _operand(match.group(2))
        if isinstance(left.value, dict) and isinstance(right.value, dict):
            for key in left.value.keys() & right.value.keys():
                differing[str(key)] = (left.value[key], right.value[key])
        else:
            name = re.match(r"^\{'([^']+)':", match.group(1))
            if name:
                differing[name.group(1)] = (None, None)
    return differing


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
        """The problem with the text, to follow its name."""
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
    """Return the use that the name of an expected field suggests, if any."""
    words = set(normal(name.replace(".", " ")).split())
    if words & _EXCLUDE:
        return "exclude"
    if words & {"max", "maximum", "limit"} or {"at", "most"} <= words:
        return "longest"
    if words & {"min", "minimum"} or {"at", "least"} <= words:
        return "shortest"
    return "include" if words & _INCLUDE else None


def read_requirement(assertion: Assertion, expected: Any) -> Requirement | None:
    """Return the demand that a failed assertion states; None where it states none on a text."""
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


def stated_requirement(assertion: Assertion, expected: Any, output: Any) -> Requirement | None:
    """Return the demand of a failed assertion; of a bare one, `all(...)`, or a share, that of the case's
    labels.
    """
    demand = read_requirement(assertion, expected)
    if demand is not None or assertion.error or assertion.call == "any":
        return demand
    bound = assertion.right.value if assertion.right is not None else None
    share = assertion.operator in (">=", ">") and isinstance(bound, (int, float)) and 0 < bound <= 1
    return requirement_of_fields(expected, output) if share or not assertion.operator else None


def requirement_of_fields(expected: Any, output: Any) -> Requirement | None:
    """Return the first demand of a case's own labels that its output misses: for bare `assert all(...)`."""
    text = whole_text(output)
    if isinstance(expected, list) and isinstance(output, str):
        missing = [fact for fact in expected if isinstance(fact, str) and not mentions(text, fact)]
        return Requirement("include", missing[0]) if missing else None
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
    """Return the expected field that holds a phrase; one whose name fits the kind is preferred."""
    if not isinstance(expected, dict):
        return ""
    holding = [
        str(name) for name, value in expected.items() if normal(phrase) in map(normal, texts_in(value))
    ]
    fitting = [name for name in holding if name_kind(name) == kind]
    return (fitting or holding or [""])[0]


def phrases(value: Any) -> Iterator[str]:
    """Yield the phrases that an expected value lists."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item.strip():
            yield item
