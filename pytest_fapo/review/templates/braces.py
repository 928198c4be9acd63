"""Placeholders in braces: `str.format` templates, and texts whose `{x}` are replaced one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

from pytest_fapo.review.templates.wording import changed

_FIELD = re.compile(r"(?:[A-Za-z_]\w*|\d*)(?:\.\w+|\[[^\]{}]*\])*")
_TOKEN = re.compile(r"\{\{\s*[A-Za-z_][\w.]*\s*\}\}|\{[A-Za-z_][\w.]*\}")


def is_format(text: str) -> bool:
    """Whether `text` is meant for `str.format`: braces are there, and all are fields or doubled."""
    if "{" not in text and "}" not in text:
        return False
    try:
        return all(_FIELD.fullmatch(name) for name in _fields(text))
    except ValueError:
        return False


def format_problems(before: str, after: str) -> Iterator[str]:
    """Fields dropped, invented or no longer readable for `str.format`."""
    try:
        fields = _fields(after)
    except ValueError as error:
        yield f"str.format could not fill the new text in ({error}); write literal braces as {{{{ and }}}}."
        return
    old = _fields(before)
    literal = [name for name in fields if name not in old and not _FIELD.fullmatch(name)]
    if literal:
        yield (
            f"str.format would take {_shown('{' + literal[0])} for a placeholder; "
            f"write literal braces as {{{{ and }}}}."
        )
    yield from changed(_names(old), _names([name for name in fields if name not in literal]))
    if old.count("") != fields.count("") and "" in old and "" in fields:
        yield f"{old.count('')} places {{}} are filled in one by one; keep exactly as many, in order."
    doubled = {token for token in _TOKEN.findall(before) if token.startswith("{{")}
    yield from changed(doubled, {token for token in _TOKEN.findall(after) if token in doubled})


def loose_problems(before: str, after: str) -> Iterator[str]:
    """`{x}` and `{{x}}` dropped or invented, in a text that is not for `str.format`."""
    yield from changed(set(_TOKEN.findall(before)), set(_TOKEN.findall(after)))


def _fields(text: str) -> list[str]:
    """Field expressions in order, those inside format specifications included.

    Raises:
        ValueError: `str.format` could not read the text.
    """
    names: list[str] = []
    for _, name, spec, _ in Formatter().parse(text):
        if name is not None:
            names.append(name)
            names += _fields(spec) if spec else []
    return names


def _names(fields: list[str]) -> set[str]:
    return {"{" + name + "}" for name in fields}


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return repr(text[:30] + "…" if len(text) > 30 else text)
