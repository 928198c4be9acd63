"""Order numbers as customers write them."""

from __future__ import annotations

import re

_WRITTEN = re.compile(
    r"\bKC[\s-]?(\d{5})\b|\border\s*(?:no\.?|number)?\s*#?\s*(\d{5})\b|#(\d{5})\b", re.IGNORECASE
)


def find_order_number(message: str) -> str | None:
    """The first order number in a message in our own spelling, `KC-12345`; None where there is none."""
    match = _WRITTEN.search(message)
    if match is None:
        return None
    digits = next(group for group in match.groups() if group)
    return f"KC-{digits}"
