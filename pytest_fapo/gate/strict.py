"""The policy `strict`: the targeted failures shrink, and nothing that passed before fails anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_fapo.gate.compare import change, newly_failing, newly_passing, of_split
from pytest_fapo.models import Candidate, Evaluation, Split, SplitChange, Verdict

SUITE = "suite"
"""Name of the proof's first stage: everything but the held-out cases."""


def judge_cases(candidate: Candidate, before: Evaluation, after: Evaluation) -> Verdict:
    """Judge a candidate on the train and val cases, in the order in which the stages ran.

    Args:
        candidate: names the items that it is meant to mend.
        before: the parent's evaluation.
        after: the candidate's; it may have been dropped after a stage.

    Returns:
        A verdict whose `accepted` means: fit to be proven on the whole suite.
    """
    targeted = newly_passing(before, after, candidate.targets)
    if not targeted:
        broken = newly_failing(before, after, _run(after, of_split(before, "train")))
        reason = f"none of the cases that it targets passes now{_common_error(candidate, after)}"
        return _rejected("targeted", reason, broken=broken)
    train = _judge_train(candidate, before, after)
    if train is not None:
        return train
    return _judge_val(before, after) or _verdict(before, after, ("train", "val"))


def _judge_train(candidate: Candidate, before: Evaluation, after: Evaluation) -> Verdict | None:
    nodeids = of_split(before, "train")
    if after.dropped_at == "targeted":
        return _rejected("targeted", "too few of the cases that it targets pass now")
    fixed = newly_passing(before, after, nodeids)
    broken = newly_failing(before, after, nodeids)
    score = change(before, after, "train")
    if broken:
        reason = f"{_count(len(broken), 'train test')} that passed before {_fail(len(broken))} now"
        return _rejected("train", reason, fixed=fixed, broken=broken, train=(score.before, score.after))
    if (score.after or 0.0) <= (score.before or 0.0):
        return _rejected("train", "the train score did not rise", train=(score.before, score.after))
    return None


def _judge_val(before: Evaluation, after: Evaluation) -> Verdict | None:
    broken = newly_failing(before, after, of_split(before, "val"))
    verdict = _verdict(before, after, ("train", "val"))
    val = verdict.splits["val"]
    reason = ""
    if broken:
        reason = f"{_count(len(broken), 'val test')} that passed before {_fail(len(broken))} now"
    elif val.before is not None and (val.after or 0.0) < val.before:
        reason = "the val score fell"
    if not reason:
        return None
    return verdict.model_copy(update={"accepted": False, "stage": "val", "reason": reason})


def judge_suite(before: Evaluation, after: Evaluation) -> Verdict:
    """Judge the proof: the whole suite with the held-out cases, in a fresh interpreter.

    Held-out items that broke are counted, never named.
    """
    looked = after.dropped_at != SUITE and bool(of_split(before, "holdout"))
    verdict = _verdict(before, after, ("train", "val", "holdout") if looked else ("train", "val"))
    hidden = newly_failing(before, after, of_split(before, "holdout")) if looked else []
    open_items = [nodeid for nodeid, item in before.items.items() if item.split != "holdout"]
    broken = newly_failing(before, after, open_items)
    update: dict[str, object] = {"stage": "suite", "broken": broken, "broken_hidden": len(hidden)}
    if not after.complete and not after.dropped_at:
        update |= {"accepted": False, "reason": f"the whole suite did not run to its end: {after.stopped}"}
    elif broken:
        names = ", ".join(broken[:2]) + (f" and {len(broken) - 2} more" if len(broken) > 2 else "")
        update |= {"accepted": False, "reason": f"broke what passed before: {names}"}
    elif hidden:
        update |= {"accepted": False, "reason": "held-out cases that passed before fail now"}
    elif after.dropped_at:
        update |= {"accepted": False, "reason": f"the evaluation was dropped at {after.dropped_at}"}
    return verdict.model_copy(update=update)


def _verdict(before: Evaluation, after: Evaluation, splits: Sequence[Split]) -> Verdict:
    seen = [nodeid for nodeid, item in before.items.items() if item.split in ("train", "val")]
    fixed = newly_passing(before, after, seen)
    return Verdict(
        accepted=True,
        reason=f"{_count(len(fixed), 'test')} fixed, nothing broken",
        stage="val",
        splits={split: change(before, after, split) for split in splits},
        fixed=fixed,
        broken=newly_failing(before, after, seen),
    )


def _rejected(
    stage: str,
    reason: str,
    *,
    fixed: Sequence[str] = (),
    broken: Sequence[str] = (),
    train: tuple[float | None, float | None] | None = None,
) -> Verdict:
    splits: dict[Split, SplitChange] = {}
    if train is not None:
        splits["train"] = SplitChange(before=train[0], after=train[1])
    return Verdict(
        accepted=False, reason=reason, stage=stage, splits=splits, fixed=list(fixed), broken=list(broken)
    )


def _common_error(candidate: Candidate, after: Evaluation) -> str:
    """The exception that most targeted cases end in, where it is no failed assertion."""
    items = [after.items[nodeid] for nodeid in candidate.targets if nodeid in after.items]
    errors = Counter(
        item.error_type for item in items if item.error_type not in ("", "AssertionError", "Failed")
    )
    if not errors or 2 * errors.most_common(1)[0][1] < len(items):
        return ""
    kind, number = errors.most_common(1)[0]
    said = next(item.explanation for item in items if item.error_type == kind)
    first = said.split("\n", 1)[0][:160]
    return f": {number} of {len(items)} ended in {first if kind in first else f'{kind}: {first}'}"


def _run(after: Evaluation, nodeids: Sequence[str]) -> list[str]:
    """Those that the evaluation got to: a dropped one has no verdict on the rest."""
    return [nodeid for nodeid in nodeids if nodeid in after.items]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _fail(number: int) -> str:
    return "fails" if number == 1 else "fail"
