"""How a value follows from others: tables, thresholds, defaults where something is missing."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.propose.playbook.advice import Advice
from pytest_fapo.propose.playbook.features import features_for
from pytest_fapo.propose.playbook.rules import Rule, explained, learn_rules
from pytest_fapo.propose.playbook.techniques.label_set import fields_in_question
from pytest_fapo.propose.playbook.view import View
from pytest_fapo.reading.values import normal, plain, same

NAME = "value rules"
MOST_VALUES = 25
MOST_RULES = 30


def choosing(view: View) -> Iterator[Advice]:
    """State the rules that give a field's value in all train cases where they apply."""
    for name in fields_in_question(view):
        rows = view.labelled(name)
        targets = [plain(view.expected(seen, name)) for seen in rows]
        if not 2 <= len(set(targets)) <= MOST_VALUES or len(rows) < 6:
            continue
        features = features_for(view, name, rows)
        for grade, depth in enumerate((1, 2)):
            rules = learn_rules(features, targets, depth=depth)
            if not rules or len(rules) > MOST_RULES or explained(rules, len(rows)) < 0.2:
                continue
            mends = frozenset(
                nodeid
                for seen in view.targets
                if not same(view.expected(seen, name), view.told(seen, name))
                and any(rule.value == plain(view.expected(seen, name)) for rule in rules)
                for nodeid in seen.targets
            )
            share = explained(rules, len(rows))
            mended = frozenset(sorted(mends)[: round(share * len(mends))]) if share < 0.9 else mends
            yield Advice(
                NAME,
                _title(view, name),
                [_line(view, name, rule) for rule in rules],
                f"{view.caption(name)} follows from other values by a rule that the prompt does not state.",
                mends=mended,
                grade=grade,
            )


def _title(view: View, name: str) -> str:
    caption = view.caption(name)
    return f"Rules for {caption}" if caption.startswith('"') else f"Rules for the {caption}"


def _line(view: View, name: str, rule: Rule) -> str:
    caption = view.caption(name)
    subject = caption if caption.startswith('"') else f"the {caption}"
    value = "null (not a string)" if normal(rule.value) == "null" else rule.value
    return f"If {' and '.join(rule.conditions)}, {subject} is {value}."
