"""Two values side by side on one line: what is different about them, and no more."""

from __future__ import annotations

import json

from pydantic import JsonValue

from pytest_fapo.report.words import one_line

_KEPT = 12
"""Characters of a common beginning that are shown before the first difference."""
_NONE = "nothing"
_KEY_ROOM = 36
"""Characters that a key with its values should have."""


def difference(before: JsonValue, after: JsonValue, *, most: int = 120) -> str:
    """`category: "refund" → "billing", order: null → "A-1"`; of long texts the part from where they differ.

    Args:
        before: a JSON value.
        after: another.
        most: characters of the line.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return _both(_text(before), _text(after), most)
    first = {key: _text(value) for key, value in before.items()}
    second = {key: _text(value) for key, value in after.items()}
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    shown = keys[: max(1, min(3, most // _KEY_ROOM))]
    room = max(_KEY_ROOM, most // max(1, len(shown)) - 2)
    parts = []
    for key in shown:
        name = one_line(key, most=24)
        parts.append(f"{name}: {_both(first.get(key, _NONE), second.get(key, _NONE), room - len(name) - 2)}")
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return ", ".join(parts) + more


def _both(first: str, second: str, room: int) -> str:
    half = max(8, (room - 3) // 2)
    if min(len(first), len(second)) > half:
        pairs = enumerate(zip(first, second, strict=False))
        common = next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))
        if common > _KEPT:
            first, second = ("…" + text[common - _KEPT // 2 :] for text in (first, second))
    return f"{one_line(first, most=half)} → {one_line(second, most=half)}"


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
