"""Simple rules learned from labelled cases: tables, thresholds, and what holds where something is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_fapo.propose.playbook.features import Feature

SUPPORT = 2
"""Cases that a rule needs on its side."""
NUMBER_SUPPORT = 3


@dataclass(frozen=True)
class Rule:
    """If all conditions hold, the value is `value`."""

    conditions: tuple[str, ...]
    value: str
    support: int


@dataclass
class Split:
    """A way to part the cases: condition -> rows."""

    feature: Feature
    parts: dict[str, list[int]] = field(default_factory=dict)
    odd: int = 0
    """How far a threshold is from a round number: its digits."""


def learn_rules(features: Sequence[Feature], targets: Sequence[str], *, depth: int = 2) -> list[Rule]:
    """A small decision tree as rules; branches that do not agree on a value are left out.

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
    found: list[tuple[float, int, str]] = []
    for number, feature in enumerate(features):
        for split in _splits(feature, targets, rows):
            for condition, part in split.parts.items():
                hits = len(due & set(part))
                if hits >= SUPPORT and hits >= 0.95 * len(due) and hits >= 0.6 * len(part):
                    found.append((hits / len(part), -number, condition))
    return max(found)[2] if found else ""


def with_exceptions(rules: Sequence[Rule], value: str) -> list[str]:
    """The conditions for a value; many branches of one condition are said as that one and its exceptions."""
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


def explained(rules: Sequence[Rule], total: int) -> float:
    """Share of the cases that some rule decides."""
    return sum(rule.support for rule in rules) / total if total else 0.0


def _partial(rules: Sequence[Rule], targets: Sequence[str]) -> bool:
    """A single rule is worth saying only where it is not the value that most cases have anyway."""
    most = Counter(targets).most_common(1)[0][0]
    return any(rule.value != most for rule in rules)


def _grow(
    features: Sequence[Feature],
    targets: Sequence[str],
    rows: list[int],
    depth: int,
    conditions: tuple[str, ...],
) -> list[Rule]:
    counts = Counter(targets[row] for row in rows)
    if conditions and (len(counts) == 1 or _nearly_one(counts)):
        value, _ = counts.most_common(1)[0]
        return [Rule(conditions, value, len(rows))] if len(rows) >= SUPPORT else []
    if depth == 0 or len(rows) < 2 * SUPPORT:
        return []
    splits = [split for feature in features for split in _splits(feature, targets, rows)]
    gains = [_gain(split, targets, rows) for split in splits]
    if not gains or max(gains) <= 0.05:
        return []
    best = splits[gains.index(max(gains))]
    rules: list[Rule] = []
    for condition, part in best.parts.items():
        rules += _grow(features, targets, part, depth - 1, (*conditions, condition))
    return rules


def _simplified(rules: list[Rule]) -> list[Rule]:
    """One condition instead of two where the second gives the same value whatever the first is."""
    simpler: dict[tuple[str, ...], Rule] = {}
    for rule in rules:
        last = rule.conditions[-1]
        same = [other for other in rules if other.conditions[-1] == last]
        if len(rule.conditions) == 2 and len(same) >= 2 and len({other.value for other in same}) == 1:
            rule = Rule((last,), rule.value, sum(other.support for other in same))
        simpler.setdefault(rule.conditions, rule)
    return sorted(simpler.values(), key=lambda rule: len(rule.conditions))


def _nearly_one(counts: Counter[str]) -> bool:
    total = sum(counts.values())
    return total >= 10 and counts.most_common(1)[0][1] >= 0.95 * total


def _splits(feature: Feature, targets: Sequence[str], rows: list[int]) -> list[Split]:
    if feature.kind == "choice":
        split = Split(feature)
        for row in rows:
            split.parts.setdefault(f"{feature.words} is {feature.values[row]}", []).append(row)
        return [split] if len(split.parts) >= 2 else []
    if feature.kind == "presence":
        split = Split(feature)
        for row in rows:
            condition = f"{feature.words} is given" if feature.values[row] else f"{feature.words} is missing"
            split.parts.setdefault(condition, []).append(row)
        return [split] if len(split.parts) == 2 else []
    return _thresholds(feature, targets, rows)


def _thresholds(feature: Feature, targets: Sequence[str], rows: list[int]) -> list[Split]:
    known = sorted((feature.values[row], row) for row in rows if feature.values[row] is not None)
    without = [row for row in rows if feature.values[row] is None]
    found = []
    for index in range(1, len(known)):
        low, high = known[index - 1][0], known[index][0]
        if low == high or targets[known[index - 1][1]] == targets[known[index][1]]:
            continue
        if index < NUMBER_SUPPORT or len(known) - index < NUMBER_SUPPORT:
            continue
        limit = round_between(low, high)
        split = Split(feature, odd=len(limit.strip("0.")))
        above, below = f"{feature.words} is more than {limit}", f"{feature.words} is {limit} or less"
        split.parts[above] = [row for value, row in known if value > float(limit)]
        split.parts[below] = [row for value, row in known if value <= float(limit)]
        if without:
            split.parts[f"{feature.words} is not given"] = without
        found.append(split)
    return found


def round_between(low: float, high: float) -> str:
    """The roundest number of [low, high): what a person would have set as the limit."""
    whole = float(low).is_integer() and float(high).is_integer()
    for power in range(9, -5, -1):
        for factor in (1, 0.5, 0.25, 0.2):
            unit = factor * 10.0**power
            candidate = -(-low // unit) * unit
            if low <= candidate < high and candidate > 0 and (candidate.is_integer() or not whole):
                return f"{candidate:g}" if candidate < 1e6 else f"{candidate:.0f}"
    return f"{low:g}"


def _gain(split: Split, targets: Sequence[str], rows: list[int]) -> float:
    """How much more of the cases the split tells right, less a little for every part it needs."""
    before = Counter(targets[row] for row in rows).most_common(1)[0][1]
    after = sum(
        Counter(targets[row] for row in part).most_common(1)[0][1] for part in split.parts.values() if part
    )
    alone = sum(1 for part in split.parts.values() if len(part) == 1)
    return (after - alone - before) / len(rows) - 0.005 * len(split.parts) - 0.001 * split.odd
