"""Run a failing case again with a step's output replaced: the choice of cases, their order, and the
conclusions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, zip_longest

from pytest_fapo.core.diagnosis import Finding, Intervention
from pytest_fapo.core.record import Outcome
from pytest_fapo.core.text import listing
from pytest_fapo.diagnosis.blame import Blame, blame_field
from pytest_fapo.diagnosis.failure import FailureAttribution
from pytest_fapo.diagnosis.loose_values import mentions, texts_in, whole_text
from pytest_fapo.diagnosis.replacement_outputs import (
    ReplacementOutput,
    known_right,
    known_wrong,
    replacements_of,
)
from pytest_fapo.diagnosis.rules.field_values import wrong_value
from pytest_fapo.diagnosis.rules.labeled_outputs import given_output, wrong_by_label
from pytest_fapo.diagnosis.trace_view import StepView

MOST_PAIRS = 3

StepKeys = tuple[str, ...]
"""Keys of the steps whose output is replaced in one run."""


@dataclass(frozen=True)
class ProvenCause:
    """The step that a case's interventions have shown to be at fault."""

    replacement: ReplacementOutput
    also: tuple[str, ...] = ()
    explanation: str = ""


@dataclass
class Inquiry:
    """The interventions of one failing item."""

    attribution: FailureAttribution
    replacements: list[ReplacementOutput] = field(default_factory=list)
    outcomes: dict[StepKeys, Outcome | None] = field(default_factory=dict)

    @classmethod
    def of(cls, attribution: FailureAttribution) -> Inquiry:
        return cls(attribution, replacements_of(attribution.failure))

    @property
    def sources(self) -> tuple[str, ...]:
        """The steps whose output can be replaced, and the sources of the replacements."""
        return tuple(f"{replacement.step.key} {replacement.source}" for replacement in self.replacements)

    def singles(self) -> list[StepKeys]:
        return [(replacement.step.key,) for replacement in self.replacements]

    def joint(self) -> list[StepKeys]:
        """Return the steps to replace together if no single one sufficed."""
        if any(self.green(steps) for steps in self.outcomes):
            return []
        keys = [replacement.step.key for replacement in self.replacements if replacement.source != "resample"]
        pairs = list(combinations(keys, 2))[:MOST_PAIRS]
        return [*pairs, tuple(keys)] if len(keys) > 2 else [*pairs]

    def green(self, steps: StepKeys) -> bool:
        return self.outcomes.get(steps) in ("passed", "xpassed")

    def intervention(self, steps: StepKeys) -> Intervention:
        """Return the run in which the output of these steps is replaced."""
        item, case = self.attribution.failure.item, self.attribution.failure.case
        chosen = [replacement for replacement in self.replacements if replacement.step.key in steps]
        given = [replacement for replacement in chosen if replacement.source != "resample"]
        return Intervention(
            nodeid=item.nodeid,
            case_id=case.id,
            pipeline=item.pipeline or "",
            outputs={replacement.step.key: replacement.output for replacement in given},
            types={
                replacement.step.key: replacement.output_type
                for replacement in given
                if replacement.output_type
            },
            resample=[replacement.step.key for replacement in chosen if replacement.source == "resample"],
            short_of=item.short_of,
            source=chosen[0].source,
        )

    def cause(self) -> ProvenCause | None:
        """Return the first step whose replacement lets the case pass after cleared steps; or several."""
        for replacement in self.replacements:
            if self.green((replacement.step.key,)):
                return self._single(replacement)
        joint = sorted((steps for steps in self.outcomes if self.green(steps)), key=len)
        if not joint:
            return None
        first = self._replacement_of(joint[0][0])
        rest = joint[0][1:]
        explanation = f"the case passes only with {listing(joint[0])} fixed together"
        return ProvenCause(first, rest, explanation) if self._cleared(first) else None

    def _single(self, replacement: ReplacementOutput) -> ProvenCause | None:
        if not replacement.proves and not self._cleared(replacement):
            return None
        failure = self.attribution.failure
        wrong = {*known_wrong(failure), *_blamed_steps(self.attribution)}
        wrong_before = [
            other.step.key
            for other in self.replacements
            if other.step.key in wrong
            and other.step.order < replacement.step.order
            and _feeds(other.step, replacement.step)
        ]
        if wrong_before:  # replaced alone they did not suffice, and they are wrong all the same
            first = self._replacement_of(wrong_before[0])
            known = "by its label" if first.step.key in known_wrong(failure) else "too"
            explanation = (
                f"{first.step.key} is wrong {known}; given the right one, "
                f"{replacement.step.key} is wrong still"
            )
            return ProvenCause(first, (*wrong_before[1:], replacement.step.key), explanation)
        return ProvenCause(replacement, (), f"{_how(replacement)} the case passes")

    def _cleared(self, replacement: ReplacementOutput) -> bool:
        """True if every step whose output went into it is known to be right, or was given a right output
        without effect: a right output put in by hand would hide that one of them is the cause. Another answer
        to the same prompt clears nothing: it may be as wrong, for the same reason."""
        failure = self.attribution.failure
        assert failure.view is not None
        right, fed = known_right(failure), [replacement.step]
        for step in reversed(failure.view.steps):
            if step.order < replacement.step.order and any(_feeds(step, other) for other in fed):
                fed.append(step)
                if step.key not in right and not self._given_right(step.key):
                    return False
        return True

    def _given_right(self, key: str) -> bool:
        """True if a run was made in which the step's output was replaced by one that is right."""
        ran = self.outcomes.get((key,)) is not None
        return ran and self._replacement_of(key).source != "resample"

    def _replacement_of(self, key: str) -> ReplacementOutput:
        return next(replacement for replacement in self.replacements if replacement.step.key == key)


def _feeds(step: StepView, other: StepView) -> bool:
    """True if a step's output went into another step."""
    given = "\n".join((whole_text(other.step.inputs), other.messages_text))
    return any(mentions(given, text) for text in texts_in(step.output))


def _how(replacement: ReplacementOutput) -> str:
    name = replacement.step.key
    if replacement.source == "label":
        return f"with the output that {name} is labeled with"
    if replacement.source == "oracle":
        return f"with the expected values in the output of {name}"
    if replacement.source == "sibling":
        return f"with what {name} gave in a passing case where it was given the same"
    return f"with another answer of the model in {name}, asked the same,"


Intervene = Callable[[Sequence[Intervention]], Mapping[int, "Outcome | None"]]
"""Runs interventions: index in the list to the outcome of the item; None where one could not be done."""

OF_A_GROUP = 3
"""Items that look alike are run up to this number; where these agree, it holds for the others too."""

PROVEN, INFERRED = 0.97, 0.9


def investigate(attributions: Sequence[FailureAttribution], intervene: Intervene, limit: int) -> int:
    """Run unsure and disputed items again with replaced steps, and correct their findings by the results.

    Args:
        attributions: all failing items; corrected in place.
        intervene: runs the interventions.
        limit: how many runs of a case this may cost.

    Returns:
        how many it did cost.
    """
    groups: dict[tuple[object, ...], list[Inquiry]] = defaultdict(list)
    for attribution in attributions:
        if _worth_intervening(attribution):
            inquiry = Inquiry.of(attribution)
            if inquiry.replacements:
                groups[attribution.group, inquiry.sources].append(inquiry)
    # One of each group first, then the second of each …
    turns = chain.from_iterable(zip_longest(*(group[:OF_A_GROUP] for group in groups.values())))
    chosen = [inquiry for inquiry in turns if inquiry is not None]
    spent = _run_planned(chosen, Inquiry.singles, intervene, limit)
    spent += _run_planned(chosen, Inquiry.joint, intervene, limit - spent)
    for group in groups.values():
        _conclude(group)
    return spent


def _worth_intervening(attribution: FailureAttribution) -> bool:
    failure = attribution.failure
    if failure.view is None or attribution.finding.category in ("infrastructure", "mislabeled"):
        return False
    if failure.case.split != "train":
        return False  # what single other cases would need is nobody's business
    if attribution.finding.source == "hook":
        return False
    if attribution.unsure or attribution.other is not None:
        return True
    return len(known_wrong(failure)) >= 2 or len(_blamed_steps(attribution)) >= 2


def _blamed_steps(attribution: FailureAttribution) -> set[str]:
    """Return the steps that hold wrong values of different fields, each the first to do so."""
    failure = attribution.failure
    blames = (blame_field(failure, name) for name in failure.failing_fields)
    return {blame.step.key for blame in blames if blame is not None and blame.step.calls}


def _run_planned(
    inquiries: Sequence[Inquiry],
    planned: Callable[[Inquiry], list[StepKeys]],
    intervene: Intervene,
    room: int,
) -> int:
    """Run what is planned of each inquiry, whole inquiries only, as long as there is room."""
    plans: list[tuple[Inquiry, StepKeys]] = []
    for inquiry in inquiries:
        steps = planned(inquiry)
        if len(plans) + len(steps) <= room:
            plans += ((inquiry, each) for each in steps)
    if not plans:
        return 0
    outcomes = intervene([inquiry.intervention(keys) for inquiry, keys in plans])
    for index, (inquiry, keys) in enumerate(plans):
        inquiry.outcomes[keys] = outcomes.get(index)
    return len(plans)


def _conclude(group: Sequence[Inquiry]) -> None:
    tried = [inquiry for inquiry in group if inquiry.outcomes]
    causes = [(inquiry, inquiry.cause()) for inquiry in tried]
    for inquiry, cause in causes:
        if cause is not None:
            _corrected(inquiry, cause, confidence=PROVEN, explanation=cause.explanation)
    shown = [(inquiry, cause) for inquiry, cause in causes if cause is not None]
    agreed = len({(cause.replacement.step.key, cause.also) for _, cause in shown}) == 1
    if not shown or not agreed or len(shown) * 2 < len(tried):
        return
    example, cause = shown[0]
    for inquiry in group:
        if inquiry.outcomes:
            continue
        replacement = next(
            (m for m in inquiry.replacements if m.step.key == cause.replacement.step.key), None
        )
        if replacement is not None:
            explanation = f"as in case {example.attribution.failure.case.id}, where {cause.explanation}"
            _corrected(
                inquiry, ProvenCause(replacement, cause.also), confidence=INFERRED, explanation=explanation
            )


def _corrected(inquiry: Inquiry, cause: ProvenCause, *, confidence: float, explanation: str) -> None:
    """The finding that follows: of the proven step, with what is known of its right output."""
    attribution = inquiry.attribution
    before = attribution.finding
    finding = before
    if before.step != cause.replacement.step.key or before.category == "unknown":
        finding = _finding_of(inquiry, cause)
    level = "param" if cause.replacement.source == "resample" else finding.level
    attribution.finding = finding.model_copy(
        update={
            "also": list(cause.also),
            "confidence": confidence,
            "evidence": f"{finding.evidence}; {explanation}",
            "level": level,
            "source": "intervention",
        }
    )


def _finding_of(inquiry: Inquiry, cause: ProvenCause) -> Finding:
    failure, replacement = inquiry.attribution.failure, cause.replacement
    step = replacement.step
    if replacement.source == "label":
        return wrong_by_label(failure, step, replacement.output)
    if replacement.source == "oracle":
        for name in failure.fields.expected:
            blame = blame_field(failure, name)
            if isinstance(blame, Blame) and blame.step.key == step.key:
                return wrong_value(failure, blame, step)
    if replacement.source == "sibling":
        return wrong_by_label(failure, step, replacement.output)
    return failure.finding(
        "content",
        step,
        f"{step.key} gave {str(given_output(step))[:80]!r}",
        confidence=PROVEN,
        actual=given_output(step),
    )
