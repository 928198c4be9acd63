"""Placeholders are neither dropped nor invented, and the template still renders."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Change, Subject
from pytest_fapo.review.templates import template_problems, with_placeholders

_FILLING = frozenset(("format", "render", "substitute", "safe_substitute"))


def placeholders(subject: Subject) -> Iterator[ReviewProblem]:
    """The new text can be filled in by the code that fills in the old one, as the candidate leaves it."""
    filled = _filled(subject)
    for change in subject.changes:
        if change.artifact.level != "prompt":
            continue
        before = with_placeholders(change.artifact.path, change.before, change.after, filled)
        for message in template_problems(change.artifact.path, before, change.after):
            yield ReviewProblem(
                check="placeholders", message=f"{change.address}: {message}", address=change.address
            )


def _filled(subject: Subject) -> set[str]:
    """Names that the candidate's functions fill in, by `.format(name=…)` and the like, or by `.replace`."""
    return {name for change in subject.changes for name in _names(change)}


def _names(change: Change) -> Iterator[str]:
    if change.artifact.kind != "function":
        return
    try:
        tree = ast.parse(change.after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _FILLING:
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)
            elif node.func.attr == "replace" and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value).strip("{}$<>[] ")
