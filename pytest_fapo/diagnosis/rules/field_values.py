"""Steps whose output holds a wrong value of a field of the case's label, and code that made it wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.diagnosis.asserted_step import answering_step, asserted_values
from pytest_fapo.diagnosis.blame import (
    Blame,
    blame_fields,
    is_code,
    is_taken,
    passing_at,
    slip_of,
    value_category,
)
from pytest_fapo.diagnosis.failure import Failure, excerpt, shown
from pytest_fapo.diagnosis.field_map import output_leaves, readable_output
from pytest_fapo.diagnosis.loose_values import (
    alike,
    is_blank,
    mentions,
    normal,
    plain,
    same_entries,
    shape_of,
    texts_in,
    whole_text,
)
from pytest_fapo.diagnosis.rules.lost_facts import only_source
from pytest_fapo.diagnosis.rules.never_equal import never_equal
from pytest_fapo.diagnosis.trace_view import StepView

AGREEING = 4
"""Cases beyond the first of their answer that it takes, to tell a rule from chance."""


def follows_from_answer(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """True if the answer settles what is right, and the code makes something else of it.

    So it is where the same answer always goes with the same right value, and always passes or always fails:
    a model that reads its cases wrongly gives one answer to cases that differ. The answer has to be one that
    the code can read, which is to say made like those of passing cases; and one that can be trusted, a number
    or a value that is in the case itself: a wrong label is wrong in all its cases, too.
    """
    answer = _answer_of(asked)
    groups = _by_answer(failure, blame.field, asked.key)
    own = groups.get(answer, [])
    if len(own) < 2 or any(passed for passed, _ in own) or not _is_trusted(failure, answer):
        return False
    if shape_of(answer) not in {
        shape_of(said) for said, group in groups.items() if any(ok for ok, _ in group)
    }:
        return False
    return _agreeing(failure, blame.field, asked.key, groups)


_Groups = dict[str, list[tuple[bool, str]]]


def _agreeing(failure: Failure, name: str, key: str, groups: _Groups) -> bool:
    """True if verdict and right value are the same in all cases of an answer, for every answer."""
    memo, entry = failure.fields.memo, ("follows", name, key)
    if entry not in memo:
        pure = all(len(set(group)) == 1 for group in groups.values())
        beyond = sum(len(group) - 1 for group in groups.values())
        memo[entry] = float(pure and beyond >= AGREEING)
    return bool(memo[entry])


def _by_answer(failure: Failure, name: str, key: str) -> _Groups:
    """Group the cases by answer: True if they passed, and the right value."""
    groups: _Groups = defaultdict(list)
    for reading in failure.fields.readings:
        step = reading.view.by_key(key)
        expected = failure.fields.expected.get(name, {}).get(reading.case.key)
        if step is not None and step.answer and expected is not None:
            groups[_answer_of(step)].append((reading.passed, plain(expected)))
    return dict(groups)


def _is_trusted(failure: Failure, answer: str) -> bool:
    number = re.fullmatch(r"[-+]?\d+(?:[.,]\d+)*", answer) is not None
    return number or mentions(whole_text(failure.case.inputs), answer)


def _answer_of(step: StepView) -> str:
    return (step.answer or "").strip().casefold()


def field_values(failure: Failure) -> Finding | None:
    """The earliest step whose own output carries the wrong value of a field that failed."""
    blame = blame_fields(failure)
    if blame is None or not is_code(failure, blame):
        finding = never_equal(failure)
        if finding is not None:
            return finding
    if blame is None:
        return _only_at_the_end(failure)
    if blame.carrier.mode == "member":
        return _missed(failure, blame)
    if is_code(failure, blame):
        return _through_code(failure, blame)
    finding = wrong_value(failure, blame, blame.step)
    misled = finding.category != "format" and _may_be_misled(failure, blame.step)
    if misled or _is_made_over(failure, blame.step):
        return finding.model_copy(update={"confidence": min(finding.confidence, UNSETTLED)})
    return finding


UNSETTLED = 0.7
"""The most sureness of a step that knows its case from another one alone, or of whose value code makes
another one: either may be what is wrong."""


def _may_be_misled(failure: Failure, step: StepView) -> bool:
    """True if a step is given what another one gave in place of what that one was given."""
    assert failure.view is not None
    before = [other for other in failure.view.steps if other.order < step.order]
    return any(only_source(other, step) for other in before if not other.ran_within(step))


def _is_made_over(failure: Failure, step: StepView) -> bool:
    """True if what the test looked at is nothing that the step gave."""
    given = whole_text([readable_output(step), step.answer])
    values = [value for value in asserted_values(failure) if not is_blank(value)]
    return bool(values) and not any(mentions(given, value) for value in values)


def wrong_value(failure: Failure, blame: Blame, step: StepView) -> Finding:
    """The finding that a step holds the blamed value."""
    category = value_category(failure, step, blame.field, blame.expected, blame.actual)
    about = f"{blame.field}: " if blame.field else ""
    evidence = f"{about}{step.key} gave {shown(blame.actual)} instead of {shown(blame.expected)}"
    if category == "format":
        wrote = excerpt(_form(blame, step), blame.expected)
        evidence = f"{about}{step.key} had {shown(blame.expected)} right, but wrote {wrote}"
        if slip := slip_of(blame.expected, blame.actual):
            evidence = f"{about}{step.key} gave {shown(blame.actual)} for {shown(blame.expected)}: {slip}"
    if blame.downstream:
        evidence += f", and {blame.downstream} went wrong after it"
    return failure.finding(
        category,
        step,
        evidence,
        confidence=0.75 if blame.downstream else 0.85,
        field=blame.field,
        expected=blame.expected,
        actual=blame.actual,
    )


def _form(blame: Blame, step: StepView) -> object:
    """The text that holds the right value in the wrong form."""
    if alike(blame.expected, blame.actual) or not step.answer:
        return blame.actual
    return (
        blame.actual
        if isinstance(blame.actual, str) and mentions(blame.actual, blame.expected)
        else step.answer
    )


def _through_code(failure: Failure, blame: Blame) -> Finding:
    """A step without a model: either it spoiled a right answer before it, or that answer was no better."""
    assert failure.view is not None
    asked = failure.view.last_model_step(blame.step)
    misled = asked is not None and not (
        _right_before(failure, blame, asked) or _takes_another(failure, blame, asked)
    )
    if asked is not None and asked.answer and misled and not _misread(blame, asked.answer):
        category = value_category(failure, asked, blame.field, blame.expected, asked.answer)
        if category == "format" and not _is_converted(failure, blame, asked):
            wrote = excerpt(asked.answer, blame.expected)
            return failure.finding(
                "format",
                asked,
                f"{asked.key} had {shown(blame.expected)} right, but wrote {wrote}, "
                f"of which {blame.step.key} made {shown(blame.actual)}",
                confidence=0.8,
                field=blame.field,
                expected=blame.expected,
                actual=asked.answer,
            )
        if not is_blank(blame.actual) and mentions(asked.answer, blame.actual):
            return wrong_value(failure, blame, asked)
        settled = follows_from_answer(failure, blame, asked) or is_taken(failure, asked.answer)
        if _only_handed_on(failure, blame, asked) and not settled:
            return _content_finding(failure, blame, asked)
    if _was_chosen(failure, blame):
        return failure.finding(
            "content",
            blame.step,
            f"{blame.field or 'output'}: a model chose the tool {blame.step.key}, which gave "
            f"{shown(blame.actual)} instead of {shown(blame.expected)}; where cases pass it is right",
            confidence=0.6,
            level="prompt",
            field=blame.field,
            expected=blame.expected,
            actual=blame.actual,
        )
    return failure.finding(
        "content",
        blame.step,
        f"{blame.field or 'output'}: the code of {blame.step.key} gave {shown(blame.actual)} "
        f"instead of {shown(blame.expected)}",
        confidence=0.6,
        level="structure",
        field=blame.field,
        expected=blame.expected,
        actual=blame.actual,
    )


def _was_chosen(failure: Failure, blame: Blame) -> bool:
    """True if the step is one of several tools that a model was offered, and it works where cases pass: which
    one to ask, and how, is told by prompt and descriptions."""
    assert failure.view is not None
    name = blame.step.name.rpartition(".")[2]
    calls = [call for call in failure.view.trace.llm_calls if any(t.name == name for t in call.tool_calls)]
    if not any(len(call.offered) > 1 for call in calls):
        return False
    right = [
        failure.fields.right(reading, blame.carrier, expected)
        for reading, expected in passing_at(failure, blame.field, blame.carrier)
    ]
    return sum(right) >= 2


def _misread(blame: Blame, answer: str) -> bool:
    """True if the answer is the right value and nothing else, and the code made another value of it; or if it
    has the right value letter by letter, and the code another spelling."""
    if alike(blame.expected, answer) and not is_blank(blame.actual):
        return True
    right, made = list(texts_in(blame.expected)), list(texts_in(blame.actual))
    respelled = alike(right, made) and not same_entries(right, made)
    return respelled and all(text in answer for text in right) and not all(text in answer for text in made)


def _takes_another(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """True if the code finds the right value among other words where cases pass, and took another one here
    that the answer has, too: then its way of looking is what is wrong."""
    answer = asked.answer or ""
    both = mentions(answer, blame.actual) and mentions(answer, blame.expected)
    if not both or alike(blame.expected, blame.actual):
        return False
    wrapped = [
        mentions(said, value) and normal(said) != normal(value)
        for said, value in _passing_answers(failure, blame, asked)
        if value is not None
    ]
    return len(wrapped) >= AGREEING and sum(wrapped) > 0.5 * len(wrapped)


def _passing_answers(failure: Failure, blame: Blame, asked: StepView) -> list[tuple[str, Any]]:
    """Return what a step answered where cases pass, each time with the value that was right for the field."""
    values = failure.fields.expected.get(blame.field, {})
    return [
        (step.answer or "", values.get(reading.case.key))
        for reading in failure.fields.readings
        if reading.passed and (step := reading.view.by_key(asked.key)) is not None
    ]


def _is_converted(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """True if the answer is the right number in another unit, as those of most passing cases are no right
    numbers either: then it is for the code to make these of them."""
    if not slip_of(blame.expected, asked.answer):
        return False
    told = [mentions(said, value) for said, value in _passing_answers(failure, blame, asked)]
    return len(told) >= AGREEING and 2 * sum(told) < len(told)


def _only_handed_on(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """True if the code was given a free answer of the model, or one of which it makes the right elsewhere."""
    answer = normal(asked.answer or "")
    if not any(answer in normal(text) for text in texts_in(blame.step.step.inputs)):
        return False
    others = [
        (normal(step.answer or ""), reading.passed)
        for reading in failure.fields.readings
        if reading.case.id != failure.case.id and (step := reading.view.by_key(asked.key)) is not None
    ]
    if (answer, True) in others:
        return True
    return len(others) >= 4 and len({said for said, _ in others}) > 0.6 * len(others)


def _content_finding(failure: Failure, blame: Blame, asked: StepView) -> Finding:
    return failure.finding(
        "content",
        asked,
        f"{blame.field or 'output'}: {blame.step.key} made {shown(blame.actual)} of the answer "
        f"{shown(asked.answer, 90)} of {asked.key}, instead of {shown(blame.expected)}",
        confidence=0.55,
        field=blame.field,
        expected=blame.expected,
        actual=asked.answer,
    )


def _right_before(failure: Failure, blame: Blame, asked: StepView) -> bool:
    """True if the asking step held the right value in the right place."""
    assert failure.reading is not None
    for carrier in failure.fields.carriers.get(blame.field, []):
        if carrier.step == asked.key and carrier.mode == "value":
            try:
                return failure.fields.right(failure.reading, carrier, blame.expected)
            except KeyError:
                return False
    return False


def _missed(failure: Failure, blame: Blame) -> Finding:
    """A list that lacks what is expected: of passages that code found, or of what a model itself listed."""
    listed = list(texts_in(blame.actual))
    if listed and all(mentions(blame.step.answer or "", text) for text in listed):
        return wrong_value(failure, blame, blame.step)
    return failure.finding(
        "retrieval",
        blame.step,
        f"{blame.step.key} did not return {shown(blame.expected)}",
        confidence=0.8,
        level="param",
        field=blame.field,
        expected=blame.expected,
    )


def _was_told(step: StepView, value: Any) -> bool:
    """True if a model was told a value and did not say it: what it answered has no part in it."""
    if not step.calls or is_blank(value) or len(plain(value)) < 2 or isinstance(value, (list, dict)):
        return False
    return mentions(step.messages_text, value) and not mentions(whole_text([step.output, step.answer]), value)


def _maker_before(failure: Failure, step: StepView) -> StepView | None:
    """Return the last code that ran between a model and the one before it, if that one gave nothing but what
    is in the case; a step that ran several times as it ran first."""
    assert failure.view is not None
    before = [other for other in failure.view.steps if other.order < step.order and other.name != step.name]
    asked = next((other for other in reversed(before) if other.calls), None)
    code = [other for other in before if asked is None or other.order > asked.order]
    if asked is not None and not _is_grounded(failure, asked):
        return None
    return failure.view.by_key(code[-1].name) if code else None


def _is_grounded(failure: Failure, step: StepView) -> bool:
    """True if all that a step gave is in the case's inputs."""
    given, said = whole_text(failure.case.inputs), list(texts_in(step.output))
    return bool(said) and all(mentions(given, text) for text in said)


def _only_at_the_end(failure: Failure) -> Finding | None:
    """Fields that only the pipeline's own output or the assertion shows: the step that answered the value
    which was compared, else the last one that asked a model, answers for them.
    """
    step = answering_step(failure)
    compared = {name: _compared_value(failure, name) for name in failure.failing_fields}
    wrong = [name for name, value in compared.items() if value is not None or failure.wrong_at_end(name)]
    if not wrong or step is None:
        return None
    name = wrong[0]
    expected = failure.expected_value(name)
    given = next((value for value in asserted_values(failure) if _was_told(step, value)), None)
    maker = _maker_before(failure, step) if given is not None else None
    if maker is not None:
        return failure.finding(
            "content",
            maker,
            f"{name or 'the output'} is {shown(given)} instead of {shown(expected)}, and so it was told to "
            f"{step.key}: code before it made that, and {maker.key} was the last to run",
            confidence=0.55,
            level="structure",
            field=name,
            expected=expected,
            actual=given,
        )
    actual = compared[name] or step.answer
    category = value_category(failure, step, name, expected, actual)
    evidence = f"{name or 'the output'} is not {shown(expected)}, and {step.key} is the one that answered"
    if slip := slip_of(expected, actual):
        evidence = f"{step.key} gave {shown(actual)} for {shown(expected)}: {slip}"
    elif category == "format":
        evidence = f"{step.key} had {shown(expected)} right, but wrote {excerpt(step.answer, expected)}"
    return failure.finding(
        category,
        step,
        evidence,
        confidence=0.7 if category == "format" else 0.5,
        field=name,
        expected=expected,
        actual=step.answer,
    )


def _compared_value(failure: Failure, name: str) -> Any:
    """Return what the assertion compared with a label; of one with references, what the output has."""
    forms = failure.fields.forms
    value = forms.asserted.get(name, {}).get(failure.case.key)
    if value is None and name in forms.references and failure.view is not None:
        value = output_leaves(failure.view.trace.output).get(name)
        return None if alike(failure.expected_value(name), value) else value
    return value
