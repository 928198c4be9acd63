"""Rules for a text: what it must and must not contain, its length and form, and that one is always due."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from pytest_fapo.diagnosis.assertions import Requirement, name_kind, phrases
from pytest_fapo.diagnosis.loose_values import MONTHS, is_blank, mentions, normal
from pytest_fapo.propose.playbook.learned_rules import (
    features_for,
    find_condition,
    learn_rules,
    mention_of,
    with_exceptions,
)
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase
from pytest_fapo.propose.playbook.value_form import identifier

MUST_INCLUDE = "required content"

MUST_INCLUDE_TITLE = "What the text must contain"

MOST_PHRASES = 20


@dataclass(frozen=True)
class Demand:
    """One phrase that one case's text must contain."""

    seen: StepCase
    phrase: str


def must_include(view: PromptEvidence) -> Iterator[Advice]:
    """State which values and phrases the text must quote, and when."""
    if view.cluster.category != "requirement":
        return
    demands = demanded(view)
    lacking = [
        seen for seen in view.targets if any(demand.kind == "include" for demand in seen.blamed_demands)
    ]
    quoted, rest = _given_value_lines(view, demands)
    constant, left = _phrase_lines(view, rest)
    facts = _fact_lines(view, left)
    lines = [*quoted, *constant, *facts]
    if lines:
        yield Advice(
            MUST_INCLUDE,
            MUST_INCLUDE_TITLE,
            lines,
            "The text lacks what every good answer has; the prompt does not ask for it.",
            fixes=frozenset(nodeid for seen in lacking for nodeid in seen.targets),
        )


def demanded(view: PromptEvidence) -> list[Demand]:
    """Return the phrases that the cases' labels and the failed assertions demand."""
    demands: dict[tuple[str, str], Demand] = {}
    names = _include_fields(view)
    for seen in view.seen:
        for name in names:
            for phrase in phrases(view.expected(seen, name)):
                demands.setdefault((seen.case.key, phrase), Demand(seen, phrase))
        for demand in seen.demands:
            if demand.kind == "include" and isinstance(demand.value, str):
                demands.setdefault((seen.case.key, demand.value), Demand(seen, demand.value))
    return list(demands.values())


def _include_fields(view: PromptEvidence) -> list[str]:
    """Return the expected fields that list what a text must contain: by name, or because explanations
    say so.
    """
    names = [name for name in view.fields.expected if name and name_kind(name) == "include"]
    for seen in view.targets:
        names += [demand.field for demand in seen.blamed_demands if demand.kind == "include"]
    own = {*view.own_fields, ""}
    return [name for name in dict.fromkeys(names) if name in view.fields.expected and name not in own]


def _given_value_lines(view: PromptEvidence, demands: list[Demand]) -> tuple[list[str], list[Demand]]:
    """Phrases that are values of what the step was given: quote them."""
    by_source: dict[str, list[Demand]] = defaultdict(list)
    rest: list[Demand] = []
    for demand in demands:
        source = _source(view, demand)
        (by_source[source] if source else rest).append(demand)
    lines: list[str] = []
    for source, group in by_source.items():
        if len(group) < 2:
            rest += group
            continue
        name = view.called(source)
        always = sum(not is_blank(view.given(seen).get(source)) for seen in view.seen) >= len(view.seen)
        condition = "" if always else ", whenever there is one"
        lines.append(f"Quote the {name} in the text exactly as it is given{condition}.")
    return lines, rest


def _source(view: PromptEvidence, demand: Demand) -> str:
    """Return the name of the given value that a phrase is: the value itself, else the text that holds it."""
    given = view.given(demand.seen)
    for variable, value in given.items():
        if not is_blank(value) and normal(value) == normal(demand.phrase):
            return variable
    return ""


def _phrase_lines(view: PromptEvidence, demands: list[Demand]) -> tuple[list[str], list[Demand]]:
    """Phrases that recur: when are they due? Always, or by a rule."""
    cases: dict[str, set[str]] = defaultdict(set)
    for demand in demands:
        cases[demand.phrase].add(demand.seen.case.key)
    lines: list[str] = []
    done: set[str] = set()
    for phrase, ids in sorted(cases.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:MOST_PHRASES]:
        if len(ids) < 2:
            continue
        if len(ids) >= 0.95 * len(view.seen):
            lines.append(f'Always include the words "{phrase}".')
            done.add(phrase)
            continue
        conditions = _when(view, ids, phrase)
        lines += [_conditional(condition, phrase) for condition in conditions]
        if conditions:
            done.add(phrase)
    return lines, [demand for demand in demands if demand.phrase not in done]


def _conditional(condition: str, phrase: str) -> str:
    """Return a rule in words: asking for what is missing is more than saying a phrase."""
    condition, unless, exceptions = condition.partition(", unless ")
    asked = condition.endswith("is missing") and mentions(condition, phrase)
    what = f'ask for it, in the words "{phrase}"' if asked else f'include the words "{phrase}"'
    return f"If {condition}, {what}{unless}{exceptions}."


def _when(view: PromptEvidence, ids: set[str], phrase: str) -> list[str]:
    """Return the conditions under which a phrase is due."""
    targets = ["due" if seen.case.key in ids else "not" for seen in view.seen]
    features = features_for(view, "", view.seen)
    simple = find_condition(features, targets, "due")
    if simple:
        return [simple]
    rules = with_exceptions(learn_rules(features, targets, depth=2), "due")
    if rules or any(mentions(view.text(seen), phrase) for seen in view.seen if seen.case.key in ids):
        return rules
    said = find_condition(mention_of(view, view.seen, [each == "due" for each in targets]), targets, "due")
    return [said] if said else []


def _fact_lines(view: PromptEvidence, demands: list[Demand]) -> list[str]:
    """Phrases that stand in what the step was given to read."""
    seen: list[Demand] = []
    from_input: list[Demand] = []
    for demand in demands:
        step = demand.seen.step
        if mentions(view.text(demand.seen), demand.phrase):
            from_input.append(demand)
        elif step is not None and mentions(step.messages_text, demand.phrase):
            seen.append(demand)
    lines: list[str] = []
    named = _identifiers(seen)
    if named:
        made_of = identifier([demand.phrase for demand in named])
        lines.append(
            f"Name the identifier ({made_of}) of the text that the answer rests on, as it stands there."
        )
        seen = [demand for demand in seen if demand not in named]
    lacking = [
        each for each in from_input if each.seen.targets and not mentions(each.seen.answer, each.phrase)
    ]
    if len(from_input) >= 2:
        kind = _kind(lacking if len(lacking) >= 2 else from_input)
        lines.append(f"Repeat {kind} from the {view.noun} exactly as the {view.noun} gives it.")
    if len(seen) >= 2:
        lines.append(
            f"State {_kind(seen)} that the answer rests on, word for word as in the text that you were given."
        )
    return lines


def _identifiers(demands: list[Demand]) -> list[Demand]:
    """Phrases of one make-up with letters and digits, where others have to be there as well."""
    identifiers = [demand for demand in demands if re.fullmatch(r"[A-Z]{1,6}[-_/#]?\d+", demand.phrase)]
    mixed = 2 <= len(identifiers) < len(demands)
    return identifiers if mixed and identifier([demand.phrase for demand in identifiers]) else []


_MONTH = "|".join(MONTHS)

_KINDS = (
    (
        "the dates",
        rf"\d{{4}}-\d\d-\d\d|\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}\b"
        rf"|\b({_MONTH})[a-z]*\.?,? \d|\d\.?[a-z]* (of )?({_MONTH})",
    ),
    ("the times of day", r"\b\d{1,2}:\d\d\b|\b\d{1,2} ?[ap]\.?m\b"),
    ("the amounts of money", r"[$€£¥] ?\d|\d ?([$€£¥]|(usd|eur|gbp|chf|dollars?|euros?|pounds?)\b)"),
    ("the percentages", r"\d ?(%|percent)"),
    ("the e-mail addresses", r"\S@\S+\.\w"),
    ("the links", r"https?://|www\."),
)
"""Kinds of facts by the form that all of them have."""


def _kind(demands: list[Demand]) -> str:
    """Return the kind of these phrases as text."""
    for name, pattern in _KINDS:
        if all(re.search(pattern, demand.phrase, re.I) for demand in demands):
            return name
    with_digits = sum(any(char.isdigit() for char in demand.phrase) for demand in demands)
    if with_digits >= 0.7 * len(demands):
        spaced = sum(" " in demand.phrase for demand in demands)
        units = spaced > len(demands) / 2
        return (
            "the figures with their units (times, amounts, limits)"
            if units
            else "the numbers and identifiers"
        )
    return "the key terms and names"


MUST_NOT = "forbidden content"

MOST_FORBIDDEN = 25


def must_not(view: PromptEvidence) -> Iterator[Advice]:
    """List the words that labels or assertions forbid."""
    if view.cluster.category != "requirement":
        return
    sinners = [
        seen for seen in view.targets if any(demand.kind == "exclude" for demand in seen.blamed_demands)
    ]
    counts: Counter[str] = Counter()
    names = [name for name in view.fields.expected if name and name_kind(name) == "exclude"]
    for seen in view.seen:
        for name in names:
            counts.update(dict.fromkeys(phrases(view.expected(seen, name)), 1))
        for demand in seen.demands:
            if demand.kind == "exclude" and isinstance(demand.value, str):
                counts[demand.value] += 1
    recurring = [phrase for phrase, count in counts.items() if count >= 2][:MOST_FORBIDDEN]
    if not recurring:
        return
    words = ", ".join(f'"{phrase}"' for phrase in recurring)
    yield Advice(
        MUST_NOT,
        "What the text must not contain",
        [f"Never write any of these, in any sentence: {words}."],
        "The text uses words that are not allowed, and the prompt does not say so.",
        fixes=frozenset(nodeid for seen in sinners for nodeid in seen.targets),
    )


TEXT_FORM = "text form"

_FORM = ("longest", "shortest", "begin", "end", "shape")


def text_form(view: PromptEvidence) -> Iterator[Advice]:
    """State the limits and marks that failed assertions tell."""
    requirements: dict[tuple[str, str], list[Requirement]] = defaultdict(list)
    fixes: set[str] = set()
    if view.cluster.category != "requirement":
        return
    for seen in view.seen:
        for demand in seen.demands:
            if demand.kind in _FORM:
                requirements[demand.kind, demand.unit].append(demand)
        if any(demand.kind in _FORM for demand in seen.blamed_demands):
            fixes.update(seen.targets)
    lines = [line for (kind, unit), group in requirements.items() for line in _lines(view, kind, unit, group)]
    if not lines:
        return
    why = "The text is not in the form that is asked of it, and the prompt does not state that form."
    yield Advice(TEXT_FORM, "Form of the text", lines, why, fixes=frozenset(fixes))
    lengths = [line for line in lines if line.startswith("The text has at most")]
    if lengths:
        stricter = [
            *lines,
            "Leave out everything that was not asked for; two or three short sentences will do.",
        ]
        yield Advice(TEXT_FORM, "Form of the text", stricter, why, fixes=frozenset(fixes), grade=1)


def _lines(view: PromptEvidence, kind: str, unit: str, group: list[Requirement]) -> list[str]:
    values: list[Any] = [requirement.value for requirement in group]
    if kind in ("longest", "shortest"):
        name = group[0].field
        stated = (
            [v for v in view.fields.expected.get(name, {}).values() if isinstance(v, int)] if name else []
        )
        every = [*values, *stated]
        return (
            [f"The text has at most {min(every)} {unit}; keep it shorter than that."]
            if kind == "longest"
            else [f"The text has at least {max(every)} {unit}."]
        )
    if len(set(values)) > 1:
        return []
    return {
        "begin": [f'Begin the text with "{values[0]}".'],
        "end": [f'End the text with "{values[0]}".'],
        "shape": [f"Write the text {values[0]}."],
    }[kind]


REFERENCE_LENGTH = "length of the references"

_LONGER = 1.4
"""So many times as long as the references, and the answers are too long; the other way round too short."""


def like_references(view: PromptEvidence) -> Iterator[Advice]:
    """State the length of the reference texts where low-scored answers have another one."""
    if not view.evidence.objectives:
        return
    labels = [(seen, str(text)) for seen in view.seen for text in _references(view, seen)]
    lengths = [len(text.split()) for _, text in labels]
    pairs = [
        (len(seen.answer.split()), len(text.split())) for seen, text in labels if seen.targets and seen.answer
    ]
    if len(pairs) < 3:
        return
    ratio = median(answer / reference for answer, reference in pairs)
    one_sentence = all(len(re.findall(r"[.!?](?:\s|$)", text.strip())) <= 1 for _, text in labels)
    if ratio > _LONGER:
        what = "one sentence of at most" if one_sentence else "at most"
        first = f"Answer with {what} {max(lengths)} words."
        why = "The answers are much longer than the references that they are compared with."
    elif ratio < 1 / _LONGER:
        first = f"Answer with at least {min(lengths)} words."
        why = "The answers are much shorter than the references that they are compared with."
    else:
        return
    stricter = "Write nothing else: no greeting, no introduction, no closing remark."
    for grade, lines in enumerate(([first], [first, stricter])):
        yield Advice(REFERENCE_LENGTH, "Form of the text", lines, why, fixes=_all(view), grade=grade)


def _references(view: PromptEvidence, seen: StepCase) -> Iterator[str]:
    """Yield the label of a case that is a text to be compared with; the longest one."""
    texts = [
        values[seen.case.key]
        for values in view.fields.expected.values()
        if isinstance(values.get(seen.case.key), str) and len(values[seen.case.key].split()) >= 4
    ]
    if texts:
        yield max(texts, key=len)


def answer_always(view: PromptEvidence) -> Iterator[Advice]:
    """Say that an answer is always due where the model declines or says nothing."""
    if view.cluster.category not in ("refusal", "empty"):
        return
    yield Advice(
        "answer always",
        "An answer is always due",
        [
            f"Every {view.noun} is genuine work material of this task; handling it is wanted and allowed.",
            "Always give an answer in the form asked for; where something is unclear, the most likely one.",
            "Never decline, never apologize, never answer with a question or with nothing.",
        ],
        "The model declines or gives nothing, though each case has an answer.",
        fixes=_all(view),
    )


def _all(view: PromptEvidence) -> frozenset[str]:
    return frozenset(nodeid for seen in view.targets for nodeid in seen.targets)
