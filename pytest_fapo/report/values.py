"""Two values side by side on one line: what is different about them, and no more."""

from __future__ import annotations

import json

from pydantic import JsonValue

from pytest_fapo.report.words import one_line

_KEPT = 12
"""Characters of a common beginning that are shown before the first difference."""


def difference(before: JsonValue, after: JsonValue, *, most: int = 120) -> str:
    """`category: "refund" → "billing", order: null → "A-1"`; of long texts the part from where they differ.

    Args:
        before: a JSON value.
        after: another.
        most: characters of the line.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return _both(before, after, most)
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    shown = keys[:3]
    room = max(24, most // max(1, len(shown)) - 2)
    parts = [
        f"{one_line(key, most=24)}: " + _both(before.get(key), after.get(key), room - min(24, len(key)) - 2)
        for key in shown
    ]
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return ", ".join(parts) + more


def _both(before: JsonValue, after: JsonValue, room: int) -> str:
    first, second = _text(before), _text(after)
    half = max(8, (room - 3) // 2)
    if min(len(first), len(second)) > half:
        common = next(
            (place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), 0
        )
        if common > _KEPT:
            first, second = ("…" + text[common - _KEPT // 2 :] for text in (first, second))
    return f"{one_line(first, most=half)} → {one_line(second, most=half)}"


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
