"""Whether code makes the wrong value of a right answer: seen by the cases that have the same answer."""

from __future__ import annotations

import re
from collections import defaultdict

from pytest_fapo.diagnose.blame import Blame
from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.reading import StepView
from pytest_fapo.reading.values import mentions, plain, whole_text

AGREEING = 4
"""Cases beyond the first of their answer that it takes, to tell a rule from chance."""


def follows_from_answer(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """Whether the answer settles what is right, and the code makes something else of it.

    So it is where the same answer always goes with the same right value, and always passes or always fails:
    a model that reads its cases wrongly gives one answer to cases that differ. The answer has to be one that
    the code can read, which is to say made like those of passing cases; and one that can be trusted, a number
    or a value that stands in the case itself: a wrong label is wrong in all its cases, too.
    """
    answer = _said(asked)
    groups = _by_answer(failure, blame.field, asked.key)
    own = groups.get(answer, [])
    if len(own) < 2 or any(passed for passed, _ in own) or not _trusted(failure, answer):
        return False
    if _shape(answer) not in {_shape(said) for said, group in groups.items() if any(ok for ok, _ in group)}:
        return False
    return _agreeing(failure, blame.field, asked.key, groups)


_Groups = dict[str, list[tuple[bool, str]]]


def _agreeing(failure: Failure, name: str, key: str, groups: _Groups) -> bool:
    """Whether verdict and right value are the same in all cases of an answer, for every answer."""
    memo, entry = failure.fields.memo, ("follows", name, key)
    if entry not in memo:
        pure = all(len(set(group)) == 1 for group in groups.values())
        beyond = sum(len(group) - 1 for group in groups.values())
        memo[entry] = float(pure and beyond >= AGREEING)
    return bool(memo[entry])


def _by_answer(failure: Failure, name: str, key: str) -> _Groups:
    """Whether they passed, and what was right, of the cases of each answer."""
    found: _Groups = defaultdict(list)
    for reading in failure.fields.readings:
        step = reading.view.by_key(key)
        expected = failure.fields.expected.get(name, {}).get(reading.case.key)
        if step is not None and step.answer and expected is not None:
            found[_said(step)].append((reading.passed, plain(expected)))
    return dict(found)


def _trusted(failure: Failure, answer: str) -> bool:
    number = re.fullmatch(r"[-+]?\d+(?:[.,]\d+)*", answer) is not None
    return number or mentions(whole_text(failure.case.inputs), answer)


def _shape(text: str) -> str:
    """How a text is made: numbers and words stand for any of their kind."""
    return re.sub(r"[^\W\d]+", "w", re.sub(r"\d+", "9", text))


def _said(step: StepView) -> str:
    return (step.answer or "").strip().casefold()
