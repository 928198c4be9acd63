"""Check that edits can be written into their files, and that skill files stay skills."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.text import one_line
from pytest_fapo.review.review_subject import ReviewSubject
from pytest_fapo.source.text_files import FRONT_MATTER, front_matter

_KEY = re.compile(r"^([A-Za-z_][\w-]*):", re.M)

_WORDED = frozenset(("description", "summary", "when_to_use", "when-to-use", "argument-hint"))
"""Keys whose words may change; all others say what the skill is and what it may do."""


def front_matter_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Yield the reasons why an agent would no longer read the file as the same skill.

    Args:
        path: the file's; not every kind of text has front matter.
        before: the old text; one without front matter needs none.
        after: the new text.
    """
    old = front_matter(before).head
    if not path.lower().endswith(FRONT_MATTER) or old is None:
        return
    new, body = front_matter(after)[:2]
    if new is None:
        yield "the new text lacks the front matter; keep the block between the lines of --- at its beginning."
        return
    try:
        was, now = _read(old), _read(new)
    except ValueError as error:
        yield f"the front matter no longer parses ({error}); keep its form."
        return
    if not body.strip():
        yield "the new text has front matter and nothing else."
    for key in was:
        if key not in now:
            yield f"the front matter drops {key}; keep it."
        elif key not in _WORDED and was[key] != now[key]:
            yield f"the front matter changes {key}; at this level only its descriptions may change."
        elif key in _WORDED and not (isinstance(now[key], str) and now[key].strip()):
            yield f"the front matter's {key} is no longer text."
    if added := [key for key in now if key not in was]:
        yield f"the front matter gets a new key {added[0]}; leave it out."


def _read(block: str) -> dict[str, Any]:
    """Return the block's keys and values; by lines where no YAML library is installed.

    Raises:
        ValueError: it is not a mapping.
    """
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:
        parts = _KEY.split(block)
        return {key: value.strip() for key, value in zip(parts[1::2], parts[2::2], strict=True)}
    try:
        found = yaml.safe_load(block)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(one_line(str(error), most=200)) from None
    if found is not None and not isinstance(found, dict):
        raise ValueError("it is not a list of keys with values")
    return found or {}


def syntax(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """The edits can be written into their files, and front matter stays what it was."""
    try:
        subject.store.render(subject.candidate.edits)
    except ArtifactError as error:
        yield ReviewProblem(check="syntax", message=f"{error}.")
        return
    for change in subject.changes:
        if change.artifact.kind == "file":
            for message in front_matter_problems(change.artifact.path, change.before, change.after):
                yield ReviewProblem(
                    check="syntax", message=f"{change.address}: {message}", address=change.address
                )
