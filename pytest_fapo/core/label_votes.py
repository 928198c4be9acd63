"""Labels that the labels of cases with nearly the same inputs contradict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_fapo.core.case import Case
from pytest_fapo.core.similar_cases import InputTexts, label_text


@dataclass(frozen=True)
class Voting:
    """The conditions under which neighbors speak against a label."""

    near: float
    """Inputs this similar are neighbors."""
    nearest: float
    """The similarity of the nearest one that contradicts the label."""
    witnesses: int
    """So many neighbors must agree on another label."""
    agreed: float
    """The share of all neighbors that must agree on it."""
    exception: int
    """At most one in so many may have the label itself."""
    elsewhere: int
    """A word that goes with the label in so many other cases explains it."""
    goes_with: float
    """The share of the cases with a word that must have a label for the word to go with it."""
    by_number: bool
    """True if a number may decide between labels, so that cases on two sides of it are no witnesses."""


BY_LABELS = Voting(
    near=0.6, nearest=0.6, witnesses=3, agreed=0.6, exception=6, elsewhere=2, goes_with=0.6, by_number=True
)
"""Where only labels are known."""

BY_ANSWERS = Voting(
    near=0.35, nearest=0.4, witnesses=2, agreed=0.0, exception=3, elsewhere=3, goes_with=0.8, by_number=False
)
"""Where neighbors are those that a pipeline answers alike, which is a witness of its own."""

_COMMON = 6
"""A word that one in so many witnesses has is one that they lack."""


@dataclass(frozen=True)
class LabelConflict:
    """A label that the label of a case with the same or nearly the same inputs contradicts."""

    case: Case
    """The one whose label fewer of the near cases have."""
    other: Case
    similarity: float
    against: int
    """Near cases that have the other's label; 1 if there is that one alone, and either label may be wrong."""
    support: int
    """Further near cases that have the case's own label."""

    @property
    def same_words(self) -> bool:
        """True if the inputs of both are the same."""
        return self.similarity == 1.0

    @property
    def one_sided(self) -> bool:
        """True if the near cases tell which of the two labels is the odd one."""
        return self.against > self.support + 1


def label_conflicts(cases: Sequence[Case]) -> list[LabelConflict]:
    """Return the labels that cases with the same or nearly the same inputs contradict, the surest first.

    Equal inputs (but for upper case, punctuation and spaces) with two labels contradict each other in any
    case. Nearly equal ones do where labels are classes: where at least three near cases agree on
    another label and next to none has the case's own, and no word that only this case has explains its label;
    or where two long inputs differ in a word or two that are neither numbers nor negations.

    Args:
        cases: those of which labels may be compared, each with its label in `expected`; without one it is
            left out.
    """
    labeled = [case for case in cases if case.expected is not None]
    votes = LabelVotes(labeled, [label_text(case.expected) for case in labeled], BY_LABELS)
    texts, near, labels = votes.texts, votes.near, votes.labels
    numbers = list(near) if votes.are_classes else []
    found = [conflict for number in numbers if (conflict := votes.against(number))]
    told = {id(conflict.case) for conflict in found}
    for one in sorted(near):
        for other, similarity in near[one].items():
            pair = {id(labeled[one]), id(labeled[other])}
            if other < one or labels[one] == labels[other] or told & pair:
                continue
            copy = similarity == 1.0 or (votes.are_classes and texts.near_copy(one, other, similarity))
            if copy and not (similarity < 1.0 and texts.turned(one, other)):
                found.append(votes.of_pair(one, other))
                told |= pair
    return sorted(found, key=lambda conflict: (-conflict.similarity, -conflict.against))


class LabelVotes:
    """The votes of each case's neighbors on its label.

    Args:
        cases: all of them.
        labels: theirs, as texts that are compared.
        voting: the conditions.
        comparable: whether two cases, as places, may be neighbors; default: all.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        labels: Sequence[str],
        voting: Voting,
        comparable: Callable[[InputTexts, int, int], bool] | None = None,
    ) -> None:
        self.cases, self.labels = cases, labels
        self.texts = InputTexts(cases)
        self.near: dict[int, dict[int, float]] = defaultdict(dict)
        """Neighbors of each case, and how similar they are."""
        self._voting = voting
        for one, other, similarity in self.texts.pairs(voting.near):
            if comparable is None or comparable(self.texts, one, other):
                self.near[one][other] = self.near[other][one] = similarity

    @cached_property
    def are_classes(self) -> bool:
        """True if labels repeat: half of the cases share theirs with another one."""
        shared = sum(count for count in Counter(self.labels).values() if count > 1)
        return 2 * shared >= len(self.labels) > 0

    def against(self, number: int, *, exception: int = 0) -> LabelConflict | None:
        """The conflict of one case with what its neighbors agree on.

        Args:
            number: its place.
            exception: another value of the condition of that name, where something else speaks against the
                label as well.
        """
        near, voting = self.near[number], self._voting
        counts = Counter(self.labels[other] for other in near)
        support = counts.pop(self.labels[number], 0)
        if not counts:
            return None
        label, against = counts.most_common(1)[0]
        least = max(voting.witnesses, voting.agreed * len(near), support * (exception or voting.exception))
        witnesses = [other for other in near if self.labels[other] == label]
        alike = [other for other in near if self.labels[other] == self.labels[number]]
        nearest = max(witnesses, key=lambda other: (near[other], -other))
        if against < least or near[nearest] < voting.nearest:
            return None
        if all(self.texts.turned(number, other) for other in witnesses):
            return None
        if self._explained(number, witnesses) or self._decided(number, alike, witnesses):
            return None
        return LabelConflict(self.cases[number], self.cases[nearest], near[nearest], against, support)

    def of_pair(self, one: int, other: int) -> LabelConflict:
        """Return a conflict of two; the case is the one whose label fewer of all that are near to either
        have.
        """
        votes = Counter(self.labels[each] for each in {*self.near[one], *self.near[other]} - {one, other})
        if votes[self.labels[one]] > votes[self.labels[other]]:
            one, other = other, one
        support, against = votes[self.labels[one]], votes[self.labels[other]] + 1
        similarity = self.near[one][other]
        return LabelConflict(self.cases[one], self.cases[other], similarity, against, support)

    def _explained(self, number: int, witnesses: Sequence[int]) -> bool:
        """True if a word that the witnesses lack goes with the case's label elsewhere."""
        common = Counter(word for other in witnesses for word in set(self.texts.words[other]))
        for word in set(self.texts.words[number]):
            if common[word] * _COMMON > len(witnesses):
                continue
            elsewhere = [other for other in self.texts.holders[word] if other != number]
            alike = sum(self.labels[other] == self.labels[number] for other in elsewhere)
            if len(elsewhere) >= self._voting.elsewhere and alike >= self._voting.goes_with * len(elsewhere):
                return True
        return False

    def _decided(self, number: int, alike: Sequence[int], witnesses: Sequence[int]) -> bool:
        """True if a number may decide: all with the case's label lie on one side of it, or between others."""
        same = any(self.texts.numbers[number] == self.texts.numbers[other] for other in witnesses)
        if same or not self._voting.by_number:
            return False
        mine = [_values(self.texts.words[other]) for other in (number, *alike)]
        others = [_values(self.texts.words[other]) for other in witnesses]
        for place in range(min(map(len, (*mine, *others)))):
            inside, outside = [each[place] for each in mine], [each[place] for each in others]
            if min(inside) > max(outside) or max(inside) < min(outside):
                return True
            if alike and not any(min(inside) <= each <= max(inside) for each in outside):
                return True
        return False


def _values(words: Sequence[str]) -> list[int]:
    return [int(word) for word in words if word.isdecimal()]
