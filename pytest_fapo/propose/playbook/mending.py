"""A blocked candidate without the rules that were objected to."""

from __future__ import annotations

import difflib
import re

from pytest_fapo.models import Candidate, Edit, Review, ReviewProblem
from pytest_fapo.reading.values import normal

_QUOTED = re.compile(r"'([^']{3,})'|\"([^\"]{3,})\"|`([^`]{3,})`|“([^”]{3,})”")


def without_problems(candidate: Candidate, review: Review) -> Candidate | None:
    """Drop the added lines that a problem names or quotes; None where there are none, or no others."""
    problems = [problem for problem in review.problems if problem.blocks]
    edits = [_mended(edit, problems) for edit in candidate.edits]
    if any(edit is None for edit in edits):
        return None
    return candidate.model_copy(update={"edits": [edit for edit in edits if edit is not None], "id": ""})


def _mended(edit: Edit, problems: list[ReviewProblem]) -> Edit | None:
    quoted = [
        next(group for group in match.groups() if group)
        for problem in problems
        if problem.address in ("", edit.address)
        for match in _QUOTED.finditer(problem.message)
    ]
    told = {number - 1 for problem in problems if problem.address == edit.address for number in problem.lines}
    if not quoted and not told:
        return None
    lines = edit.after.splitlines(keepends=True)
    added = added_lines(edit)
    bad = {
        number
        for number in added
        if number in told or any(normal(text) in normal(lines[number]) for text in quoted)
    }
    rules = {number for number in added if re.match(r"\s*[-*•] ", lines[number])}
    if not bad or not rules - bad:
        return None
    after = "".join(line for number, line in enumerate(lines) if number not in bad)
    return None if after == edit.before else edit.model_copy(update={"after": after})


def added_lines(edit: Edit) -> set[int]:
    """Numbers of the lines of the new text that the old one did not have."""
    matcher = difflib.SequenceMatcher(a=edit.before.splitlines(), b=edit.after.splitlines(), autojunk=False)
    return {
        number
        for tag, _, _, start, end in matcher.get_opcodes()
        if tag in ("insert", "replace")
        for number in range(start, end)
    }
