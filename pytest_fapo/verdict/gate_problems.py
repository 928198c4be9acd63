"""The problems of a merge under `--fapo-gate`: the sentence, its kind, and the command to type.

No other module writes one. The reasons of verdicts on candidates are in `reasons.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.core.gate_result import GateProblem, GateProblemKind, SplitScore
from pytest_fapo.core.record import Split
from pytest_fapo.core.text import count, listing, one_line, percent
from pytest_fapo.verdict.comparison import FallenMetric
from pytest_fapo.verdict.reasons import first_names, points

# --- accuracy fell ------------------------------------------------------------------------------

UPDATE = "pytest --fapo-update-baseline"
"""The command to type if the baseline itself is out of date."""


def passes_less_often(
    what: str, effect: float, cases: int, interval: tuple[float, float], chance: float
) -> GateProblem:
    """Under `paired`.

    Args:
        what: the cases, in words.
        effect: their mean difference.
        cases: how many.
        interval: 95 % confidence interval of `effect`.
        chance: the p-value.
    """
    low, high = interval
    return GateProblem(
        kind="worse",
        message=f"{what} passes less often than in the baseline: {points(effect)} over "
        f"{cases} cases (95 % interval {points(low)} to {points(high)}, p = {chance:.2g})",
    )


def too_few_cases(pipeline: str, cases: int) -> GateProblem:
    """Under `paired`: no loss could show."""
    return GateProblem(
        kind="too-few-cases",
        message=f"pipeline {pipeline!r} has {cases} cases in the baseline, too few for the policy "
        f"'paired': it could not tell if all of them failed; repeat them, or use the policy 'strict'",
        command="pytest --fapo-gate --fapo-repeats=3",
    )


def target_missed(pipeline: str, split: str, score: float, target: float) -> GateProblem:
    """Under `target`."""
    return GateProblem(
        kind="floor",
        message=f"pipeline {pipeline!r}: {split} is at {percent(score, decimals=1)}, "
        f"below the target of {percent(target, decimals=1)}",
    )


def baseline_metric_fell(pipeline: str, fallen: FallenMetric, split: Split) -> GateProblem:
    moved = "rose" if fallen.lower else "fell"
    message = (
        f"pipeline {pipeline!r}: the metric {fallen.name!r} {moved} by {fallen.fall:.3g} on {split} "
        f"({fallen.allowed:g} allowed)"
    )
    return GateProblem(kind="metric", message=message)


def floor_missed(row: SplitScore, score: float, floor: float) -> GateProblem:
    """A `--fapo-min-score` is not reached.

    Args:
        row: of the table of scores.
        score: what it is.
        floor: what it must be.
    """
    pipeline, group = row.pipeline, row.group
    if group.startswith("metric:"):
        limit = "ceiling" if row.lower_is_better else "floor"
        said = f"{group} is {score:.4g}, its {limit} is {floor:.4g}"
    else:
        what = "its score" if group == "all" else group
        said = f"{what} is {percent(score, decimals=1)}, its floor is {percent(floor, decimals=1)}"
    return GateProblem(kind="floor", message=f"pipeline {pipeline!r}: {said}")


# --- that cannot be judged ----------------------------------------------------------------------


def unknown_floor(floor: str, known: Sequence[str]) -> GateProblem:
    """A floor that nothing is measured against.

    Args:
        floor: its name.
        known: what could be named.
    """
    message = f"the floor {floor!r} is for nothing that was scored; there are: "
    return GateProblem(kind="empty", message=message + (", ".join(known) or "no scores"))


def session_stopped(stopped: str) -> GateProblem:
    message = f"the tests did not finish: {stopped or 'not every test has a result'}"
    return GateProblem(kind="interrupted", message=message)


def nothing_ran() -> GateProblem:
    return GateProblem(kind="empty", message="no test on a case was run: there is nothing to judge")


def nothing_to_compare() -> GateProblem:
    message = "the baseline has no verdict on any case: there is nothing to compare with"
    return GateProblem(kind="empty", message=message, command=UPDATE)


def baseline_tests_not_run(names: Sequence[str]) -> GateProblem:
    verb = "was" if len(names) == 1 else "were"
    return GateProblem(
        kind="missing-cases",
        message=f"{count(len(names), 'test')} of the baseline {verb} not run "
        f"({first_names(names)}); run all of them, or, where they were removed or renamed on purpose, "
        f"update the baseline",
        command=UPDATE,
    )


def answers_not_recorded(names: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="cache-miss",
        message=f"{count(len(names), 'test')} asked a model something without a recorded answer "
        f"({first_names(names)}); record the answers once and commit or pass on the exported cache",
        command="pytest --fapo-update-baseline && fapo cache export",
    )


def model_did_not_answer(outage: str, advice: str) -> GateProblem:
    message = f"{outage}; accuracy is not judged: {advice}"
    return GateProblem(kind="no-answer", message=message, command="pytest --fapo-gate")


def pipeline_not_run(names: Sequence[str], why: str) -> GateProblem:
    """Tests ended before their pipeline could run.

    Args:
        names: of the tests.
        why: the error of the first one.
    """
    message = (
        f"{count(len(names), 'test')} ended before the pipeline could run, {names[0]} first: "
        f"{one_line(why, most=300)}"
    )
    return GateProblem(kind="not-run", message=message)


def connected_to_a_host(names: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="cache-miss",
        message=f"{count(len(names), 'test')} connected to a host although only recorded answers "
        f"may be used ({first_names(names)}); [tool.fapo] allow_hosts names hosts that may be reached",
    )


def made_no_calls(cases: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="no-calls",
        message=f"{count(len(cases), 'case')} made LLM calls when the baseline was written and none now "
        f"({first_names(cases)}): does a cache of a library answer, or a client that is not captured? "
        f"Where the calls were taken out on purpose, update the baseline",
        command=UPDATE,
    )


def went_past_a_limit(names: Sequence[str]) -> GateProblem:
    message = f"{count(len(names), 'test')} went past a limit of calls or cost ({first_names(names)})"
    return GateProblem(kind="interrupted", message=message)


def worker_lost(names: Sequence[str]) -> GateProblem:
    return GateProblem(kind="lost-worker", message=f"the xdist worker {', '.join(names)} was lost")


def not_collected(files: Sequence[str]) -> GateProblem:
    return GateProblem(kind="interrupted", message=f"{listing(files, most=3)} could not be collected")


def without_result(missing: int, expected: int, stopped: str) -> GateProblem:
    """Collected tests left no result.

    Args:
        missing: how many.
        expected: all that were collected.
        stopped: why pytest ended early; empty where it did not.
    """
    said = f"{missing:,} of {expected:,} tests left no result"
    return GateProblem(kind="interrupted", message=f"{said}: {stopped or 'they did not finish'}")


def test_without_a_case_fails(nodeid: str) -> GateProblem:
    message = f"{nodeid} fails, a test without a case"
    return GateProblem(kind="test", message=message, path=nodeid.split("::")[0])


# --- only said ----------------------------------------------------------------------------------


def prompts_changed(addresses: Sequence[str]) -> GateProblem:
    said = f"{first_names(addresses)} changed since the baseline was written"
    return _remark("stale-baseline", f"{said}, and the baseline was not updated")


def questions_changed(pipelines: Sequence[str]) -> GateProblem:
    names = first_names([repr(name) for name in pipelines])
    said = f"pipeline {names} asked its models something else than when the baseline was written"
    return _remark("stale-baseline", f"{said}, and the baseline was not updated")


def not_in_the_baseline(names: Sequence[str], noun: str, failing: int) -> GateProblem:
    """Cases, or tests on known cases, without a verdict in the baseline.

    Args:
        names: of them.
        noun: `case` or `test`.
        failing: tests on them that fail.
    """
    verb = "has" if len(names) == 1 else "have"
    message = f"{count(len(names), noun)} {verb} no verdict in the baseline yet ({first_names(names)})"
    message += f"; {failing} of the tests on them fail" if failing else ""
    return _remark("new-cases", message)


def _remark(kind: GateProblemKind, message: str) -> GateProblem:
    return GateProblem(kind=kind, message=message, command=UPDATE, fails=False)
