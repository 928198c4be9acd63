"""Failures that are no news to the gate, told while the tests still run."""

from __future__ import annotations

from collections.abc import Callable

from pytest_fapo.baseline import group_name
from pytest_fapo.gate import GatePolicy
from pytest_fapo.models import Baseline, passed_share


def old_failure(baseline: Baseline | None, policy: GatePolicy, repeats: int) -> Callable[[str, int], str]:
    """Tells why the failure of one test on a case does not decide by itself; empty where it does.

    Args:
        baseline: the committed one; None: nothing is known.
        policy: only under `strict` a single case decides.
        repeats: of this session; with several, all of them decide together.

    Returns:
        a function of node id and repeat.
    """
    known = {
        nodeid: result
        for each in (baseline.pipelines if baseline is not None else {}).values()
        for cases in each.cases.values()
        for case in cases.values()
        for nodeid, result in case.items.items()
    }

    def excuse(nodeid: str, repeat: int) -> str:
        result = known.get(group_name(nodeid, repeat))
        if result is None:
            return "no verdict in the baseline yet"
        share = passed_share(result)
        if share is None:
            return f"{result} in the baseline: its mark has decided until now"
        if share < 1:
            return "fails in the baseline too" if not share else f"{result} passed in the baseline"
        if policy.name != "strict":
            return f"no single case decides under policy {policy.name!r}"
        return "its repeats decide together" if repeats > 1 else ""

    return excuse
