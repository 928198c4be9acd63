"""Template languages: what a text leaves to be filled in, and whether it still can be."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.review.templates.braces import format_problems, is_format, loose_problems
from pytest_fapo.review.templates.jinja import is_jinja, jinja_problems
from pytest_fapo.review.templates.signs import dollar_problems, percent_problems

__all__ = ["template_problems"]


def template_problems(path: str, before: str, after: str) -> Iterator[str]:
    """What keeps `after` from being filled in the way `before` was; each says what would pass.

    The template language is read off `before` (and the file's name): Jinja, `str.format`, or braces that
    are replaced one by one; `$x` and `%(x)s` beside any of them.
    """
    if is_jinja(path, before):
        yield from jinja_problems(before, after)
    elif is_format(before):
        yield from format_problems(before, after)
    else:
        yield from loose_problems(before, after)
    yield from dollar_problems(before, after)
    yield from percent_problems(before, after)
