"""What the outcomes of interventions prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from pytest_fapo.diagnose.attribution import Attribution
from pytest_fapo.diagnose.investigate.mends import Mend, known_right, known_wrong, mends_of
from pytest_fapo.models import Intervention, Outcome
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import mentions, texts_in, whole_text

MOST_PAIRS = 3
Steps = tuple[str, ...]
"""Keys of the steps that are mended in one run."""


@dataclass(frozen=True)
class Cause:
    """The step that a case's interventions have shown to be at fault."""

    mend: Mend
    also: tuple[str, ...] = ()
    words: str = ""


@dataclass
class Inquiry:
    """The interventions of one failing item."""

    attribution: Attribution
    mends: list[Mend] = field(default_factory=list)
    outcomes: dict[Steps, Outcome | None] = field(default_factory=dict)

    @classmethod
    def of(cls, attribution: Attribution) -> Inquiry:
        return cls(attribution, mends_of(attribution.failure))

    @property
    def sources(self) -> tuple[str, ...]:
        """Which steps can be mended, and by what."""
        return tuple(f"{mend.step.key} {mend.source}" for mend in self.mends)

    def singles(self) -> list[Steps]:
        return [(mend.step.key,) for mend in self.mends]

    def joint(self) -> list[Steps]:
        """Steps to be mended together, where no single one sufficed."""
        if any(self.green(steps) for steps in self.outcomes):
            return []
        keys = [mend.step.key for mend in self.mends if mend.source != "resample"]
        pairs = list(combinations(keys, 2))[:MOST_PAIRS]
        return [*pairs, tuple(keys)] if len(keys) > 2 else [*pairs]

    def green(self, steps: Steps) -> bool:
        return self.outcomes.get(steps) in ("passed", "xpassed")

    def intervention(self, steps: Steps) -> Intervention:
        """The run in which these steps are mended."""
        item, case = self.attribution.failure.item, self.attribution.failure.case
        chosen = [mend for mend in self.mends if mend.step.key in steps]
        given = [mend for mend in chosen if mend.source != "resample"]
        return Intervention(
            nodeid=item.nodeid,
            case_id=case.id,
            pipeline=item.pipeline or "",
            outputs={mend.step.key: mend.output for mend in given},
            types={mend.step.key: mend.output_type for mend in given if mend.output_type},
            resample=[mend.step.key for mend in chosen if mend.source == "resample"],
            source=chosen[0].source,
        )

    def cause(self) -> Cause | None:
        """The first step whose mend turns the case green, if what stands before it is cleared; or several."""
        for mend in self.mends:
            if self.green((mend.step.key,)):
                return self._single(mend)
        joint = sorted((steps for steps in self.outcomes if self.green(steps)), key=len)
        if not joint:
            return None
        first = self._mend(joint[0][0])
        rest = joint[0][1:]
        words = f"only with {_listed(joint[0])} mended together does the case pass"
        return Cause(first, rest, words) if self._cleared(first) else None

    def _single(self, mend: Mend) -> Cause | None:
        if not mend.proves and not self._cleared(mend):
            return None
        wrong_before = [
            other.step.key
            for other in self.mends
            if other.step.key in known_wrong(self.attribution.failure)
            and other.step.order < mend.step.order
            and _feeds(other.step, mend.step)
        ]
        if wrong_before:  # mended alone they did not suffice, and they are wrong all the same
            first = self._mend(wrong_before[0])
            words = (
                f"{first.step.key} is wrong by its label; given the right one, {mend.step.key} is wrong still"
            )
            return Cause(first, (*wrong_before[1:], mend.step.key), words)
        return Cause(mend, (), f"{_how(mend)} the case passes")

    def _cleared(self, mend: Mend) -> bool:
        """Whether every step whose output went into it is known to be right or was mended without effect:
        a right output put in by hand would hide that one of them is the cause."""
        failure = self.attribution.failure
        assert failure.view is not None
        right, fed = known_right(failure), [mend.step]
        for step in reversed(failure.view.steps):
            if step.order < mend.step.order and any(_feeds(step, other) for other in fed):
                fed.append(step)
                if step.key not in right and self.outcomes.get((step.key,)) is None:
                    return False
        return True

    def _mend(self, key: str) -> Mend:
        return next(mend for mend in self.mends if mend.step.key == key)


def _feeds(step: StepView, other: StepView) -> bool:
    """Whether a step's output went into another step."""
    given = "\n".join((whole_text(other.step.inputs), other.messages_text))
    return any(mentions(given, text) for text in texts_in(step.output))


def _how(mend: Mend) -> str:
    name = mend.step.key
    if mend.source == "label":
        return f"with the output that {name} is labelled with"
    if mend.source == "oracle":
        return f"with the expected values in the output of {name}"
    if mend.source == "sibling":
        return f"with what {name} gave in a passing case where it was given the same"
    return f"with another answer of the model in {name}, asked the same,"


def _listed(steps: Sequence[str]) -> str:
    return f"{', '.join(steps[:-1])} and {steps[-1]}"
