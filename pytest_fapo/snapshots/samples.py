"""Which traces a snapshot is made from: the train cases of one pipeline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_fapo.models import Case, Evaluation, LLMCall, Trace


class Runs:
    """The train cases of a pipeline with their traces, one each; val and holdout are not looked at.

    Args:
        evaluation: of this session.
        pipeline: name of the fixture.
    """

    def __init__(self, evaluation: Evaluation, pipeline: str) -> None:
        found: dict[str, tuple[int, Trace, Case | None]] = {}
        judges: dict[str, dict[str, tuple[int, Sequence[LLMCall]]]] = {}
        for nodeid, item in evaluation.items.items():
            trace = evaluation.trace_of(item)
            if item.pipeline != pipeline or item.split != "train" or item.case_id is None or trace is None:
                continue
            if item.case_id not in found or item.repeat < found[item.case_id][0]:
                found[item.case_id] = (item.repeat, trace, evaluation.cases.get(nodeid))
            test, known = item.test or nodeid.partition("[")[0], judges.setdefault(item.case_id, {})
            if test not in known or item.repeat < known[test][0]:
                known[test] = (item.repeat, item.test_calls)
        ordered = sorted(found, key=_natural)
        self.traces: Mapping[str, Trace] = {case_id: found[case_id][1] for case_id in ordered}
        """By case id, in the order of the ids."""
        self.judges: Mapping[str, Mapping[str, Sequence[LLMCall]]] = {
            case_id: {test: calls for test, (_, calls) in sorted(judges[case_id].items())}
            for case_id in ordered
        }
        """By case id and test: the calls that the test made itself, as to a model that judges the output."""
        self.cases: Mapping[str, Case | None] = {case_id: found[case_id][2] for case_id in ordered}

    def sample(self, wanted: str = "") -> str:
        """Id of the case whose prompts are shown; empty without train cases.

        Args:
            wanted: the id that the snapshot has had; kept as long as there is such a case.

        Returns:
            `wanted`, else the first by id whose pipeline came to its end, else the first.
        """
        if wanted in self.traces:
            return wanted
        good = (case_id for case_id, trace in self.traces.items() if trace.error is None and trace.llm_calls)
        return next(good, next(iter(self.traces), ""))


def _natural(case_id: str) -> list[tuple[int, str]]:
    """`T-9` comes before `T-10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", case_id)]
