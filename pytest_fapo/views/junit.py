"""Properties of cases and of the full suite in pytest's JUnit XML (`--junitxml`). Made in the process that
writes the file: under pytest-xdist that is the controller, which workers' own suite properties never reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.printable import shown
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.trace import LLMCall, Trace
from pytest_fapo.session.item_records import spending_of

if TYPE_CHECKING:
    from pytest_fapo.session.fapo_session import FapoSession


def case_properties(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the XML properties of one item; none for an item without a case.

    Args:
        record: as `pytest_fapo_item` gives it.
    """
    item = record["item"]
    if item["case_id"] is None:
        return []
    found = [("fapo.pipeline", item["pipeline"] or ""), ("fapo.case", item["case_id"])]
    found += [("fapo.split", item["split"] or ""), ("fapo.repeat", str(item["repeat"]))]
    found += [(f"fapo.score.{name}", f"{value:.6g}") for name, value in sorted(item["scores"].items())]
    trace = record.get("trace")  # comes with the first of the tests that share a run
    if trace is not None:
        found += _of_calls(trace["llm_calls"])
        if item["outcome"] in ("failed", "error"):
            found.append(("fapo.step", _failing_step(record)))
    return [(shown(name), shown(value)) for name, value in found if value]


def suite_properties(session: FapoSession, evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the XML properties of the whole session; none if no test has a case."""
    if not evaluation.cases:
        return []
    spending = evaluation.spending
    found = [
        (f"fapo.score.{pipeline}.{split}", f"{score:.6g}")
        for pipeline, scores in _scores(evaluation).items()
        for split, score in scores.items()
    ]
    found += [
        ("fapo.llm_calls.sent", str(spending.calls)),
        ("fapo.llm_calls.recorded", str(spending.cache_hits)),
    ]
    if spending.test_calls or spending.test_cache_hits:
        found.append(("fapo.llm_calls.judges", str(spending.test_calls + spending.test_cache_hits)))
    if not spending.unpriced_models:
        found.append(("fapo.cost_usd", f"{spending.cost:.6g}"))
    return [(shown(name), shown(value)) for name, value in found + _baseline(session)]


def add_suite_properties(config: pytest.Config, session: FapoSession) -> None:
    """Hand the suite's properties to pytest's own writer of the XML, before it writes."""
    from _pytest.junitxml import xml_key

    writer = config.stash.get(xml_key, None)
    if writer is not None:
        for name, value in suite_properties(session, session.evaluation()):
            writer.add_global_property(name, value)


def _of_calls(calls: list[dict[str, Any]]) -> list[tuple[str, str]]:
    sent = [LLMCall.model_validate(call) for call in calls if not call["cache_hit"]]
    spending = spending_of(sent)
    found = [("fapo.llm_calls", str(len(calls)))]
    if spending.calls and not spending.unpriced_models:
        found.append(("fapo.cost_usd", f"{spending.cost:.6g}"))
    return found


def _failing_step(record: dict[str, Any]) -> str:
    """Return the first step that raised, else the first whose output is not the one that the case gives for
    it.
    """
    trace = Trace.model_validate(record["trace"])
    raised = next((step.key for step in trace.steps if step.error), "")
    case = Case.model_validate(record["case"]) if record.get("case") else None
    if raised or case is None or not case.expected_steps:
        return raised
    from pytest_fapo.diagnosis.rules.labeled_outputs import given_output, labels_by_key, matches
    from pytest_fapo.diagnosis.trace_view import TraceView

    view = TraceView(trace)
    labels = labels_by_key(case.expected_steps, view)
    return next(
        (
            step.key
            for step in view.steps
            if step.key in labels and not matches(labels[step.key], given_output(step))
        ),
        "",
    )


def _scores(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Pipeline to split to the weighted share of passing items."""
    found: dict[str, dict[str, float]] = {}
    for pipeline in sorted({item.pipeline for item in evaluation.items.values() if item.pipeline}):
        items = {key: item for key, item in evaluation.items.items() if item.pipeline == pipeline}
        part = Evaluation.model_construct(items=items)
        scores = {split: part.score(split) for split in SPLITS}
        found[pipeline] = {split: score for split, score in scores.items() if score is not None}
    return found


def _baseline(session: FapoSession) -> list[tuple[str, str]]:
    """Return the committed baseline's own scores, to be compared with; nothing where it cannot be read."""
    path = session.root / session.settings.baseline
    if not path.is_file():
        return []
    from pytest_fapo.core.errors import FapoError
    from pytest_fapo.verdict.baseline_file import read_baseline

    try:
        baseline = read_baseline(path)
    except FapoError:
        return []
    return [("fapo.baseline", session.settings.baseline)] + [
        (f"fapo.baseline.{name}.{split}", f"{score:.6g}")
        for name, pipeline in sorted(baseline.pipelines.items())
        for split, score in pipeline.scores.items()
    ]
