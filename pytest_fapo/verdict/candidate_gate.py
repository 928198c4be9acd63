"""The gate of the loop: is a candidate worth proving, and has it passed its proof?
`judge_cases` asks the first on train and val, `judge_suite` the second on the whole suite and the
held-out cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_fapo.core.candidate import Candidate, Verdict
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Split
from pytest_fapo.verdict.candidate_policies import (
    broken_tests,
    first_two,
    make_verdict,
    paired_cases,
    paired_held_out,
    steadier,
    strict_cases,
    strict_held_out,
    target_cases,
    target_held_out,
    with_figures,
)
from pytest_fapo.verdict.comparison import Chance, Unit, nodeids_of, objective_differences, of_split, units
from pytest_fapo.verdict.policy import GatePolicy

SUITE = "suite"
"""Name of the proof's first stage: everything but the held-out cases."""

STRICT = GatePolicy()

_CASES = {"strict": strict_cases, "paired": paired_cases, "target": target_cases}

_HELD_OUT = {"strict": strict_held_out, "paired": paired_held_out, "target": target_held_out}


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
        candidate: names the items that it is meant to mend.
        before: the parent's evaluation.
        after: the candidate's; it may have been dropped after a stage.
        policy: how to decide.
        chance: changes that fresh samples have shown to be chance.

    Returns:
        A verdict whose `accepted` means: fit to be proven on the whole suite.
    """
    before = before.not_counting(candidate.demonstrations)  # what a prompt quotes proves nothing
    found = units(before, after, chance=chance)
    rejected = judge_targets(candidate, before, after, found, policy)
    if rejected is not None:
        return rejected
    return with_figures(_CASES[policy.name](before, after, found, policy), policy, before, after, found)


def judge_suite(
    before: Evaluation, after: Evaluation, *, policy: GatePolicy = STRICT, chance: Chance = frozenset()
) -> Verdict:
    """Judge the proof: the whole suite with the held-out cases, in a fresh interpreter.

    Under every policy a test without a case that passed before must pass. Held-out items that broke are
    counted, never named.
    """
    found = units(before, after, chance=chance)
    looked = after.dropped_at != SUITE and bool(nodeids_of(before, "holdout"))
    splits: list[Split] = ["train", "val", "holdout"] if looked else ["train", "val"]
    broken = broken_tests(found, ("train", "val", None) if policy.name == "strict" else (None,))
    reason, hidden = "", 0
    if not after.complete and not after.dropped_at:
        reason = f"the whole suite did not run to its end: {after.stopped}"
    elif broken:
        reason = f"broke what passed before: {first_two(broken)}"
    if looked and not broken:
        refused, hidden = _HELD_OUT[policy.name](before, after, found, policy)
        reason = reason or refused
    if not reason and after.dropped_at:
        reason = f"the evaluation was dropped at {after.dropped_at}"
    made = make_verdict(before, after, found, splits=splits, stage="suite", policy=policy.name, reason=reason)
    made = with_figures(made, policy, before, after, found)
    return made.model_copy(update={"broken": broken, "broken_hidden": hidden})


def judge_targets(
    candidate: Candidate, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> Verdict | None:
    """A rejection where nothing that the candidate targets became better; None where something did."""
    wanted = set(candidate.targets)
    targets = [unit for unit in of_split(found, "train") if wanted & set(unit.nodeids)]
    if policy.objective is not None:
        gained = sum(objective_differences(policy, before, after, targets)) > 0
    else:
        gained = any(unit.fixed for unit in targets) or (policy.name == "strict" and steadier(found))
    if gained:
        if after.dropped_at != "targeted":
            return None
        reason = "too few of the cases that it targets pass now"
    else:
        reason = _why_nothing(candidate, targets, after, policy)
    train = [unit for unit in of_split(found, "train") if set(unit.nodeids) & set(after.items)]
    rejected = make_verdict(
        before, after, train, splits=(), stage="targeted", policy=policy.name, reason=reason
    )
    return rejected.model_copy(update={"fixed": []})


def _why_nothing(candidate: Candidate, targets: Sequence[Unit], after: Evaluation, policy: GatePolicy) -> str:
    """Why what became of the targets is no gain: they fail, or what passes of them does not count as one."""
    if policy.objective is not None:
        return f"the metric {policy.objective!r} did not rise on the cases that it targets"
    counted = {nodeid for unit in targets for nodeid in unit.nodeids}
    others = [name for name in candidate.targets if name in after.items and name not in counted]
    parts = {
        "passed now and then before": sum(unit.after > 0.5 for unit in targets),
        "in half of their repeats or fewer": sum(0.0 < unit.after <= 0.5 for unit in targets),
        "quoted as examples by the edit itself": sum(after.items[name].passed for name in others),
    }
    passing = sum(parts.values())
    if not passing:
        return f"none of the cases that it targets passes now{_common_error(candidate, after)}"
    how = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{passing} of the {len(targets) + len(others)} tests that it targets pass now, no gain: {how}"


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
