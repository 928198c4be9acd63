"""What the rules leave unsure is read by a model; its opinion is weighed, not taken for granted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from pytest_fapo.diagnose.attribution import Attribution, Opinion
from pytest_fapo.models import Finding

READ_OF_A_GROUP = 6
"""Items that look alike are read up to this number; where these agree, it holds for the others too."""
AGREED = 0.8
_MOST_SURE = 0.85
"""Confidence that a reader's word alone can give a finding."""


class Reader(Protocol):
    """Reads what the rules are unsure of."""

    def read(self, attributions: Sequence[Attribution]) -> Mapping[str, Opinion]:
        """Opinions by node id, for as many of the items as there is one; never raises."""
        ...


def consult(attributions: Sequence[Attribution], reader: Reader) -> None:
    """Let the reader look at the unsure items and correct their findings by what it says."""
    groups: dict[tuple[str, ...], list[Attribution]] = defaultdict(list)
    for attribution in attributions:
        if attribution.unsure and attribution.failure.view is not None:
            groups[attribution.group].append(attribution)
    chosen = [one for group in groups.values() for one in group[:READ_OF_A_GROUP]]
    opinions = reader.read(chosen) if chosen else {}
    for group in groups.values():
        _weigh_group(group, opinions)


def _weigh_group(group: Sequence[Attribution], opinions: Mapping[str, Opinion]) -> None:
    told = [opinion for one in group if (opinion := opinions.get(one.finding.nodeid)) is not None]
    counts = Counter((opinion.step, opinion.category) for opinion in told)
    common = None
    if len(told) >= 2 and counts.most_common(1)[0][1] >= AGREED * len(told):
        wanted = counts.most_common(1)[0][0]
        common = next(opinion for opinion in told if (opinion.step, opinion.category) == wanted)
    for one in group:
        opinion = opinions.get(one.finding.nodeid) or common
        if opinion is not None:
            _weigh(one, opinion)


def _weigh(attribution: Attribution, opinion: Opinion) -> None:
    finding = attribution.finding
    sure = min(opinion.confidence, _MOST_SURE)
    if opinion.step != finding.step:
        attribution.other = opinion
        if sure <= finding.confidence:
            return
        attribution.change(field="", expected=None, actual=None)
    else:
        sure = max(sure, finding.confidence)
    table = _level_of(attribution, opinion)
    attribution.change(
        step=opinion.step,
        category=opinion.category,
        level=opinion.level or table,
        confidence=round(sure, 2),
        evidence=opinion.evidence or finding.evidence,
        source="llm",
    )


def _level_of(attribution: Attribution, opinion: Opinion) -> str:
    """The level that the table gives to a category and step."""
    failure = attribution.failure
    step = failure.view.by_key(opinion.step) if failure.view is not None else None
    table: Finding = failure.finding(opinion.category, step, opinion.evidence, confidence=opinion.confidence)
    return table.level
