"""Simple rules learned from labeled cases: tables, thresholds, and defaults where something is missing.

Features are what a rule can refer to; a technique writes the rules of a value into the prompt.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_fapo.diagnosis.loose_values import is_blank, normal, plain, same, to_number
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.label_terms import Lexicon, Term, terms_in
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence, StepCase

FeatureKind = Literal["choice", "number", "presence", "mention"]

MOST_CHOICES = 20

MOST_WORDS = 4
"""Words that a rule names as those of the input."""

_AMOUNT = re.compile(
    r"(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)\b)\s?(\d[\d,]*(?:\.\d+)?)"
    r"|(\d[\d,]*(?:\.\d+)?)\s?(?:[€$£]|\b(?:USD|EUR|GBP|CHF|dollars?|euros?|pounds?)\b)",
    re.I,
)

_SPANS = {
    unit: re.compile(rf"\b(\d+)[\s-]{unit}s?\b", re.I)
    for unit in ("minute", "hour", "day", "week", "month", "year")
}


@dataclass(frozen=True)
class Feature:
    """One value per case."""

    kind: FeatureKind
    name_in_rules: str
    """The name in rules: `the category`, `the amount`, `the order number`."""
    values: tuple[Any, ...]
    """Texts for choices, floats or None for numbers, booleans (is it there?) for presence and mention."""


def features_for(view: PromptEvidence, name: str, rows: Sequence[StepCase]) -> list[Feature]:
    """Return all features of some cases, but for the field `name` itself."""
    features: list[Feature] = []
    taken = {normal(name.rpartition(".")[2])}
    for other in view.fields.expected:
        closed = view.fields.closed_set(other)
        if not closed or len(closed) > MOST_CHOICES or not _comes_before(view, other, name):
            continue
        name_in_rules = (
            view.caption(other)
            if other in view.field_keys
            else f"the {other.rpartition('.')[2].replace('_', ' ')}"
        )
        values = tuple(plain(view.expected(seen, other)) for seen in rows)
        features.append(Feature("choice", name_in_rules, values))
        taken.add(normal(other.rpartition(".")[2]))
    for variable in view.variables:
        if normal(variable) in taken:
            continue
        features.extend(_given(view, variable, rows))
    features.extend(_numbers_in_text(view, rows))
    return features


def mention_of(view: PromptEvidence, rows: Sequence[StepCase], due: Sequence[bool]) -> list[Feature]:
    """One feature: the input holds any of a few words that tell the cases in which something is due."""
    texts = [view.main_texts()[seen.case.key] for seen in rows]
    groups: dict[str, list[str]] = {"due": [], "not": []}
    for text, is_due in zip(texts, due, strict=True):
        groups["due" if is_due else "not"].append(text)
    terms: list[Term] = []
    left = [set(terms_in(text)) for text in groups["due"]]
    for term in Lexicon(groups).cover("due", MOST_WORDS):
        if any(term.stem in text for text in left):
            terms.append(term)
            left = [text for text in left if term.stem not in text]
    found = tuple(any(term.stem in terms_in(text) for term in terms) for text in texts)
    words = " or ".join(f'"{term.surface}"' for term in terms)
    return [Feature("mention", f"the {view.noun} says {words}", found)] if terms else []


def _comes_before(view: PromptEvidence, other: str, name: str) -> bool:
    """True if a field is known when `name` is decided: told by an earlier step, or earlier in this one."""
    names = list(view.fields.expected)
    if other == name:
        return False
    if name not in names:
        return True
    mine, its = view.decided_at(name), view.decided_at(other)
    return its < mine or (its == mine and names.index(other) < names.index(name))


def _given(view: PromptEvidence, variable: str, rows: Sequence[StepCase]) -> Iterator[Feature]:
    values = [view.given(seen).get(variable) for seen in rows]
    name_in_rules = f"the {view.called(variable)}"
    missing = [is_blank(value) for value in values]
    if 2 <= sum(missing) <= len(rows) - 2:
        yield Feature("presence", name_in_rules, tuple(not gone for gone in missing))
    numbers = [to_number(value) for value in values]
    if sum(number is not None for number in numbers) >= 0.8 * len(rows):
        yield Feature("number", name_in_rules, tuple(numbers))
        return
    texts = [plain(value) for value in values]
    counts = Counter(texts)
    if 2 <= len(counts) <= MOST_CHOICES and len(counts) * 2 <= len(rows) and max(map(len, texts)) <= 40:
        yield Feature("choice", name_in_rules, tuple(texts))


def _numbers_in_text(view: PromptEvidence, rows: Sequence[StepCase]) -> Iterator[Feature]:
    texts = [view.text(seen) for seen in rows]
    amounts = [_largest(_AMOUNT, text) for text in texts]
    if sum(amount is not None for amount in amounts) >= 4:
        yield Feature("number", "the amount of money", tuple(amounts))
    for unit, pattern in _SPANS.items():
        spans = [_largest(pattern, text) for text in texts]
        if sum(span is not None for span in spans) >= 4:
            yield Feature("number", f"the number of {unit}s", tuple(spans))


def _largest(pattern: re.Pattern[str], text: str) -> float | None:
    groups = (next(group for group in match.groups() if group) for match in pattern.finditer(text))
    return max((float(group.replace(",", "")) for group in groups), default=None)


SUPPORT = 2
"""Cases that a rule needs on its side."""

NUMBER_SUPPORT = 3


@dataclass(frozen=True)
class LearnedRule:
    """If all conditions hold, the value is `value`."""

    conditions: tuple[str, ...]
    value: str
    support: int


@dataclass
class RuleSplit:
    """A way to part the cases: condition -> rows."""

    feature: Feature
    parts: dict[str, list[int]] = field(default_factory=dict)
    odd: int = 0
    """The distance of a threshold from a round number: its digits."""


def learn_rules(features: Sequence[Feature], targets: Sequence[str], *, depth: int = 2) -> list[LearnedRule]:
    """Return a small decision tree as rules; branches that do not agree on a value are left out.

    Args:
        features: one value per case each.
        targets: the value that each case expects.
        depth: how many conditions a rule may have.
    """
    rows = list(range(len(targets)))
    rules = _simplified(_grow(features, targets, rows, depth, ()))
    return rules if len({rule.value for rule in rules}) >= 2 or _partial(rules, targets) else []


def find_condition(features: Sequence[Feature], targets: Sequence[str], value: str) -> str:
    """One condition that holds in nearly all cases with a value, and mostly there; empty where none does.

    For demands: to meet one where it is not asked for does no harm, to miss one does.
    """
    rows = list(range(len(targets)))
    due = {row for row in rows if targets[row] == value}
    ranked: list[tuple[float, int, str]] = []
    for number, feature in enumerate(features):
        for split in _splits(feature, targets, rows):
            for condition, part in split.parts.items():
                hits = len(due & set(part))
                if hits >= SUPPORT and hits >= 0.95 * len(due) and hits >= 0.6 * len(part):
                    ranked.append((hits / len(part), -number, condition))
    return max(ranked)[2] if ranked else ""


def with_exceptions(rules: Sequence[LearnedRule], value: str) -> list[str]:
    """Return the conditions for a value; many branches of one condition are said as that one and its
    exceptions.
    """
    due = [rule for rule in rules if rule.value == value]
    said: list[str] = []
    for first in dict.fromkeys(rule.conditions[0] for rule in due):
        branches = [rule for rule in due if rule.conditions[0] == first]
        others = [rule.conditions[1] for rule in rules if rule.conditions[0] == first and rule.value != value]
        if (
            len(branches) >= 3
            and len(branches) > len(others)
            and all(len(rule.conditions) == 2 for rule in branches)
        ):
            said.append(f"{first}, unless {' or '.join(others)}" if others else first)
        else:
            said += [" and ".join(rule.conditions) for rule in branches]
    return said


def explained(rules: Sequence[LearnedRule], total: int) -> float:
    """Return the share of the cases that some rule decides."""
    return sum(rule.support for rule in rules) / total if total else 0.0


def _partial(rules: Sequence[LearnedRule], targets: Sequence[str]) -> bool:
    """A single rule is worth saying only where it is not the value that most cases have anyway."""
    most = Counter(targets).most_common(1)[0][0]
    return any(rule.value != most for rule in rules)


def _grow(
    features: Sequence[Feature],
    targets: Sequence[str],
    rows: list[int],
    depth: int,
    conditions: tuple[str, ...],
) -> list[LearnedRule]:
    counts = Counter(targets[row] for row in rows)
    if conditions and (len(counts) == 1 or _nearly_one(counts)):
        value, _ = counts.most_common(1)[0]
        return [LearnedRule(conditions, value, len(rows))] if len(rows) >= SUPPORT else []
    if depth == 0 or len(rows) < 2 * SUPPORT:
        return []
    splits = [split for feature in features for split in _splits(feature, targets, rows)]
    gains = [_gain(split, targets, rows) for split in splits]
    if not gains or max(gains) <= 0.05:
        return []
    best = splits[gains.index(max(gains))]
    rules: list[LearnedRule] = []
    for condition, part in best.parts.items():
        rules += _grow(features, targets, part, depth - 1, (*conditions, condition))
    return rules


def _simplified(rules: list[LearnedRule]) -> list[LearnedRule]:
    """One condition instead of two where the second gives the same value whatever the first is."""
    simpler: dict[tuple[str, ...], LearnedRule] = {}
    for rule in rules:
        last = rule.conditions[-1]
        same = [other for other in rules if other.conditions[-1] == last]
        if len(rule.conditions) == 2 and len(same) >= 2 and len({other.value for other in same}) == 1:
            rule = LearnedRule((last,), rule.value, sum(other.support for other in same))
        simpler.setdefault(rule.conditions, rule)
    return sorted(simpler.values(), key=lambda rule: len(rule.conditions))


def _nearly_one(counts: Counter[str]) -> bool:
    total = sum(counts.values())
    return total >= 10 and counts.most_common(1)[0][1] >= 0.95 * total


def _splits(feature: Feature, targets: Sequence[str], rows: list[int]) -> list[RuleSplit]:
    if feature.kind == "choice":
        split = RuleSplit(feature)
        for row in rows:
            split.parts.setdefault(f"{feature.name_in_rules} is {feature.values[row]}", []).append(row)
        return [split] if len(split.parts) >= 2 else []
    if feature.kind in ("presence", "mention"):
        split = RuleSplit(feature)
        there, gone = f"{feature.name_in_rules} is given", f"{feature.name_in_rules} is missing"
        if feature.kind == "mention":
            there, gone = feature.name_in_rules, feature.name_in_rules.replace(" says ", " does not say ")
        for row in rows:
            split.parts.setdefault(there if feature.values[row] else gone, []).append(row)
        return [split] if len(split.parts) == 2 else []
    return _thresholds(feature, targets, rows)


def _thresholds(feature: Feature, targets: Sequence[str], rows: list[int]) -> list[RuleSplit]:
    known = sorted((feature.values[row], row) for row in rows if feature.values[row] is not None)
    without = [row for row in rows if feature.values[row] is None]
    splits = []
    for index in range(1, len(known)):
        low, high = known[index - 1][0], known[index][0]
        if low == high or targets[known[index - 1][1]] == targets[known[index][1]]:
            continue
        if index < NUMBER_SUPPORT or len(known) - index < NUMBER_SUPPORT:
            continue
        limit = round_between(low, high)
        split = RuleSplit(feature, odd=len(limit.strip("0.")))
        above, below = (
            f"{feature.name_in_rules} is more than {limit}",
            f"{feature.name_in_rules} is {limit} or less",
        )
        split.parts[above] = [row for value, row in known if value > float(limit)]
        split.parts[below] = [row for value, row in known if value <= float(limit)]
        if without:
            split.parts[f"{feature.name_in_rules} is not given"] = without
        splits.append(split)
    return splits


def round_between(low: float, high: float) -> str:
    """Return the roundest number of [low, high): what a person would have set as the limit."""
    whole = float(low).is_integer() and float(high).is_integer()
    for power in range(9, -5, -1):
        for factor in (1, 0.5, 0.25, 0.2):
            unit = factor * 10.0**power
            candidate = -(-low // unit) * unit
            if low <= candidate < high and candidate > 0 and (candidate.is_integer() or not whole):
                return f"{candidate:g}" if candidate < 1e6 else f"{candidate:.0f}"
    return f"{low:g}"


def _gain(split: RuleSplit, targets: Sequence[str], rows: list[int]) -> float:
    """Return how many more cases the split gets right, less a little for every part that it needs."""
    before = Counter(targets[row] for row in rows).most_common(1)[0][1]
    after = sum(
        Counter(targets[row] for row in part).most_common(1)[0][1] for part in split.parts.values() if part
    )
    alone = sum(1 for part in split.parts.values() if len(part) == 1)
    return (after - alone - before) / len(rows) - 0.005 * len(split.parts) - 0.001 * split.odd


VALUE_RULES = "value rules"

MOST_VALUES = 25

MOST_RULES = 30


def choosing(view: PromptEvidence) -> Iterator[Advice]:
    """State the rules that give a field's value in all train cases where they apply."""
    for name in fields_in_question(view):
        rows = view.labeled(name)
        targets = [plain(view.expected(seen, name)) for seen in rows]
        if not 2 <= len(set(targets)) <= MOST_VALUES or len(rows) < 6:
            continue
        features = features_for(view, name, rows)
        for grade, depth in enumerate((1, 2)):
            rules = learn_rules(features, targets, depth=depth)
            if not rules or len(rules) > MOST_RULES or explained(rules, len(rows)) < 0.2:
                continue
            fixes = frozenset(
                nodeid
                for seen in view.targets
                if not same(view.expected(seen, name), view.answer_of(seen, name))
                and any(rule.value == plain(view.expected(seen, name)) for rule in rules)
                for nodeid in seen.targets
            )
            share = explained(rules, len(rows))
            fixed = frozenset(sorted(fixes)[: round(share * len(fixes))]) if share < 0.9 else fixes
            yield Advice(
                VALUE_RULES,
                _title(view, name),
                [_line(view, name, rule) for rule in rules],
                f"{view.caption(name)} follows from other values by a rule that the prompt does not state.",
                fixes=fixed,
                grade=grade,
            )


def _title(view: PromptEvidence, name: str) -> str:
    caption = view.caption(name)
    return f"Rules for {caption}" if caption.startswith('"') else f"Rules for the {caption}"


def _line(view: PromptEvidence, name: str, rule: LearnedRule) -> str:
    caption = view.caption(name)
    subject = caption if caption.startswith('"') else f"the {caption}"
    value = "null (not a string)" if normal(rule.value) == "null" else rule.value
    return f"If {' and '.join(rule.conditions)}, {subject} is {value}."
