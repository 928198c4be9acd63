"""Numbers, amounts and names as a person reads them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from pytest_fapo.models import Spending


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 case`, `1,034 cases`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def money(usd: float) -> str:
    """US dollars: `$1,204.50`, `$0.42`, `$0.0031`."""
    if usd == 0 or usd >= 0.01:
        return f"${usd:,.2f}"
    return f"${usd:.2g}" if usd >= 0.0001 else "under $0.0001"


def duration(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:30`."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def tokens(spending: Spending) -> str:
    """`120,304 in, 20,113 out`."""
    return f"{spending.usage.input_tokens:,} in, {spending.usage.output_tokens:,} out"


def cost(spending: Spending) -> str:
    """What the sent calls cost; where a model has no known price it is named, never guessed at."""
    if not spending.calls:
        return "nothing: no call was sent"
    unknown = listing(spending.unpriced_models)
    if not unknown:
        return money(spending.cost)
    known = f"{money(spending.cost)} and more: " if spending.cost else ""
    return f"{known}no price known for {unknown}"


def listing(names: Iterable[str], *, most: int = 0) -> str:
    """`a, b and c`; with `most`, the rest is counted: `a, b and 4 more`."""
    items = list(names)
    if most and len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def one_line(text: str, *, most: int = 0) -> str:
    """All white space as single spaces, cut with `…` after `most` characters."""
    line = " ".join(text.split())
    return f"{line[: most - 1].rstrip()}…" if most and len(line) > most else line


def git_apply(patch: str) -> str:
    """The line to paste that applies the saved patch."""
    return f"git apply {shlex.quote(patch)}"


def by_tests(part: float) -> str:
    """` (12 by tests)`: the part of calls, or of what they cost, that tests made beside their runs."""
    if not part:
        return ""
    return f" ({part:,} by tests)" if isinstance(part, int) else f" ({money(part)} by tests)"
