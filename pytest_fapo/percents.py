"""Shares as percentages, rounded in one way everywhere: terminal, reports, messages and pages."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


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
