"""Which items are looked into by interventions, in which order, and what follows for those like them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest

from pytest_fapo.diagnose.attribution import Attribution
from pytest_fapo.diagnose.blame import Blame, blame_field
from pytest_fapo.diagnose.investigate.mends import known_wrong
from pytest_fapo.diagnose.investigate.verdicts import Cause, Inquiry, Steps
from pytest_fapo.diagnose.rules.fields import wrong_value
from pytest_fapo.diagnose.rules.labelled import told, wrong_by_label
from pytest_fapo.models import Finding, Intervention, Outcome

Intervene = Callable[[Sequence[Intervention]], Mapping[int, "Outcome | None"]]
"""Runs interventions: index in the list to the outcome of the item; None where one could not be done."""

OF_A_GROUP = 3
"""Items that look alike are run up to this number; where these agree, it holds for the others too."""
PROVEN, INFERRED = 0.97, 0.9


def investigate(attributions: Sequence[Attribution], intervene: Intervene, limit: int) -> int:
    """Run unsure and disputed items again with steps mended, and correct their findings by what that shows.

    Args:
        attributions: all failing items; corrected in place.
        intervene: runs the interventions.
        limit: how many runs of a case this may cost.

    Returns:
        how many it did cost.
    """
    groups: dict[tuple[object, ...], list[Inquiry]] = defaultdict(list)
    for attribution in attributions:
        if _worth_it(attribution):
            inquiry = Inquiry.of(attribution)
            if inquiry.mends:
                groups[attribution.group, inquiry.sources].append(inquiry)
    # One of each group first, then the second of each …
    turns = chain.from_iterable(zip_longest(*(group[:OF_A_GROUP] for group in groups.values())))
    chosen = [inquiry for inquiry in turns if inquiry is not None]
    spent = _run(chosen, Inquiry.singles, intervene, limit)
    spent += _run(chosen, Inquiry.joint, intervene, limit - spent)
    for group in groups.values():
        _conclude(group)
    return spent


def _worth_it(attribution: Attribution) -> bool:
    failure = attribution.failure
    if failure.view is None or attribution.finding.category == "infrastructure":
        return False
    if failure.case.split != "train":
        return False  # what single other cases would need is nobody's business
    if attribution.finding.source == "hook":
        return False
    if attribution.unsure or attribution.other is not None:
        return True
    return len(known_wrong(failure)) >= 2 or len(_blamed_steps(attribution)) >= 2


def _blamed_steps(attribution: Attribution) -> set[str]:
    """Steps that hold wrong values of different fields, each the first to do so."""
    failure = attribution.failure
    blames = (blame_field(failure, name) for name in failure.failing_fields)
    return {blame.step.key for blame in blames if blame is not None and blame.step.calls}


def _run(
    inquiries: Sequence[Inquiry],
    planned: Callable[[Inquiry], list[Steps]],
    intervene: Intervene,
    room: int,
) -> int:
    """Run what is planned of each inquiry, whole inquiries only, as long as there is room."""
    plans: list[tuple[Inquiry, Steps]] = []
    for inquiry in inquiries:
        steps = planned(inquiry)
        if len(plans) + len(steps) <= room:
            plans += ((inquiry, each) for each in steps)
    if not plans:
        return 0
    outcomes = intervene([inquiry.intervention(mended) for inquiry, mended in plans])
    for index, (inquiry, mended) in enumerate(plans):
        inquiry.outcomes[mended] = outcomes.get(index)
    return len(plans)


def _conclude(group: Sequence[Inquiry]) -> None:
    tried = [inquiry for inquiry in group if inquiry.outcomes]
    causes = [(inquiry, inquiry.cause()) for inquiry in tried]
    for inquiry, cause in causes:
        if cause is not None:
            _settle(inquiry, cause, confidence=PROVEN, words=cause.words)
    shown = [(inquiry, cause) for inquiry, cause in causes if cause is not None]
    agreed = len({(cause.mend.step.key, cause.also) for _, cause in shown}) == 1
    if not shown or not agreed or len(shown) * 2 < len(tried):
        return
    example, cause = shown[0]
    for inquiry in group:
        if inquiry.outcomes:
            continue
        mend = next((m for m in inquiry.mends if m.step.key == cause.mend.step.key), None)
        if mend is not None:
            words = f"as in case {example.attribution.failure.case.id}, where {cause.words}"
            _settle(inquiry, Cause(mend, cause.also), confidence=INFERRED, words=words)


def _settle(inquiry: Inquiry, cause: Cause, *, confidence: float, words: str) -> None:
    """The finding that follows: of the proven step, with what is known of its right output."""
    attribution = inquiry.attribution
    before = attribution.finding
    finding = before
    if before.step != cause.mend.step.key or before.category == "unknown":
        finding = _finding_of(inquiry, cause)
    level = "param" if cause.mend.source == "resample" else finding.level
    attribution.finding = finding.model_copy(
        update={
            "also": list(cause.also),
            "confidence": confidence,
            "evidence": f"{finding.evidence}; {words}",
            "level": level,
            "source": "intervention",
        }
    )


def _finding_of(inquiry: Inquiry, cause: Cause) -> Finding:
    failure, mend = inquiry.attribution.failure, cause.mend
    step = mend.step
    if mend.source == "label":
        return wrong_by_label(failure, step, mend.output)
    if mend.source == "oracle":
        for name in failure.fields.expected:
            blame = blame_field(failure, name)
            if isinstance(blame, Blame) and blame.step.key == step.key:
                return wrong_value(failure, blame, step)
    if mend.source == "sibling":
        return wrong_by_label(failure, step, mend.output)
    return failure.finding(
        "content", step, f"{step.key} gave {str(told(step))[:80]!r}", confidence=PROVEN, actual=told(step)
    )
