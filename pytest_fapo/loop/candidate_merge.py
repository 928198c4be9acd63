"""Merge several candidates into one, and keep the rejected ones that are worth merging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import combinations, pairwise

from pytest_fapo.core.candidate import Attempt, Candidate, Edit
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import LEVELS, Level
from pytest_fapo.core.text import listing

LineChange = tuple[int, int, list[str]]
"""First and last line replaced (half open), and what is there instead."""


def needed_parts(candidates: Sequence[Candidate], gains: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the fewest candidates that together gain all that all of them gain.

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
    prices = [(LEVELS.index(each.level), _size_of(each), index) for index, each in enumerate(candidates)]
    positions = range(len(candidates))
    for size in range(1, len(candidates)):
        enough = [
            chosen
            for chosen in combinations(positions, size)
            if len(set().union(*(reached[index] for index in chosen))) == len(wanted)
        ]
        if enough:
            return list(min(enough, key=lambda chosen: _price([prices[index] for index in chosen])))
    return list(positions)


def _price(parts: Sequence[tuple[int, int, int]]) -> tuple[int, int, list[int]]:
    levels, sizes, positions = zip(*parts, strict=True)
    return sum(levels), sum(sizes), list(positions)


def _size_of(candidate: Candidate) -> int:
    """Return the number of characters that the edits add or take away."""
    return sum(
        sum(
            len(line)
            for _, _, text in _line_changes(edit.before.splitlines(keepends=True), edit.after)
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
    """Both changes of `base` in one text; None where they touch the same or neighboring lines.

    What both add in the same place is there one after the other.
    """
    if one == other:
        return one
    lines = base.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"  # or the last line would count as changed by every appendix
    first, second = _line_changes(lines, one), _line_changes(lines, other)
    both = sorted([*first, *(change for change in second if change not in first)], key=lambda each: each[:2])
    for before, after in pairwise(both):
        same_place = before[0] == before[1] == after[0] == after[1]
        if not same_place and after[0] < max(before[1], before[0] + 1):
            return None
    for start, end, text in reversed(both):
        lines[start:end] = text
    result = "".join(lines)
    return result if one.endswith("\n") or other.endswith("\n") else result.removesuffix("\n")


def _line_changes(base: Sequence[str], text: str) -> list[LineChange]:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    matcher = SequenceMatcher(None, list(base), lines, autojunk=False)
    return [
        (start, end, lines[first:last])
        for kind, start, end, first, last in matcher.get_opcodes()
        if kind != "equal"
    ]


def rejected_together(attempts: Sequence[Attempt], parent: str, level: Level) -> Candidate | None:
    """Return the best rejected edit of each step in one candidate; None where there are no two.

    Two steps that must both be right hide each other's gain: either edit alone shows nothing. Where all edits
    were proposed for one step, they are told apart by the texts that they change.

    Args:
        attempts: all that was tried.
        parent: the tree that the edits were tried on.
        level: the highest level of the edits.
    """
    tried = [attempt for attempt in attempts if _showed_nothing(attempt, parent, level)]
    parts = _best_of(tried, lambda candidate: candidate.step)
    if len(parts) < 2:
        parts = _best_of(tried, lambda candidate: candidate.edits[0].address)
    together = merged(parts) if len(parts) > 1 else None
    if together is None:
        return None
    why = f"Each of {listing(parts_named(parts))} may have to be right for a case to pass."
    return together.model_copy(update={"hypothesis": f"{why} Alone no edit of them shows a gain."})


def parts_named(parts: Sequence[Candidate]) -> list[str]:
    """Return the steps of candidates, or where those are one, the texts that they change."""
    steps = list(dict.fromkeys(candidate.step for candidate in parts))
    return steps if len(steps) > 1 else [candidate.edits[0].address for candidate in parts]


def _showed_nothing(attempt: Attempt, parent: str, level: Level) -> bool:
    candidate, verdict = attempt.candidate, attempt.verdict
    below = LEVELS[: LEVELS.index(level) + 1]
    alone = not candidate.merges and not candidate.joint
    ran = verdict.credit is not None and not (verdict.accepted or verdict.kept or verdict.inert)
    return ran and alone and candidate.parent == parent and candidate.level in below and not verdict.broken


def _best_of(attempts: Sequence[Attempt], key: Callable[[Candidate], str]) -> list[Candidate]:
    """For each key the attempt whose targets came nearest to passing, the first of equals."""
    best: dict[str, Attempt] = {}
    for attempt in attempts:
        known = best.get(key(attempt.candidate))
        if known is None or (attempt.verdict.credit or 0.0) > (known.verdict.credit or 0.0):
            best[key(attempt.candidate)] = attempt
    return [attempt.candidate for attempt in best.values()]


POOL_SIZE = 8
"""Entries; the front of a small train split is small, that of a large one is cut to the best."""


@dataclass(frozen=True)
class PoolEntry:
    """A rejected candidate and the train items that pass with it."""

    candidate: Candidate
    passing: frozenset[str]
    fixed: frozenset[str]
    """Items of `passing` that failed on its parent."""
    broken: frozenset[str]
    """Items that passed on its parent and fail with it."""


@dataclass
class CandidatePool:
    """Rejected candidates of which none is better on every train case than another.

    GEPA (arXiv 2507.19457) keeps such a front to choose parents from; here it gives what a later best tree
    may be able to use: edits that fixed cases and broke others, and pairs that make up for each other.
    """

    entries: list[PoolEntry] = field(default_factory=list)

    def add(self, attempt: Attempt, before: Evaluation, after: Evaluation) -> None:
        """Keep a candidate that fixed something, unless another one fixes the same and more."""
        if attempt.verdict.accepted or attempt.verdict.inert or not attempt.candidate.edits:
            return
        train = [item.nodeid for item in before.in_split("train") if item.nodeid in after.items]
        passing = frozenset(nodeid for nodeid in train if after.items[nodeid].passed)
        was = frozenset(nodeid for nodeid in train if before.items[nodeid].passed)
        entry = PoolEntry(attempt.candidate, passing, passing - was, was - passing)
        if not entry.fixed or any(entry.passing <= other.passing for other in self.entries):
            return
        self.entries = [other for other in self.entries if not other.passing < entry.passing]
        self.entries.append(entry)
        self.entries.sort(key=lambda each: (-len(each.passing), each.candidate.id))
        del self.entries[POOL_SIZE:]

    def prune(self, best: Evaluation) -> None:
        """Drop what fixes nothing that the new best tree does not fix itself."""
        failing = {item.nodeid for item in best.in_split("train") if not item.passed}
        self.entries = [entry for entry in self.entries if entry.fixed & failing]

    def pairs(self) -> Iterator[Candidate]:
        """Two entries in one where each fixes what the other breaks or leaves; most fixed cases first."""
        ranked = []
        for one, other in combinations(self.entries, 2):
            gain = len(one.fixed | other.fixed)
            if gain <= max(len(one.fixed), len(other.fixed)) or one.broken & other.broken:
                continue
            if one.candidate.parent == other.candidate.parent:
                ranked.append((-gain, one, other))
        for _, one, other in sorted(ranked, key=lambda each: each[0]):
            together = merged([one.candidate, other.candidate])
            if together is not None:
                yield together
