"""Template languages: what a text leaves to be filled in, and whether it still can be."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pytest_fapo.review.templates.braces import format_problems, is_format, loose_problems
from pytest_fapo.review.templates.jinja import is_jinja, jinja_problems
from pytest_fapo.review.templates.signs import dollar_problems, percent_problems

__all__ = ["template_problems", "with_placeholders"]


def with_placeholders(path: str, before: str, after: str, names: Set[str]) -> str:
    """`before` with the placeholders of `after` that `names` fill: those are no inventions.

    Args:
        path: the prompt's file.
        before: its old text; empty for a new file.
        after: its new text.
        names: what the code of the same candidate fills in.
    """
    found = [name for name in sorted(names) if name.isidentifier()]
    if is_jinja(path, before or after):
        forms = ["{{ %s }}"]
    else:
        forms = ["{%s}", "{{%s}}"] if not before and not is_format(after) else ["{%s}"]
        forms += ["$%s", "${%s}", "%%(%s)s"]
    new = [form % name for name in found for form in forms]
    joined = "".join(after.split())
    missing = [text for text in new if text not in before and "".join(text.split()) in joined]
    return "\n".join([before, *missing]) if missing else before


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
