"""The first question of every policy: does the candidate mend any of what it was made for?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_fapo.gate.metrics import objective_differences
from pytest_fapo.gate.policy import GatePolicy
from pytest_fapo.gate.steadying import steadied
from pytest_fapo.gate.units import Unit, of
from pytest_fapo.gate.verdicts import verdict
from pytest_fapo.models import Candidate, Evaluation, Verdict


def judge_targets(
    candidate: Candidate, before: Evaluation, after: Evaluation, found: list[Unit], policy: GatePolicy
) -> Verdict | None:
    """A rejection where nothing that the candidate targets became better; None where something did."""
    wanted = set(candidate.targets)
    targets = [unit for unit in of(found, "train") if wanted & set(unit.nodeids)]
    if policy.objective is not None:
        gained = sum(objective_differences(policy, before, after, targets)) > 0
    else:
        gained = any(unit.fixed for unit in targets) or (policy.name == "strict" and steadied(found))
    if gained:
        if after.dropped_at != "targeted":
            return None
        reason = "too few of the cases that it targets pass now"
    else:
        reason = _why_nothing(candidate, targets, after, policy)
    train = [unit for unit in of(found, "train") if set(unit.nodeids) & set(after.items)]
    rejected = verdict(before, after, train, splits=(), stage="targeted", policy=policy.name, reason=reason)
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
