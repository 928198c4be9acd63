"""Where the loop stands: the best tree so far, and the memory of everything that was tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_fapo.models import (
    SPLITS,
    Attempt,
    Candidate,
    Case,
    Evaluation,
    EvidenceCase,
    ItemResult,
    Split,
    Verdict,
)


@dataclass
class Best:
    """The best tree so far: the user's own, or an accepted candidate's."""

    evaluation: Evaluation
    candidate: str = ""
    """Id of the accepted candidate; empty for the user's own tree."""
    files: dict[str, bytes] = field(default_factory=dict)
    """All that differs from the user's files."""

    def scores(self) -> dict[Split, float | None]:
        return {split: self.evaluation.score(split) for split in SPLITS}

    def failing(self) -> list[ItemResult]:
        return [item for item in self.evaluation.items.values() if item.counts and not item.passed]

    def reaches(self, target: float | None) -> bool:
        """Whether nothing fails any more, or every split with cases has reached the target."""
        if not self.failing():
            return True
        scores = [score for score in self.scores().values() if score is not None]
        return target is not None and bool(scores) and min(scores) >= target


@dataclass
class Memory:
    """Everything that was tried, in order."""

    attempts: list[Attempt] = field(default_factory=list)

    @property
    def looks(self) -> int:
        """How often the held-out cases were asked."""
        return sum("holdout" in attempt.verdict.splits for attempt in self.attempts)

    def next_id(self) -> str:
        return f"c{len(self.attempts) + 1}"

    def known(self, candidate: Candidate) -> bool:
        """Whether an equivalent edit was judged already, on whichever tree, for at least the same items."""
        return any(attempt.covers(candidate) for attempt in self.attempts)

    def second_chances(self, best: str) -> list[Candidate]:
        """Edits that brought nothing on an earlier tree and were not tried on this one.

        What was accepted since may have mended the step that hid their effect.

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


def train_evidence(evaluation: Evaluation, pipeline: str) -> list[EvidenceCase]:
    """The train cases of a pipeline as proposers may see them; no other split ever leaves here."""
    found = []
    for nodeid, item in evaluation.items.items():
        case = evaluation.cases.get(nodeid)
        if item.split != "train" or item.pipeline != pipeline or case is None or not item.counts:
            continue
        assert case.split == "train"
        found.append(
            EvidenceCase(
                case=case,
                nodeid=nodeid,
                passed=item.passed,
                explanation=item.explanation,
                feedback=item.feedback,
                trace=evaluation.trace_of(item),
            )
        )
    return found


def every_case(evaluations: list[Evaluation]) -> list[Case]:
    """All known cases of all splits, each once; for the review's leakage check only."""
    found: dict[tuple[str, str], Case] = {}
    for evaluation in evaluations:
        for case in evaluation.cases.values():
            found.setdefault((case.id, case.origin), case)
    return list(found.values())


def visible(attempts: list[Attempt]) -> list[Attempt]:
    """The memory as proposers may see it: nothing of single val or held-out cases.

    Of val a count remains; of the held-out cases the one bit that the verdict's reason states.
    """
    return [attempt.model_copy(update={"verdict": _blind(attempt)}) for attempt in attempts]


def _blind(attempt: Attempt) -> Verdict:
    verdict = attempt.verdict
    known = set(attempt.candidate.targets)
    splits = {split: value for split, value in verdict.splits.items() if split != "holdout"}
    train_only = verdict.stage in ("targeted", "train")
    return verdict.model_copy(
        update={
            "splits": splits,
            "fixed": [nodeid for nodeid in verdict.fixed if nodeid in known],
            "broken": verdict.broken if train_only else [],
            "broken_hidden": 0,
        }
    )
