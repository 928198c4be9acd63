"""Placeholders with a sign: `$x` and `${x}` of `string.Template`, `%(x)s` of the `%` operator."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from string import Template

from pytest_fapo.review.templates.wording import changed

_DOLLAR = re.compile(r"(?<!\$)(?:\$\$)*(\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*))")
_PERCENT = re.compile(r"(?<!%)(?:%%)*(%\([^()]+\)[-#0 +]*[\d.*]*[a-zA-Z])")


def dollar_problems(before: str, after: str) -> Iterator[str]:
    """`$x` dropped or invented; in a text without any, a new `$x` is taken for an amount of money."""
    old, new = set(_DOLLAR.findall(before)), set(_DOLLAR.findall(after))
    if not old:
        new = {name for name in new if name.startswith("${")}
    yield from changed(old, new)
    if old and _substitutable(before) and not _substitutable(after):
        yield "string.Template could not fill the new text in; write a literal dollar sign as $$."


def percent_problems(before: str, after: str) -> Iterator[str]:
    """`%(x)s` dropped or invented, or a percent sign that the `%` operator would stumble over."""
    old, new = set(_PERCENT.findall(before)), set(_PERCENT.findall(after))
    yield from changed(old, new)
    if old and not _bare_percent(before) and _bare_percent(after):
        yield "The % operator could not fill the new text in; write a literal percent sign as %%."


def _substitutable(text: str) -> bool:
    try:
        Template(text).substitute(defaultdict(str))
    except ValueError:
        return False
    return True


def _bare_percent(text: str) -> bool:
    """Whether a percent sign is neither doubled nor the beginning of a placeholder."""
    return bool(re.search(r"%(?!\()", text.replace("%%", "")))
