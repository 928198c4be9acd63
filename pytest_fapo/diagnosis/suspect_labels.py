"""Labels that may be wrong: failing cases whose label cases with the same or nearly the same inputs
contradict, which the pipeline answers alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.similar_cases import input_text, label_text, similar_cases
from pytest_fapo.diagnosis.asserted_step import asserted_values
from pytest_fapo.diagnosis.failure import Failure, FailureAttribution, shown
from pytest_fapo.diagnosis.loose_values import is_blank, normal

SAME = 0.9
"""Inputs this similar are one input, whatever their labels are made of."""

NEAR = 0.35
"""Inputs this similar count as neighbors where the pipeline gives both the same answer."""

NEAREST = 0.4
"""The similarity of the nearest neighbor that contradicts a label."""

FEW = 6
"""A word that one in so many neighbors has is one that they lack."""

WITNESSES = 2
"""So many neighbors must agree on another label."""


@dataclass(frozen=True)
class Doubt:
    """A label of a failing case, beside a case that contradicts it."""

    other: Case
    similarity: float
    witnesses: int
    """Neighbors that have the other's label."""

    @property
    def sure(self) -> float:
        """By the rule of succession; of two cases alone either label may be the wrong one."""
        return round((self.witnesses + 1) / (self.witnesses + 2), 2) if self.witnesses > 1 else 0.5


def doubted_labels(failing: Sequence[Failure], passing: Sequence[Failure]) -> dict[str, Doubt]:
    """Return the failing items of one test whose label may be wrong, by node id."""
    once_right = {each.item.first_nodeid for each in passing}
    failing = [each for each in failing if each.item.first_nodeid not in once_right]
    if not failing:
        return {}
    found: dict[str, Doubt] = {}
    names = Counter(name for failure in failing for name in failure.failing_fields)
    for name in names:
        found |= _contradicted(name, failing, passing)
    return {**found, **dict(_same_inputs(failing, passing))}


def doubt(attribution: FailureAttribution, doubt: Doubt) -> None:
    """Give a failing case whose label may be wrong the finding that says so: no rule is made of it."""
    finding, view = attribution.finding, attribution.failure.view
    if finding.category == "infrastructure" or (view is not None and view.trace.error):
        return  # there is no answer that could be compared
    case, other = attribution.failure.case, doubt.other
    how = "of the same input" if doubt.similarity == 1 else f"of much the same input ({doubt.similarity:.0%})"
    more = f" and {doubt.witnesses - 1} more near it" if doubt.witnesses > 1 else ""
    evidence = (
        f"the label may be wrong: {shown(case.expected, 80)} here, and {shown(other.expected, 80)} "
        f"in case {other.id}{more}, {how}"
    )
    changes: dict[str, object] = {"category": "mislabeled", "step": "", "also": [], "level": "structure"}
    changes |= {"confidence": doubt.sure, "evidence": evidence, "beside": other.id}
    changes |= {"expected": case.expected, "actual": other.expected}
    attribution.finding = Finding.model_validate({**dict(finding), **changes})


def _same_inputs(failing: Sequence[Failure], passing: Sequence[Failure]) -> Iterator[tuple[str, Doubt]]:
    """Failing cases with an input that another case has with another label."""
    cases = {each.case.key: each.case for each in (*failing, *passing) if each.case.expected is not None}
    beside: dict[str, tuple[Case, float, int]] = {}
    for pair in similar_cases(list(cases.values()), SAME):
        one, other = pair.first, pair.second
        if pair.near_copy and not pair.turned and label_text(one.expected) != label_text(other.expected):
            beside.setdefault(one.key, (other, pair.similarity, 1))
            beside.setdefault(other.key, (one, pair.similarity, 1))
    for failure in failing:
        if failure.case.key in beside:
            yield failure.item.nodeid, Doubt(*beside[failure.case.key])


@dataclass(frozen=True, eq=False)
class _LabeledAnswer:
    """One case as its label and the pipeline's answer class it."""

    failure: Failure
    label: str
    answer: str
    passed: bool

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(normal(input_text(self.failure.case.inputs)).split())

    @property
    def spoken(self) -> frozenset[str]:
        """The words that are no numbers: inputs that differ in a number alone are about different things."""
        return frozenset(word for word in self.words if not any(sign.isdigit() for sign in word))


def _contradicted(name: str, failing: Sequence[Failure], passing: Sequence[Failure]) -> dict[str, Doubt]:
    """Failing cases whose neighbors, which the pipeline answers alike, agree on another label of a class."""
    rows = [
        *(row for failure in failing for row in _row(failure, name, passed=False)),
        *(row for failure in passing for row in _row(failure, name, passed=True)),
    ]
    labels = Counter(row.label for row in rows)
    if len(labels) < 2 or 3 * len(labels) > len(rows):
        return {}
    by_case = {id(row.failure.case): row for row in rows}
    near: dict[str, list[tuple[float, _LabeledAnswer]]] = defaultdict(list)
    for pair in similar_cases([row.failure.case for row in rows], NEAR):
        one, other = by_case[id(pair.first)], by_case[id(pair.second)]
        if one.answer == other.answer and (pair.same_numbers or one.spoken != other.spoken):
            near[one.failure.item.nodeid].append((pair.similarity, other))
            near[other.failure.item.nodeid].append((pair.similarity, one))
    found = {}
    for row in rows:
        nodeid = row.failure.item.nodeid
        doubt = None if row.passed else _voted(row, near[nodeid])
        if doubt is not None and not _explained(row, near[nodeid], rows):
            found[nodeid] = doubt
    return found


def _row(failure: Failure, name: str, *, passed: bool) -> Iterator[_LabeledAnswer]:
    label = failure.expected_value(name)
    if label is None or isinstance(label, (list, dict)):
        return
    if passed:
        yield _LabeledAnswer(failure, label_text(label), label_text(label), passed)
        return
    answers = asserted_values(failure.asked_about([name]))
    if answers and not is_blank(answers[0]):  # no answer is no likeness
        yield _LabeledAnswer(failure, label_text(label), label_text(answers[0]), passed)


def _explained(
    row: _LabeledAnswer, near: Sequence[tuple[float, _LabeledAnswer]], rows: Sequence[_LabeledAnswer]
) -> bool:
    """True if a word that the neighbors with other labels lack goes with the case's label elsewhere."""
    others = Counter(word for _, other in near if other.label != row.label for word in other.words)
    most = sum(other.label != row.label for _, other in near) / FEW
    for word in row.words:
        if others[word] <= most:
            labels = [other.label for other in rows if other is not row and word in other.words]
            if len(labels) >= 3 and 5 * labels.count(row.label) >= 4 * len(labels):
                return True
    return False


def _voted(row: _LabeledAnswer, near: Sequence[tuple[float, _LabeledAnswer]]) -> Doubt | None:
    own = [similarity for similarity, other in near if other.label == row.label]
    votes = Counter(other.label for _, other in near if other.label != row.label)
    if not votes:
        return None
    label, count = votes.most_common(1)[0]
    witnesses = sorted(
        ((similarity, other) for similarity, other in near if other.label == label),
        key=lambda pair: (-pair[0], pair[1].failure.case.key),
    )
    similarity, nearest = witnesses[0]
    if count < WITNESSES or similarity < NEAREST or len(own) * 3 > count or max(own, default=0) >= similarity:
        return None
    return Doubt(nearest.failure.case, similarity, count)
