"""pytest's own explanation of a failure, taken apart: `assert 'billing' == 'refund'`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

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
    """Whether `value` is the whole value: pytest cuts long representations with `...`."""

    @property
    def cut(self) -> bool:
        return not self.known and "..." in self.text

    def pieces(self) -> list[str]:
        """The parts of a cut string that are whole, long enough to be recognized."""
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
    """Where the first operand ends: a closed literal, or the last character before an operator."""
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
    found: dict[str, tuple[Any, Any]] = {}
    for line in lines:
        match = _DIFFERS.match(line.strip())
        if not match:
            continue
        left, right = _operand(match.group(1)), _operand(match.group(2))
        if isinstance(left.value, dict) and isinstance(right.value, dict):
            for key in left.value.keys() & right.value.keys():
                found[str(key)] = (left.value[key], right.value[key])
        else:
            name = re.match(r"^\{'([^']+)':", match.group(1))
            if name:
                found[name.group(1)] = (None, None)
    return found
