"""Skill files: Markdown that begins with a block of YAML between two lines of `---`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

_BLOCK = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.S | re.M)
_KEY = re.compile(r"^([A-Za-z_][\w-]*):", re.M)
_WORDED = frozenset(("description", "summary", "when_to_use", "when-to-use", "argument-hint"))
"""Keys whose words may change; all others say what the skill is and what it may do."""


def front_matter_problems(path: str, before: str, after: str) -> Iterator[str]:
    """Why an agent would no longer read the file as the same skill.

    Args:
        path: only Markdown files have front matter.
        before: the old text; one without front matter needs none.
        after: the new text.
    """
    old = _BLOCK.match(before)
    if not path.lower().endswith((".md", ".mdx", ".markdown")) or old is None:
        return
    new = _BLOCK.match(after)
    if new is None:
        yield "the new text lacks the front matter; keep the block between the lines of --- at its beginning."
        return
    try:
        was, now = _read(old[1]), _read(new[1])
    except ValueError as error:
        yield f"the front matter no longer parses ({error}); keep its form."
        return
    if not after[new.end() :].strip():
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
        raise ValueError(" ".join(str(error).split())[:200]) from None
    if found is not None and not isinstance(found, dict):
        raise ValueError("it is no list of keys with values")
    return found or {}
