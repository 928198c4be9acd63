"""The gate of the loop: is a candidate worth proving, and has it passed its proof?

`judge_cases` asks the first on train and val, `judge_suite` the second on the full suite and the
held-out cases.

Code that fits train only is rejected: its gains there are compared with those on cases that its author has
not seen. A table of answers or a condition on the words of failing cases is no break-in, and no reader can
tell it for sure from a rule. But it fixes the cases that it was made from, and not their neighbors in the
other splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_fapo.core.candidate import Candidate, MetricChange, Verdict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Split
from pytest_fapo.verdict import reasons
from pytest_fapo.verdict.comparison import (
    Chance,
    Comparison,
    Unit,
    aim_differences,
    compare,
    nodeids_of,
)
from pytest_fapo.verdict.policies import (
    broken_tests,
    held_out_loss,
    metric_loss,
    pass_rate_rose,
    rules_of,
    train_figures,
)
from pytest_fapo.verdict.policy import GatePolicy
from pytest_fapo.verdict.statistics import fewer_than_chance

SUITE = "suite"
"""Name of the proof's first stage: everything but the held-out cases."""

STRICT = GatePolicy()


def judge_cases(
    candidate: Candidate,
    before: Evaluation,
    after: Evaluation,
    *,
    policy: GatePolicy = STRICT,
    chance: Chance = frozenset(),
) -> Verdict:
    """Judge a candidate on the train and val cases, in the order in which the stages ran.

    Args:
        candidate: names the items that it is meant to fix.
        before: the parent's evaluation.
        after: the candidate's; it may have been dropped after a stage.
        policy: how to decide.
        chance: changes that fresh samples have shown to be chance.

    Returns:
        A verdict whose `accepted` means: fit to be proven on the full suite.
    """
    # What a prompt quotes proves nothing.
    comparison = compare(before.not_counting(candidate.demonstrations), after, chance=chance)
    rejected = _judge_targets(candidate, comparison, policy)
    if rejected is not None:
        return rejected
    rules = rules_of(policy)
    splits: list[Split] = ["train"]
    reason = rules.gain(comparison) or metric_loss(comparison, "train", policy)
    if not reason:
        splits.append("val")
        reason = rules.loss(comparison, "val") or metric_loss(comparison, "val", policy)
        reason = reason or overfitting(candidate, comparison, ["val"])
    made = _verdict(
        comparison, comparison.units, splits=splits, stage=splits[-1], policy=policy, reason=reason
    )
    return _with_figures(made, comparison, policy)


def judge_suite(
    before: Evaluation,
    after: Evaluation,
    *,
    policy: GatePolicy = STRICT,
    chance: Chance = frozenset(),
    candidate: Candidate | None = None,
) -> Verdict:
    """Judge the proof: the full suite with the held-out cases, in a fresh interpreter.

    Under every policy a test without a case that passed before must pass. Held-out items that broke are
    counted, never named. Of a single candidate it is also asked whether its gains hold beyond train.
    """
    comparison = compare(before, after, chance=chance)
    looked = after.dropped_at != SUITE and bool(nodeids_of(before, "holdout"))
    splits: list[Split] = ["train", "val", "holdout"] if looked else ["train", "val"]
    broken = broken_tests(comparison.units, ("train", "val", None) if policy.one_case_decides else (None,))
    reason, hidden = "", 0
    if not after.complete and not after.dropped_at:
        reason = reasons.suite_stopped(after.stopped)
    elif broken:
        reason = reasons.broke_tests(broken)
    if looked and not broken:
        held_out, hidden = held_out_loss(comparison, policy)
        reason = reason or held_out
    if not reason and after.dropped_at:
        reason = reasons.dropped(after.dropped_at)
    if not reason and policy.objectives:  # a part of the edits, or all in a new interpreter, may do worse
        losses = (rules_of(policy).loss(comparison, split) for split in ("train", "val"))
        reason = next(filter(None, losses), "")
    if not reason and looked and candidate is not None:
        reason = overfitting(candidate, comparison, ["val", "holdout"])
    made = _verdict(comparison, comparison.units, splits=splits, stage="suite", policy=policy, reason=reason)
    made = _with_figures(made, comparison, policy)
    return made.model_copy(update={"broken": broken, "broken_hidden": hidden})


# --- targets --------------------------------------------------------------------------------------------


def _judge_targets(candidate: Candidate, comparison: Comparison, policy: GatePolicy) -> Verdict | None:
    """Return a rejection where nothing that the candidate targets became better; None where something did."""
    wanted = set(candidate.targets)
    train = comparison.of_split("train")
    targets = [unit for unit in train if wanted & set(unit.nodeids)]
    gained = any(unit.fixed for unit in targets) or (policy.one_case_decides and pass_rate_rose(train))
    # A score tells of every case whether it is better: the targets are only the worst of them.
    if gained or any(sum(aim_differences(name, train)) > 0 for name in policy.objectives):
        if comparison.after.dropped_at != "targeted":
            return None
        reason = reasons.too_few_targets_pass()
    else:
        reason = _why_no_gain(candidate, targets, comparison.after, policy)
    ran = [unit for unit in train if comparison.was_run(unit)]
    rejected = _verdict(comparison, ran, splits=(), stage="targeted", policy=policy, reason=reason)
    return rejected.model_copy(update={"fixed": []})


def _why_no_gain(candidate: Candidate, targets: Sequence[Unit], after: Evaluation, policy: GatePolicy) -> str:
    """Return why the targets' results are no gain: they fail, or those that pass do not count as one."""
    if policy.objectives:
        return reasons.train_did_not_rise(policy.objectives)
    counted = {nodeid for unit in targets for nodeid in unit.nodeids}
    others = [name for name in candidate.targets if name in after.items and name not in counted]
    flaky = sum(unit.after > 0.5 for unit in targets)
    seldom = sum(0.0 < unit.after <= 0.5 for unit in targets)
    quoted = sum(after.items[name].passed for name in others)
    if not flaky + seldom + quoted:
        return _why_none_passes(candidate, after)
    return reasons.targets_pass_without_gain(
        len(targets) + len(others), flaky=flaky, seldom=seldom, quoted=quoted
    )


def _why_none_passes(candidate: Candidate, after: Evaluation) -> str:
    """With the exception that most targeted cases end in, where it is no failed assertion."""
    items = [after.items[nodeid] for nodeid in candidate.targets if nodeid in after.items]
    errors = Counter(
        item.error_type for item in items if item.error_type not in ("", "AssertionError", "Failed")
    )
    if not errors or 2 * errors.most_common(1)[0][1] < len(items):
        return reasons.no_target_passes(len(items))
    kind, number = errors.most_common(1)[0]
    said = next(item.explanation for item in items if item.error_type == kind)
    return reasons.no_target_passes(len(items), number, kind, said.split("\n", 1)[0][:160])


# --- the record -----------------------------------------------------------------------------------------


def _verdict(
    comparison: Comparison,
    units: Sequence[Unit],
    *,
    splits: Sequence[Split],
    stage: str,
    policy: GatePolicy,
    reason: str,
) -> Verdict:
    """Return a verdict that accepts, or with a reason one that rejects.

    Args:
        comparison: both evaluations.
        units: those that are told of.
        splits: those that were looked at.
        stage: which one decides.
        policy: how it was decided.
        reason: why it is rejected; empty where it is not.
    """
    seen = [unit for unit in units if unit.split in ("train", "val")]
    fixed = [unit.name for unit in seen if unit.fixed]
    # What was dropped before its turn did not break; what is missing from a whole evaluation did.
    whole = not comparison.after.dropped_at
    broken = [unit.name for unit in seen if unit.broken and (whole or comparison.was_run(unit))]
    return Verdict(
        accepted=not reason,
        reason=reason or reasons.fixed_and_broken(len(fixed), len(broken)),
        stage=stage,
        splits={split: comparison.score(split) for split in splits},
        metrics=_objectives(comparison, splits or ["train"], policy),
        fixed=fixed,
        broken=broken,
        policy=policy.name,
        flaky=[unit.name for unit in seen if (unit.flaky and unit.difference) or "" in unit.chance],
    )


def _objectives(comparison: Comparison, splits: Sequence[Split], policy: GatePolicy) -> list[MetricChange]:
    """Return the objectives on these splits; none of a split that was not finished."""
    ran = comparison.after.items
    whole = [split for split in splits if all(name in ran for name in nodeids_of(comparison.before, split))]
    found = [comparison.metric(name, split) for name in policy.objectives for split in whole]
    return [change for change in found if change is not None]


def _with_figures(verdict: Verdict, comparison: Comparison, policy: GatePolicy) -> Verdict:
    """Return the verdict with effect, interval and p-value where policy, metric or repeats speak of chance.

    Left out where not all of train was run.
    """
    repeated = any(len(unit.nodeids) > 1 for unit in comparison.units)
    estimated = repeated or policy.name == "paired" or bool(policy.objectives)
    ran = comparison.after.items
    whole = all(nodeid in ran for unit in comparison.of_split("train") for nodeid in unit.nodeids)
    figures = train_figures(policy, comparison.units) if estimated and whole else None
    if figures is None:
        return verdict
    update: dict[str, object] = {
        "effect": figures.effect,
        "effect_of": figures.aim or "",
        "interval": figures.interval,
    }
    if verdict.accepted:
        update["reason"] = f"{verdict.reason}; {figures}"
    return verdict.model_copy(update={**update, "p_value": figures.chance})


_ERROR = 0.05
"""An edit that fixes the same share everywhere is rejected with at most this probability."""


def overfitting(candidate: Candidate, comparison: Comparison, hidden: Sequence[Split]) -> str:
    """Return why an edit of code does not hold beyond train; empty where chance explains the difference.

    Args:
        candidate: what is judged; only code is, a prompt cannot act on single cases by itself.
        comparison: its evaluation and its parent's.
        hidden: the splits that its author has not seen and that were run.
    """
    if candidate.level != "structure":
        return ""
    seen, others = _fixed(comparison, ["train"]), _fixed(comparison, hidden)
    p = fewer_than_chance((seen[0], others[0]), (seen[1], others[1]))
    if not seen[0] or p > _ERROR:
        return ""
    return reasons.overfitted(seen, others if "holdout" not in hidden else None, p)


def _fixed(comparison: Comparison, splits: Sequence[Split]) -> tuple[int, int]:
    """Return how many of the units that never passed pass now, and of how many."""
    failing = [unit for split in splits for unit in comparison.of_split(split) if unit.before == 0.0]
    return sum(unit.fixed for unit in failing), len(failing)
