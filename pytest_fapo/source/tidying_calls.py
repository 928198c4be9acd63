"""Calls around a text that only tidy it: `dedent(…)`, `cleandoc(…)`, `.strip()`. They are seen through."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Wrapper(NamedTuple):
    """One tidying call: what it does, and how a new result is laid out in the old one's frame."""

    name: str
    apply: Callable[[str], str]
    unapply: Callable[[str, str], str]
    """`(old input, new result) -> new input`."""


def apply_all(wrappers: Sequence[Wrapper], value: str) -> str:
    """Return the expression's value for a literal with `value`; wrappers are listed innermost first."""
    for wrapper in wrappers:
        value = wrapper.apply(value)
    return value


def inner_value(wrappers: Sequence[Wrapper], old: str, text: str) -> str | None:
    """Return the value that the literal needs so that the expression gives `text`.

    White space that the wrappers would take away is given up. None where no value can give the text.
    """
    inputs = [old]
    for wrapper in wrappers:
        inputs.append(wrapper.apply(inputs[-1]))
    wanted = apply_all(wrappers, text)
    value = wanted
    for wrapper, before in zip(reversed(wrappers), reversed(inputs[:-1]), strict=True):
        value = wrapper.unapply(before, value)
    for attempt in (value, text, wanted):
        if apply_all(wrappers, attempt) == wanted:
            return attempt
    return None


def _strip(old: str, new: str) -> str:
    kept = old.strip()
    if not kept:
        return new
    start = old.index(kept)
    return old[:start] + new + old[start + len(kept) :]


def _lstrip(old: str, new: str) -> str:
    return old[: len(old) - len(old.lstrip())] + new


def _rstrip(old: str, new: str) -> str:
    return new + old[len(old.rstrip()) :]


def _dedent(old: str, new: str) -> str:
    margin = _margin(old.split("\n"))
    last = old.rpartition("\n")[2]
    lines = [margin + line if line.strip() else line for line in new.split("\n")]
    if lines[-1] == "" and not last.strip():
        lines[-1] = last
    return "\n".join(lines)


def _cleandoc(old: str, new: str) -> str:
    first, *others = old.split("\n")
    margin = _margin(others)
    lines = new.split("\n")
    indented = [margin + line if line.strip() else line for line in lines]
    if first.strip():
        indented[0] = lines[0]
        body = "\n".join(indented)
    else:
        body = old[: len(old) - len(old.lstrip("\n \t"))].rpartition("\n")[0] + "\n" + "\n".join(indented)
    tail = old[len(old.rstrip()) :]
    return body + tail if "\n" in tail else body


def docstring(indent: str) -> Wrapper:
    """Return a docstring as `inspect.getdoc` gives it; new lines are in the indentation of its body."""

    def unapply(old: str, new: str) -> str:
        if "\n" in old.strip():
            return _cleandoc(old, new)
        first, *others = new.split("\n")
        body = "\n".join([first, *(indent + line if line.strip() else line for line in others)])
        return f"{body}\n{indent}" if others else body

    return Wrapper("getdoc", inspect.cleandoc, unapply)


def _margin(lines: list[str]) -> str:
    filled = [line for line in lines if line.strip()]
    margin = filled[0][: len(filled[0]) - len(filled[0].lstrip())] if filled else ""
    for line in filled:
        while not line.startswith(margin):
            margin = margin[:-1]
    return margin


_FUNCTIONS = {
    "textwrap.dedent": Wrapper("dedent", textwrap.dedent, _dedent),
    "inspect.cleandoc": Wrapper("cleandoc", inspect.cleandoc, _cleandoc),
}

_METHODS = {
    "strip": Wrapper("strip", str.strip, _strip),
    "lstrip": Wrapper("lstrip", str.lstrip, _lstrip),
    "rstrip": Wrapper("rstrip", str.rstrip, _rstrip),
}


def tidying_call(call: ast.Call, imports: Mapping[str, str]) -> tuple[ast.expr, Wrapper] | None:
    """Return the text that a call tidies and how; None for any other call.

    Args:
        call: the call.
        imports: local name to qualified name, of what the module imports.
    """
    if call.keywords:
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS and not call.args:
        return call.func.value, _METHODS[call.func.attr]
    head, dot, rest = ast.unparse(call.func).partition(".")
    wrapper = _FUNCTIONS.get(imports.get(head, "") + dot + rest)
    return (call.args[0], wrapper) if wrapper and len(call.args) == 1 else None
