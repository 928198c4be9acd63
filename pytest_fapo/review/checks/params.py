"""A parameter's new value is one JSON value inside its domain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Change, Subject


def params(subject: Subject) -> Iterator[ReviewProblem]:
    """Each edited parameter stays what its domain says."""
    for change in subject.changes:
        if change.artifact.kind == "param" and (message := _wrong(change)):
            yield ReviewProblem(
                check="domain", message=f"{change.address}: {message}", address=change.address
            )


def _wrong(change: Change) -> str:
    try:
        value = json.loads(change.after, parse_constant=_refuse)
    except (ValueError, RecursionError):
        shown = " ".join(change.after.split())[:60]
        return f"{shown!r} is not one JSON value; give the value alone, a text in double quotes."
    domain = change.artifact.domain
    if isinstance(value, (dict, list)):
        return "the new value is a table or list; give one number, text or true/false."
    if domain is None:
        return "nothing says which values it may take; give bounds or choices in [tool.fapo.scope] params."
    if not domain.allows(value):
        return f"{json.dumps(value, ensure_ascii=False)[:60]} is outside of its domain; it may be {domain}."
    if value == json.loads(change.before) and type(value) is type(json.loads(change.before)):
        return "the new value is the old one."
    return ""


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
