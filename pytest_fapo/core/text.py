"""Numbers, amounts, shares, lists and differences as readable text; JSON texts as values."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue


def parsed_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, or is nested too deep to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def json_or_text(value: Any) -> Any:
    """Return a text that is JSON as its data; anything else as it is. Models give tool arguments like
    that.
    """
    if not isinstance(value, str):
        return value
    try:
        return parsed_json(value)
    except ValueError:
        return value


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 case`, `1,034 cases`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:30`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def listing(names: Iterable[str], *, most: int = 0) -> str:
    """`a, b and c`; with `most`, the rest is counted: `a, b and 4 more`."""
    items = list(names)
    if most and len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most:,} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean 'steps'?`, to be added to a message; empty where no known name is like it."""
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"; did you mean {found[0]!r}?" if found else ""


def one_line(text: str, *, most: int = 0) -> str:
    """Return all white space as single spaces, cut with `…` after `most` characters."""
    line = " ".join(text.split())
    return f"{line[: most - 1].rstrip()}…" if most and len(line) > most else line


def compared_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines of two texts; where only one of them ends without a newline, its last line says so."""
    old, new = before.split("\n"), after.split("\n")
    for lines, other in ((old, new), (new, old)):
        if lines[-1] and not other[-1]:
            lines[-1] += " (no newline at the end)"
    return old if old[-1] else old[:-1], new if new[-1] else new[:-1]


def text_diff(before: str, after: str, *, context: int = 3) -> list[str]:
    """Return `line_diff` of two texts."""
    return line_diff(*compared_lines(before, after), context=context)


def line_diff(before: Sequence[str], after: Sequence[str], *, context: int = 3) -> list[str]:
    """Return the lines of a unified diff for reading, without the two that name files; empty where equal.

    Args:
        before: lines of a text.
        after: lines of another.
        context: how many equal lines are shown around each difference.
    """
    import difflib

    return list(difflib.unified_diff(before, after, lineterm="", n=context))[2:]


def git_apply(patch: str) -> str:
    """Return the line to paste that applies the saved patch."""
    return f"git apply {shlex.quote(patch)}"


def percent(share: float | None, *, decimals: int = 0, unit: str = " %") -> str:
    """Return a share from 0 to 1 as `88 %`.

    Halves are rounded up, as `percent` of the HTML report's script does. Less than all is never shown as 100,
    nor more than nothing as 0.

    Args:
        share: None is shown as a dash.
        decimals: digits behind the point.
        unit: what follows the number.
    """
    if share is None:
        return "–"
    step = Decimal(1).scaleb(-decimals)
    number = Decimal(share * 100).quantize(step, ROUND_HALF_UP)
    least = Decimal(1).scaleb(-max(decimals, 1))
    if share < 1 and number >= 100:
        number = 100 - least
    elif share > 0 and number == 0:
        number = least
    return f"{number}{unit}"


def percents(before: float | None, after: float | None) -> tuple[str, str]:
    """Return both shares, with a decimal where they would otherwise look equal and are not."""
    plain = percent(before), percent(after)
    if before is not None and after is not None and before != after and plain[0] == plain[1]:
        return percent(before, decimals=1), percent(after, decimals=1)
    return plain


def score_text(value: float | None) -> str:
    """Return a graded score in its own unit: `0.714`, `812`, `1,204`; None as a dash."""
    if value is None:
        return "–"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in text and abs(value) >= 1e-6 else text


def score_pair(before: float | None, after: float | None) -> tuple[str, str]:
    """Return both scores, with more digits where they would otherwise look equal and are not."""
    pair = score_text(before), score_text(after)
    if before is not None and after is not None and before != after and pair[0] == pair[1]:
        return f"{before:.6g}", f"{after:.6g}"
    return pair


_COMMON_START = 12
"""Characters of a common beginning that are shown before the first difference."""

_NOTHING = "nothing"

_KEY_ROOM = 36
"""Characters that a key with its values should have."""


def value_difference(before: JsonValue, after: JsonValue, *, most: int = 120) -> str:
    """`category: "refund" → "billing", order: null → "A-1"`; of long texts the part from where they differ.

    Args:
        before: a JSON value.
        after: another.
        most: characters of the line.
    """
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return _pair(_json_text(before), _json_text(after), most)
    first = {key: _json_text(value) for key, value in before.items()}
    second = {key: _json_text(value) for key, value in after.items()}
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    shown = keys[: max(1, min(3, most // _KEY_ROOM))]
    room = max(_KEY_ROOM, most // max(1, len(shown)) - 2)
    parts = []
    for key in shown:
        name = one_line(key, most=24)
        parts.append(
            f"{name}: {_pair(first.get(key, _NOTHING), second.get(key, _NOTHING), room - len(name) - 2)}"
        )
    more = f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else ""
    return ", ".join(parts) + more


def _pair(first: str, second: str, room: int) -> str:
    half = max(8, (room - 3) // 2)
    if min(len(first), len(second)) > half:
        pairs = enumerate(zip(first, second, strict=False))
        common = next((index for index, (one, other) in pairs if one != other), min(len(first), len(second)))
        if common > _COMMON_START:
            first, second = ("…" + text[common - _COMMON_START // 2 :] for text in (first, second))
    return f"{one_line(first, most=half)} → {one_line(second, most=half)}"


def _json_text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)
