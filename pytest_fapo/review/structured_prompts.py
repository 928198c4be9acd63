"""Check that valid files stay valid: Python modules, prompts in JSON, YAML or TOML, skill files."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from pytest_fapo.core.candidate import ReviewProblem
from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.core.text import one_line
from pytest_fapo.review.review_subject import EditedText, ReviewSubject
from pytest_fapo.source.text_files import front_matter


def structured_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Yield the reasons why `after` is no longer the document that `before` was; none if `before` did not
    parse.
    """
    parse = _parser(PurePosixPath(path).suffix.lower())
    if parse is None:
        return
    try:
        old = parse(before)
    except ValueError:
        return
    try:
        new = parse(after)
    except (ValueError, RecursionError) as error:
        reason = one_line(str(error))
        yield f"the new text no longer parses ({reason}); keep the file's format."
        return
    if difference := _difference(old, new, ""):
        yield f"{difference}; at this level only the words of the prompts may change."


def _difference(old: Any, new: Any, where: str) -> str:
    """The first difference that is not one of wording; empty where there is none."""
    if isinstance(old, str) and isinstance(new, str):
        return ""
    place = f"the value at {where}" if where else "the document"
    if type(old) is not type(new):
        return f"{place} becomes {type(new).__name__} where it was {type(old).__name__}"
    if isinstance(old, dict):
        if set(old) != set(new):
            return f"the keys of {place} change ({', '.join(sorted(map(str, set(old) ^ set(new))))})"
        return next(
            filter(None, (_difference(old[key], new[key], f"{where}.{key}".strip(".")) for key in old)), ""
        )
    if isinstance(old, list):
        if all(isinstance(item, str) for item in (*old, *new)):
            return ""
        if len(old) != len(new):
            return f"{place} has {len(new)} entries where it had {len(old)}"
        pairs = enumerate(zip(old, new, strict=True))
        return next(filter(None, (_difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)), "")
    return "" if old == new else f"{place} changes from {old!r} to {new!r}"


def _parser(suffix: str) -> Callable[[str], Any] | None:
    if suffix == ".json":
        return json.loads
    if suffix == ".toml":
        loads: Callable[[str], Any] = importlib.import_module(
            "tomllib" if sys.version_info >= (3, 11) else "tomli"
        ).loads
        return loads
    return _yaml() if suffix in (".yaml", ".yml") else None


def _yaml() -> Callable[[str], Any] | None:
    try:
        yaml = importlib.import_module("yaml")
    except ImportError:  # without it the project cannot have loaded this file either
        return None

    def parse(text: str) -> Any:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None

    return parse


_KEY = re.compile(r"^([A-Za-z_][\w-]*):", re.M)

_WORDED = frozenset(("description", "summary", "when_to_use", "when-to-use", "argument-hint"))
"""Keys whose words may change; all others say what the skill is and what it may do."""


def front_matter_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Yield the reasons why an agent would no longer read the file as the same skill.

    Args:
        path: only Markdown files have front matter.
        before: the old text; one without front matter needs none.
        after: the new text.
    """
    old, _ = front_matter(before)
    if not path.lower().endswith((".md", ".mdx", ".markdown")) or old is None:
        return
    new, body = front_matter(after)
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
            yield f"the front matter's {key} is no text any more."
    if added := [key for key in now if key not in was]:
        yield f"the front matter gets a new key {added[0]}; leave it out."


def _read(block: str) -> dict[str, Any]:
    """The block's keys and values; by lines where no YAML library is installed.

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
        raise ValueError("it is no list of keys with values")
    return found or {}


def syntax(subject: ReviewSubject) -> Iterator[ReviewProblem]:
    """The edits can be written into their files, and the files still parse."""
    try:
        subject.store.render(subject.candidate.edits)
    except ArtifactError as error:
        yield ReviewProblem(check="syntax", message=f"{error}.")
        return
    for change in subject.changes:
        for message in _structured(change):
            yield ReviewProblem(check="syntax", message=message, address=change.address)


def _structured(change: EditedText) -> Iterator[str]:
    if change.artifact.kind == "file":
        for message in front_matter_problems(change.artifact.path, change.before, change.after):
            yield f"{change.address}: {message}"
        for message in structured_problems(change.artifact.path, change.before, change.after):
            yield f"{change.address}: {message}"
