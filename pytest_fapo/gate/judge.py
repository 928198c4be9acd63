"""The two questions to the gate: is a candidate worth proving, and has it passed its proof?"""

from __future__ import annotations

from pytest_fapo.gate.compare import of_split
from pytest_fapo.gate.figures import with_figures
from pytest_fapo.gate.paired import paired_cases, paired_held_out
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.strict import broken_tests, strict_cases, strict_held_out
from pytest_fapo.gate.target import target_cases, target_held_out
from pytest_fapo.gate.targeted import judge_targets
from pytest_fapo.gate.units import Chance, units
from pytest_fapo.gate.verdicts import listed, verdict
from pytest_fapo.models import Candidate, Evaluation, Split, Verdict

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
    looked = after.dropped_at != SUITE and bool(of_split(before, "holdout"))
    splits: list[Split] = ["train", "val", "holdout"] if looked else ["train", "val"]
    broken = broken_tests(found, ("train", "val", None) if policy.name == "strict" else (None,))
    reason, hidden = "", 0
    if not after.complete and not after.dropped_at:
        reason = f"the whole suite did not run to its end: {after.stopped}"
    elif broken:
        reason = f"broke what passed before: {listed(broken)}"
    if looked and not broken:
        refused, hidden = _HELD_OUT[policy.name](before, after, found, policy)
        reason = reason or refused
    if not reason and after.dropped_at:
        reason = f"the evaluation was dropped at {after.dropped_at}"
    made = verdict(before, after, found, splits=splits, stage="suite", policy=policy.name, reason=reason)
    made = with_figures(made, policy, before, after, found)
    return made.model_copy(update={"broken": broken, "broken_hidden": hidden})
