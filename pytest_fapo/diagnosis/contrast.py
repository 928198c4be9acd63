"""Weigh what a rule says of a failing case against the cases that pass.

A rule names a symptom: an answer that was cut off, a value that was not found. The symptom explains failures
as far as failing cases show it more often than passing ones. So each rule is asked of the passing cases, too,
as if they had failed for the same fields; what it says of them as well is no cause, whatever the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.record import Category
from pytest_fapo.diagnosis.asserted_step import had_a_part
from pytest_fapo.diagnosis.failure import Failure
from pytest_fapo.diagnosis.suspect_labels import doubted_labels

Rule = Callable[[Failure], "Finding | None"]

MOST_COMPARED = 200
"""Cases of each kind that a rule is asked of."""

ELSEWHERE = 0.4
"""What remains of a finding on a step that had no part in the asserted value."""

_Symptom = tuple[str, Category]


@dataclass(frozen=True)
class Weight:
    """Measure of how well a symptom tells the failing cases of a test from its passing ones."""

    failing: int
    """Failing cases that show it."""
    of_failing: int
    passing: int
    """Passing cases that show it."""
    of_passing: int

    @property
    def explained(self) -> float:
        """The part of its failing cases that a symptom explains, 0 to 1.

        Where it were no cause, it would be as frequent among failing cases as among passing ones. One more
        passing case without it is taken for granted: of one or two nothing can be told for certain.
        """
        if not self.passing:
            return 1.0
        usual = self.passing / (self.of_passing + 1)
        return max(0.0, 1.0 - usual * self.of_failing / max(self.failing, 1))

    @property
    def most_sure(self) -> float:
        """The bound on sureness that comes from the number of cases that there are to compare with."""
        return (self.of_passing + 3) / (self.of_passing + 4)


class Contrast:
    """The failing and the passing items of one test.

    Args:
        failing: its failing items.
        passing: its passing ones, read as if they were failures.
    """

    def __init__(self, failing: Sequence[Failure], passing: Sequence[Failure]) -> None:
        self._failing = _some(failing)
        self._passing = _some(passing)
        self.doubts = doubted_labels(failing, passing)
        """Failing items whose label may be wrong, by node id."""
        self._said: dict[tuple[Rule, tuple[str, ...] | None], list[_Symptom]] = {}

    def weight(self, rule: Rule, failure: Failure, finding: Finding) -> Weight:
        """Return how well the symptom that a rule has named tells failing cases from passing ones."""
        symptom = (finding.step, finding.category)
        shown = self._symptoms(rule, tuple(failure.failing_fields))
        ailing = self._symptoms(rule, None)
        return Weight(ailing.count(symptom), len(self._failing), shown.count(symptom), len(self._passing))

    def weighed(self, rule: Rule, failure: Failure, finding: Finding) -> tuple[Finding, float]:
        """The finding as sure as the passing cases let it be, and the part of the failures it explains."""
        weight = self.weight(rule, failure, finding)
        explained = weight.explained
        step = failure.view.by_key(finding.step) if failure.view is not None else None
        evidence = finding.evidence
        if weight.passing:
            evidence += f"; so it is in {weight.passing} of {weight.of_passing} passing cases, too"
        if step is not None and not had_a_part(failure, step):
            explained *= ELSEWHERE
            evidence += f"; what {step.key} gave is not what the test looked at"
        sure = round(min(finding.confidence * explained, weight.most_sure), 2)
        return finding.model_copy(update={"confidence": sure, "evidence": evidence}), explained

    def _symptoms(self, rule: Rule, fields: tuple[str, ...] | None) -> list[_Symptom]:
        """Return what a rule says of passing items asked for these fields; None: of the failing ones."""
        key = (rule, fields)
        if key not in self._said:
            items = self._failing if fields is None else [item.asked_about(fields) for item in self._passing]
            findings = [rule(item) for item in items]
            self._said[key] = [(found.step, found.category) for found in findings if found is not None]
        return self._said[key]


def _some(items: Sequence[Failure]) -> list[Failure]:
    """Return all items, or as many as are compared: a choice that does not depend on their order."""
    if len(items) <= MOST_COMPARED:
        return list(items)
    return sorted(items, key=lambda item: sha256(item.item.nodeid.encode()).digest())[:MOST_COMPARED]
