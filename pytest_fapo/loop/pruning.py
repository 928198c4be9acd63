"""Remove the parts of accepted edits that nothing depends on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.errors import ArtifactError, BudgetExceeded, EvaluationError, NoAnswer
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.text import one_line
from pytest_fapo.loop.evaluator import Evaluator
from pytest_fapo.loop.events import Note
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.source.patch import edits_between
from pytest_fapo.verdict.candidate_gate import judge_suite
from pytest_fapo.verdict.comparison import newly_failing, newly_passing

MOST_PARTS = 40

ROUNDS = 3
"""Proofs that are tried; what one of them misses is asked for first in the next."""

_BULLET = re.compile(r"\s*(?:[-*•]|\d+[.)])\s")

_HEADING = re.compile(r"\s*#|.*:\s*$")

_FENCE = re.compile(r"\s*(?:```|~~~)")


@dataclass(frozen=True)
class EditPart:
    """Something of an edit that can be left out by itself: a rule that it adds, a passage that it changes."""

    address: str
    number: int
    """Its place in the edit; -1 for the whole edit."""
    text: str

    def __str__(self) -> str:
        said = next((line for line in self.text.splitlines() if line.strip()), "")
        return f"{self.address}: {one_line(said, most=80)}" if said and self.number >= 0 else self.address


@dataclass(frozen=True)
class Pruned:
    """The result of pruning."""

    best: BestTree
    """With fewer rules, or as it was."""
    gone: list[str] = field(default_factory=list)
    """The parts that were left out, one line each."""
    looks: int = 0
    """The number of times the held-out cases were evaluated."""


class Pruner:
    """Leaves out what the accepted edits do not need.

    Args:
        request: the run's; the setting `prune_calls` is the allowance.
        evaluator: runs pytest on smaller trees.
        reference: the user's own tree, evaluated.
    """

    def __init__(self, request: OptimizeRequest, evaluator: Evaluator, reference: Evaluation) -> None:
        self._request = request
        self._evaluator = evaluator
        self._reference = reference
        self._used = 0

    def prune(self, best: BestTree, looks: int) -> Pruned:
        """Return the best tree without parts whose absence loses nothing, proven like any other; else as it
        is.

        Args:
            best: what was accepted.
            looks: how often the held-out cases were checked before.
        """
        setting = self._request.settings.prune_calls
        allowance = _call_count(best.evaluation) if setting is None else setting
        edits = self._edits(best)
        parts = [part for edit in edits for part in parts_of(edit, self._artifact(edit.address))]
        if not allowance or not 2 <= len(parts) <= MOST_PARTS:
            return Pruned(best)
        self._note(f"checking whether all {len(parts)} parts of the accepted edits are needed")
        try:
            return self._smaller(best, edits, parts, allowance, looks)
        except (BudgetExceeded, NoAnswer, EvaluationError) as error:
            self._note(f"the accepted edits are written as they are: {one_line(str(error))}")
            return Pruned(best)

    def _note(self, text: str) -> None:
        self._request.run.journal.tell(Note(text))

    def _smaller(
        self, best: BestTree, edits: list[Edit], parts: list[EditPart], allowance: int, looks: int
    ) -> Pruned:
        gained = newly_passing(self._reference, best.evaluation, best.evaluation.items)
        gained = [nodeid for nodeid in gained if best.evaluation.items[nodeid].split != "holdout"]
        dropped: list[EditPart] = []
        for index, part in enumerate(sorted(parts, key=lambda each: -len(each.text))):
            share = (allowance - self._used) // (len(parts) - index)
            asked = _spread(gained, share // _calls_per_item(best.evaluation))
            if len(dropped) + 1 < len(parts) and asked and self._holds(edits, [*dropped, part], asked):
                dropped.append(part)
        asked_held_out = 0
        for _ in range(ROUNDS):
            if not dropped or looks + asked_held_out >= self._request.settings.holdout_looks:
                break
            files = self._files(edits, dropped)
            if files is None:
                break
            evaluation = self._evaluator.proof(files, self._reference)
            asked_held_out += any(item.split == "holdout" for item in evaluation.items.values())
            lost = self._lost(best, evaluation)
            if lost is None:
                quoted = best.quoted
                counting = evaluation.not_counting(quoted)
                smaller = BestTree(counting, best.candidate, files, quoted, chance=best.chance)
                return Pruned(smaller, [str(part) for part in parts if part in dropped], asked_held_out)
            self._used += _call_count(evaluation)
            visible = [nodeid for nodeid in lost if best.evaluation.items[nodeid].split != "holdout"]
            if not visible or self._used + len(dropped) * len(visible) > allowance:
                break
            dropped = [part for part in dropped if self._holds(edits, [part], visible)]
        return Pruned(best, [], asked_held_out)

    def _edits(self, best: BestTree) -> list[Edit]:
        """Return the edits that make the tree; none where they do not make all of it."""
        edits = edits_between(self._request.snapshot.store, best.files)
        return edits if self._files(edits, []) == best.files else []

    def _artifact(self, address: str) -> Artifact | None:
        try:
            return self._request.snapshot.store.get(address)
        except ArtifactError:
            return None

    def _files(self, edits: Sequence[Edit], dropped: Collection[EditPart]) -> dict[str, bytes] | None:
        """Return the tree without some parts; None where it cannot be written so."""
        try:
            kept = [without(edit, self._artifact(edit.address), dropped) for edit in edits]
            return self._request.snapshot.render([edit for edit in kept if edit is not None])
        except ArtifactError:
            return None

    def _holds(self, edits: Sequence[Edit], dropped: Sequence[EditPart], nodeids: Sequence[str]) -> bool:
        """True if these items still pass without some parts."""
        files = self._files(edits, dropped)
        if files is None:
            return False
        evaluation = self._evaluator.must_pass(files, nodeids)
        self._used += _call_count(evaluation)
        items = evaluation.items
        return evaluation.complete and all(name in items and items[name].passed for name in nodeids)

    def _lost(self, best: BestTree, evaluation: Evaluation) -> list[str] | None:
        """Return the tests that pass only with all parts (none by name if a score fell); None if nothing is
        lost.
        """
        lost = newly_failing(best.evaluation, evaluation, best.evaluation.items)
        policy = self._request.policy
        accepted = judge_suite(self._reference, evaluation, policy=policy, chance=best.chance).accepted
        if lost or not accepted or not evaluation.complete:
            return lost
        falls = any(_falls(name, best.evaluation, evaluation) for name in policy.objectives)
        return [] if falls else None


def parts_of(edit: Edit, artifact: Artifact | None) -> list[EditPart]:
    """Return the parts of an edit, in order: rules and paragraphs of a text, else the edit as a whole."""
    if artifact is None or artifact.kind not in ("file", "constant") or not edit.before.strip():
        return [EditPart(edit.address, -1, edit.after)]
    changed = [block for block in _blocks(edit) if block.changes]
    if len(changed) == 1:
        return [EditPart(edit.address, -1, edit.after)]
    return [EditPart(edit.address, block.number, "".join(block.lines or block.instead)) for block in changed]


def without(edit: Edit, artifact: Artifact | None, dropped: Collection[EditPart]) -> Edit | None:
    """Return an edit without some of its parts; None where nothing of it is left."""
    mine = {part.number for part in dropped if part.address == edit.address}
    if not mine:
        return edit
    numbers = {part.number for part in parts_of(edit, artifact)}
    if numbers <= mine:
        return None
    lines: list[str] = []
    blocks = list(_blocks(edit))
    for block in blocks:
        heads = [other.number for other in blocks if other.heading == block.number]
        gone = block.number in mine or (bool(heads) and mine.issuperset(heads))
        lines += block.instead if gone else block.lines
    after = "".join(lines)
    if not edit.after.endswith("\n"):
        after = after.removesuffix("\n")
    return None if after == edit.before else edit.model_copy(update={"after": after})


@dataclass(frozen=True)
class _Block:
    """Lines of the new text: unchanged, or one part with what stood in its place before."""

    number: int
    lines: list[str]
    instead: list[str]
    changes: bool = True
    heading: int = -1
    """Number of the heading that it is under, which goes with the last of its rules."""


def _blocks(edit: Edit) -> Iterator[_Block]:
    before, after = _text_lines(edit.before), _text_lines(edit.after)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    number = 0
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            yield _Block(number, after[first:last], after[first:last], changes=False)
            number += 1
        elif kind != "insert":
            yield _Block(number, after[first:last], before[start:end])
            number += 1
        else:
            for block in _rules(after[first:last], number):
                yield block
                number = block.number + 1


def _rules(lines: list[str], number: int) -> Iterator[_Block]:
    """Added lines as headings, rules with their further lines, fenced texts and paragraphs."""
    groups: list[list[str]] = []
    fenced = False
    for line in lines:
        last = groups[-1][-1] if groups else ""
        opens = bool(_FENCE.match(line))
        own = not groups or (
            not fenced
            and line.strip()
            and (_BULLET.match(line) or not last.strip() or (_is_heading(last) and not opens))
            and not (line[:1].isspace() and _BULLET.match(groups[-1][0]) and not _BULLET.match(line))
        )
        if own:
            groups.append([line])
        else:
            groups[-1].append(line)
        fenced = fenced != opens
    heading = -1
    for index, group in enumerate(groups):
        following = groups[index + 1][0] if index + 1 < len(groups) else ""
        if _is_heading(group[0]) and _BULLET.match(following):
            heading = number + index
            yield _Block(number + index, group, [], changes=False)
            continue
        if not _BULLET.match(group[0]):
            heading = -1
        yield _Block(number + index, group, [], bool("".join(group).strip()), heading)


def _is_heading(line: str) -> bool:
    return bool(_HEADING.match(line)) and not _BULLET.match(line)


def _text_lines(text: str) -> list[str]:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"  # or the last line would count as changed by every appendix
    return lines


def _call_count(evaluation: Evaluation) -> int:
    """LLM calls of an evaluation, replayed ones too: so that a resumed run leaves out the same."""
    return sum(len(trace.llm_calls) for trace in evaluation.traces.values())


def _calls_per_item(evaluation: Evaluation) -> int:
    return max(1, max((len(trace.llm_calls) for trace in evaluation.traces.values()), default=1))


def _spread(names: Sequence[str], most: int) -> list[str]:
    """So many of the names, evenly spread."""
    if most >= len(names):
        return list(names)
    return [names[index * len(names) // most] for index in range(most)] if most > 0 else []


def _falls(metric: str, before: Evaluation, after: Evaluation) -> bool:
    """True if a graded score of any train or val item is lower than before."""
    pairs = [
        (item.merit(metric), after.items[nodeid].merit(metric))
        for nodeid, item in before.items.items()
        if item.split in ("train", "val") and nodeid in after.items
    ]
    return any(was is not None and (now is None or now < was) for was, now in pairs)
