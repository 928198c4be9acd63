"""Several candidates in one: edits of different pieces, and edits of one text put together by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import combinations, pairwise

from pytest_fapo.models import LEVELS, Candidate, Edit

Change = tuple[int, int, list[str]]
"""First and last line replaced (half open), and what stands there instead."""


def needed_parts(candidates: Sequence[Candidate], gains: Sequence[Mapping[str, float]]) -> list[int]:
    """The fewest candidates that together gain all that all of them gain.

    Where several sets are equally small, the one of cheaper levels and shorter edits is taken.

    Args:
        candidates: those that would be put together.
        gains: for each, what it gains: an item (or an item's score) to the value that it has then.

    Returns:
        their places, in order.
    """
    wanted: dict[str, float] = {}
    for gained in gains:
        for name, value in gained.items():
            wanted[name] = max(value, wanted.get(name, value))
    if not wanted:
        return list(range(len(candidates)))
    reached = [{name for name, value in gained.items() if value >= wanted[name]} for gained in gains]
    prices = [(LEVELS.index(each.level), _size_of(each), place) for place, each in enumerate(candidates)]
    places = range(len(candidates))
    for size in range(1, len(candidates)):
        enough = [
            chosen
            for chosen in combinations(places, size)
            if len(set().union(*(reached[place] for place in chosen))) == len(wanted)
        ]
        if enough:
            return list(min(enough, key=lambda chosen: _price([prices[place] for place in chosen])))
    return list(places)


def _price(parts: Sequence[tuple[int, int, int]]) -> tuple[int, int, list[int]]:
    levels, sizes, places = zip(*parts, strict=True)
    return sum(levels), sum(sizes), list(places)


def _size_of(candidate: Candidate) -> int:
    """How many characters the edits add or take away."""
    return sum(
        sum(
            len(line)
            for _, _, text in _changes(edit.before.splitlines(keepends=True), edit.after)
            for line in text
        )
        + max(0, len(edit.before) - len(edit.after))
        for edit in candidate.edits
    )


def merged(candidates: Sequence[Candidate]) -> Candidate | None:
    """One candidate with the edits of all, built on their common parent.

    Returns:
        None where two of them change the same lines of a text, or the same parameter.
    """
    edits: dict[str, Edit] = {}
    for candidate in candidates:
        for edit in candidate.edits:
            before = edits.get(edit.address)
            if before is None:
                edits[edit.address] = edit
                continue
            text = merged_text(edit.before, before.after, edit.after)
            if before.before != edit.before or text is None:
                return None
            edits[edit.address] = edit.model_copy(update={"after": text})
    first = candidates[0]
    steps = list(dict.fromkeys(candidate.step for candidate in candidates if candidate.step))
    return Candidate(
        parent=first.parent,
        edits=list(edits.values()),
        hypothesis=" ".join(dict.fromkeys(candidate.hypothesis for candidate in candidates)),
        proposer=first.proposer,
        technique=f"merge of {' and '.join(candidate.id for candidate in candidates)}",
        level=max((candidate.level for candidate in candidates), key=LEVELS.index),
        cluster=first.cluster,
        step=" + ".join(steps),
        targets=sorted({nodeid for candidate in candidates for nodeid in candidate.targets}),
        demonstrations=sorted({case for candidate in candidates for case in candidate.demonstrations}),
        merges=[candidate.id for candidate in candidates],
    )


def merged_text(base: str, one: str, other: str) -> str | None:
    """Both changes of `base` in one text; None where they touch the same or neighbouring lines.

    What both add in the same place stands there one after the other.
    """
    if one == other:
        return one
    lines = base.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"  # or the last line would count as changed by every appendix
    first, second = _changes(lines, one), _changes(lines, other)
    both = sorted([*first, *(change for change in second if change not in first)], key=lambda each: each[:2])
    for before, after in pairwise(both):
        same_place = before[0] == before[1] == after[0] == after[1]
        if not same_place and after[0] < max(before[1], before[0] + 1):
            return None
    for start, end, text in reversed(both):
        lines[start:end] = text
    result = "".join(lines)
    return result if one.endswith("\n") or other.endswith("\n") else result.removesuffix("\n")


def _changes(base: Sequence[str], text: str) -> list[Change]:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    matcher = SequenceMatcher(None, list(base), lines, autojunk=False)
    return [
        (start, end, lines[first:last])
        for kind, start, end, first, last in matcher.get_opcodes()
        if kind != "equal"
    ]
