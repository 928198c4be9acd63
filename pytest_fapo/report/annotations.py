"""Remarks that a code host shows beside the line concerned, and how GitHub Actions is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pytest_fapo.models import Record
from pytest_fapo.report.terminal import shown

AnnotationLevel = Literal["error", "warning", "notice"]

LIMIT = 10
"""Annotations of one level that GitHub shows of one step; the rest it drops silently."""
_MESSAGE_CHARS = 4_000
"""GitHub cuts a message at 4 KB, which are fewer characters where they are not ASCII; cut is cut."""


class Annotation(Record):
    """One remark about one line of a file."""

    level: AnnotationLevel
    check: str
    """What kind of remark it is: `regression`, `floor`, `new-case` …"""
    title: str
    message: str
    path: str = ""
    """Relative to the top of the repository, POSIX; empty where no file is concerned."""
    line: int = 0
    """From 1; 0 where none is known."""
    key: str = ""
    """What the remark is about, whatever its words and line: a node id, a path."""


def github_lines(annotations: Iterable[Annotation]) -> list[str]:
    """Workflow commands for GitHub Actions, at most ten of each level; the last of ten says how many follow.

    Args:
        annotations: most important first.
    """
    ordered = list(annotations)
    totals = Counter(annotation.level for annotation in ordered)
    given: Counter[str] = Counter()
    lines = []
    for annotation in ordered:
        level = annotation.level
        given[level] += 1
        if given[level] > LIMIT:
            continue
        left = totals[level] - LIMIT
        more = f"\n… and {left:,} more, see the summary" if given[level] == LIMIT and left > 0 else ""
        lines.append(_command(annotation, more))
    return lines


def _command(annotation: Annotation, more: str) -> str:
    properties = []
    if annotation.path:
        properties.append(f"file={_property(annotation.path)}")
        if annotation.line:
            properties.append(f"line={annotation.line}")
    properties.append(f"title={_property(annotation.title)}")
    return f"::{annotation.level} {','.join(properties)}::{_data(annotation.message[:_MESSAGE_CHARS] + more)}"


def _data(text: str) -> str:
    """The escapes of a workflow command's message; control characters are shown, line breaks kept."""
    plain = shown(text.replace("\r\n", "\n"))
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
