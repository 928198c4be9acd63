"""The state of the search: the best tree so far, and the memory of everything that was tried."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pytest_fapo.core.candidate import Attempt, Candidate, Edit
from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import SPLITS, Split, text_digest
from pytest_fapo.verdict.comparison import Chance
from pytest_fapo.verdict.low_scores import lowest_items
from pytest_fapo.verdict.policy import GatePolicy


def fingerprint(candidate: Candidate) -> str:
    """Equal for candidates whose edits differ in white space, code layout, comments or JSON spelling only."""
    return fingerprint_of(candidate.edits)


def fingerprint_of(edits: Sequence[Edit]) -> str:
    """Return the same of edits."""
    parts = sorted(
        (edit.address, _core_text(edit.address, edit.before), _core_text(edit.address, edit.after))
        for edit in edits
    )
    return text_digest(json.dumps(parts))


@lru_cache(maxsize=1024)  # every new candidate is compared with all earlier ones
def _core_text(address: str, text: str) -> str:
    path, _, name = address.partition("::")
    if name and path.endswith(".py"):
        code = _code_form(text)
        if code is not None:
            return code
    if name:
        try:
            return json.dumps(json.loads(text))  # in its own order: models answer in that of a schema
        except ValueError:
            pass
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def _code_form(text: str) -> str | None:
    """Return the syntax tree of a function's source; None for a constant's plain text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return ast.dump(tree) if defined else None


@dataclass
class BestTree:
    """The best tree so far: the user's own, or an accepted candidate's."""

    evaluation: Evaluation
    candidate: str = ""
    """Id of the accepted candidate; empty for the user's own tree."""
    files: dict[str, bytes] = field(default_factory=dict)
    """All that differs from the user's files."""
    quoted: frozenset[str] = frozenset()
    """Ids of the train cases that its prompts quote as examples; they count in no train score."""
    chance: Chance = frozenset()
    """Changes since the user's own tree that fresh samples have shown to be luck."""
    compared: Evaluation = None  # type: ignore[assignment]
    """The evaluation that a candidate is compared with: as `evaluation`, but tests that failed by chance as
    before.
    """
    turn: int = 0
    """The fold that is its `val`, where there are folds."""

    def __post_init__(self) -> None:
        if self.compared is None:
            self.compared = self.evaluation

    def lost_by_luck(self) -> frozenset[str]:
        """Return the tests that fail in the evaluation and pass when they are asked again."""
        return frozenset(name for metric, name in self.chance if not metric)

    def scores(self) -> dict[Split, float | None]:
        return {split: self.evaluation.score(split) for split in SPLITS}

    def failing(self) -> list[ItemResult]:
        return [item for item in self.evaluation.items.values() if item.counts and not item.passed]

    def passes(self, target: float | None) -> bool:
        """True if no test fails any more, or every split with cases has reached the target."""
        scores = [score for score in self.scores().values() if score is not None]
        reached = target is not None and bool(scores) and min(scores) >= target
        return reached or not self.failing()

    def reaches(self, target: float | None, policy: GatePolicy) -> bool:
        """True if there is nothing left to reach: as `passes`, and no objective is low."""
        return self.passes(target) and not (policy.objectives and lowest_items(self.evaluation, policy))


@dataclass
class Memory:
    """Everything that was tried, in order."""

    attempts: list[Attempt] = field(default_factory=list)
    _ids: int = 0
    pruning_looks: int = 0
    """The number of held-out evaluations of the accepted edits with fewer rules."""

    @property
    def looks(self) -> int:
        """The number of times the held-out cases were evaluated."""
        asked = sum("holdout" in attempt.verdict.splits for attempt in self.attempts)
        return asked + self.pruning_looks

    def next_id(self) -> str:
        """`c1`, `c2` …, each once."""
        self._ids += 1
        return f"c{self._ids}"

    @property
    def without_verdict(self) -> list[str]:
        """Ids that were given to candidates of which nothing is remembered yet."""
        judged = {attempt.candidate.id for attempt in self.attempts}
        return [name for number in range(self._ids) if (name := f"c{number + 1}") not in judged]

    def known(self, candidate: Candidate) -> bool:
        """True if an equivalent edit was judged already, on whichever tree, for at least the same items."""
        same = fingerprint(candidate)
        return any(
            attempt.covers(candidate)
            or (
                attempt.replaced
                and fingerprint_of(attempt.replaced) == same
                and candidate.joint <= attempt.candidate.joint
            )
            or (fingerprint(attempt.candidate) == same and attempt.holds_for(candidate))
            for attempt in self.attempts
        )

    def judged_on(self, candidate: Candidate) -> bool:
        """True if an equivalent edit was judged on the very tree that the candidate builds on."""
        same = fingerprint(candidate)
        return any(
            attempt.candidate.parent == candidate.parent and fingerprint(attempt.candidate) == same
            for attempt in self.attempts
        )

    def second_chances(self, best: str) -> list[Candidate]:
        """Edits that brought nothing on an earlier tree and were not tried on this one.

        What was accepted since may have fixed the step that hid their effect.

        Args:
            best: id of the present best candidate.
        """
        last = {attempt.candidate.edits_digest: attempt for attempt in self.attempts}
        return [
            attempt.candidate
            for attempt in last.values()
            if attempt.verdict.stage == "targeted"
            and not attempt.verdict.inert
            and attempt.candidate.parent != best
        ]

    @property
    def accepted(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.verdict.accepted]

    @property
    def evaluated(self) -> int:
        return sum(attempt.verdict.stage != "review" for attempt in self.attempts)


def every_case(evaluations: list[Evaluation]) -> list[Case]:
    """Return all known cases of all splits, each once; for the review's leakage check only."""
    cases: dict[tuple[str, str], Case] = {}  # one file may be read with labels and without
    for evaluation in evaluations:
        for case in evaluation.cases.values():
            cases.setdefault((case.key, case.origin), case)
    return list(cases.values())
