"""Inputs for the first cases: one value for each thing that the pipeline takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pytest_fapo.cli.init.functions import Parameter

_TEXTS: tuple[tuple[re.Pattern[str], tuple[str, str, str]], ...] = (
    (
        re.compile(r"question|query|^q$|prompt|topic|subject", re.I),
        ("What are your opening hours?", "How do I send something back?", "Do you deliver on Saturdays?"),
    ),
    (re.compile(r"lang", re.I), ("English", "French", "German")),
    (
        re.compile(r"url|link", re.I),
        ("https://example.com/1", "https://example.com/2", "https://example.com/3"),
    ),
    (re.compile(r"name|author|user|customer", re.I), ("Ada Lovelace", "Alan Turing", "Grace Hopper")),
    (re.compile(r"(?:^|_)id$", re.I), ("1001", "1002", "1003")),
    (
        re.compile(""),
        (
            "I was charged twice for one order.",
            "The parcel has not arrived yet.",
            "Thank you, the lamp works well.",
        ),
    ),
)


def sample(parameter: Parameter, number: int) -> Any:
    """A value for a parameter, by its annotation and its name.

    Args:
        parameter: what must be given.
        number: of which case, from 0 to 2.
    """
    annotation = parameter.annotation.replace("typing.", "")
    kind = re.split(r"[\[| ]", annotation.removeprefix("Optional["), maxsplit=1)[0].strip("'\"").lower()
    text = next(texts for name, texts in _TEXTS if name.search(parameter.name))[number]
    if kind == "int":
        return number + 1
    if kind == "float":
        return float(number + 1)
    if kind == "bool":
        return number == 0
    if kind in ("dict", "mapping"):
        return {}
    if kind == "literal":
        choices = re.findall(r"['\"]([^'\"]*)['\"]", annotation)
        return choices[number % len(choices)] if choices else text
    if kind in ("list", "sequence", "iterable", "tuple") or (not kind and parameter.name == "messages"):
        holds_messages = parameter.name == "messages" or "dict" in annotation.lower()
        return [{"role": "user", "content": text}] if holds_messages else [text]
    return text


def inputs_of(takes: Sequence[Parameter], number: int, *, positional: bool) -> Any:
    """A case's inputs: keyword arguments, or the one value where it cannot be given by keyword."""
    if positional and len(takes) == 1:
        return sample(takes[0], number)
    return {parameter.name: sample(parameter, number) for parameter in takes}
