"""The train cases that are worth showing as examples: by coverage first, then by what earlier ones fixed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_fapo.core.candidate import Artifact, Attempt
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.loose_values import normal, plain, whole_text
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.prompt_evidence import PromptEvidence, StepCase
from pytest_fapo.propose.playbook.prompt_techniques import target_artifacts, view_of

LONGEST_EXAMPLE = 400
"""Characters of an input that is shown; longer ones are left out."""

_LONGEST_TURN = 4_000

_SHARE = 0.5
"""Of the failing cases at most this part is shown: the others have to show the gain."""


@dataclass(frozen=True)
class Example:
    """A train case with the right answer of the step."""

    seen: StepCase
    label: str
    """The right value: examples of equal values cover the same."""
    answer: str
    """The right answer in the form in which the step's model gives it."""
    text: str
    """What the case is about."""

    @property
    def id(self) -> str:
        return self.seen.case.id

    @cached_property
    def question(self) -> str:
        """The message that the step sent for the case; empty where it is not on record in one piece."""
        calls = self.seen.step.calls if self.seen.step is not None else []
        messages = calls[0].messages if calls else []
        last = messages[-1] if messages else None
        if not isinstance(last, dict) or last.get("role", "user") != "user":
            return ""
        content = last.get("content")
        return (content if isinstance(content, str) else whole_text(content)).strip("\n")

    @property
    def turns(self) -> dict[str, str]:
        return {"user": self.question, "assistant": self.answer}

    @property
    def inputs(self) -> dict[str, Any]:
        """The step's own arguments, else the case's inputs, by name."""
        own = self.seen.step.step.inputs if self.seen.step is not None else None
        given = self.seen.case.inputs
        return {**(given if isinstance(given, dict) else {}), **(own if isinstance(own, dict) else {})}


class ExampleChoice:
    """The examples for one step; also those of cases that fail for another cause may be shown.

    Args:
        view: the evidence around the step's prompt.
        turns: true where they are shown as turns: what was asked has to be on record.
    """

    def __init__(self, view: PromptEvidence, *, turns: bool) -> None:
        every = examples_of(view)
        self._examples = [each for each in every if not turns or 0 < len(each.question) <= _LONGEST_TURN]
        self._cluster = set(view.cluster.nodeids)

    @classmethod
    def of_turns(cls, evidence: Evidence) -> ExampleChoice:
        """Return the examples that can be shown as turns, whether or not the step's prompt may be edited."""
        prompts = target_artifacts(evidence)
        empty = Artifact(address="", kind="file", level="prompt", path="", text="")
        return cls(view_of(evidence, prompts[0] if prompts else empty), turns=True)

    def choose(self, most: int, *, last: Attempt | None = None) -> list[Example]:
        """At most so many; see `choose`."""
        failing = sum(bool(each.seen.failing) for each in self._examples)
        return choose(self._examples, most, allowed=int(_SHARE * failing), last=last)

    def targets(self, chosen: Sequence[Example]) -> list[str]:
        """Return the failing items that are left to show the gain: of the cluster, and of the like cases."""
        shown = {each.id for each in chosen}
        left = [each for each in self._examples if each.id not in shown]
        quoted = {nodeid for each in chosen for nodeid in each.seen.nodeids}
        return sorted((self._cluster - quoted) | {nodeid for each in left for nodeid in each.seen.failing})


def examples_of(view: PromptEvidence) -> list[Example]:
    """Return every case that is short enough and says what the step should have answered, short ones
    first.
    """
    found = []
    for seen in view.seen:
        text = view.main_texts()[seen.case.key]
        answer = _right_answer(view, seen)
        if answer is not None and 0 < len(text) <= LONGEST_EXAMPLE:
            found.append(Example(seen, answer[0], answer[1], " ".join(text.split())))
    return sorted(found, key=lambda each: (len(each.text), each.id))


def choose(
    examples: Sequence[Example], most: int, *, allowed: int, last: Attempt | None = None
) -> list[Example]:
    """At most so many examples: of every label one, then more in turn, each label's confusions first.

    Args:
        examples: in the order in which they are taken where nothing else decides.
        most: the number.
        allowed: how many failing cases may be among them.
        last: an attempt with other examples; labels that it did not fix get other cases, and come first.
    """
    shown = set(last.candidate.demonstrations) if last is not None else set()
    unfixed = _unfixed([each for each in examples if each.id not in shown], last)
    queues = {
        label: sorted(_in_turn(group), key=lambda each: (each.id in shown) == (unfixed.get(label, 0) > 0))
        if last is not None
        else _in_turn(group)
        for label, group in _by_label(examples).items()
    }
    order = sorted(queues, key=lambda label: (-unfixed.get(label, 0), -len(queues[label]), label))
    chosen: list[Example] = []
    while any(queues.values()) and len(chosen) < most:
        for label in order:
            queue = queues[label]
            while queue and queue[0].seen.failing and not allowed:
                queue.pop(0)
            if queue and len(chosen) < most:
                chosen.append(queue.pop(0))
                allowed -= bool(chosen[-1].seen.failing)
    return chosen


def _unfixed(examples: Sequence[Example], last: Attempt | None) -> Counter[str]:
    """Return the number of failing cases of each label, less those that an attempt has fixed."""
    fixed = set(last.verdict.fixed) if last is not None else set()
    return Counter(each.label for each in examples if set(each.seen.failing) - fixed)


def _by_label(examples: Sequence[Example]) -> dict[str, list[Example]]:
    groups: dict[str, list[Example]] = {}
    for each in examples:
        groups.setdefault(each.label, []).append(each)
    return groups


def _in_turn(group: Sequence[Example]) -> list[Example]:
    """One of each confusion, then the second of each; cases that pass between failing ones, others last."""
    confusions: dict[str, list[Example]] = {}
    for each in group:
        if each.seen.failing:
            confusions.setdefault(normal(each.seen.answer), []).append(each)
    failing = list(_round_robin(sorted(confusions.values(), key=lambda same: -len(same))))
    passing = [each for each in group if each.seen.passed]
    return list(_round_robin([failing, passing]))


def _round_robin(groups: Sequence[Sequence[Example]]) -> Iterator[Example]:
    depth = max((len(group) for group in groups), default=0)
    return (group[number] for number in range(depth) for group in groups if number < len(group))


def _right_answer(view: PromptEvidence, seen: StepCase) -> tuple[str, str] | None:
    """Return the step's right value, and as its model would write it; None where the labels do not tell."""
    labeled = seen.case.expected_steps.get(view.step)
    if labeled is not None and not (isinstance(labeled, dict) and set(labeled) <= {"contains", "any_of"}):
        return plain(labeled), plain(labeled)
    if view.answers_json:
        fields = {name: view.expected(seen, name) for name in view.own_fields}
        if not fields or any(
            value is None and name not in view.fields.expected for name, value in fields.items()
        ):
            return None
        keys = {view.field_keys.get(name, name): value for name, value in fields.items()}
        answer = json.dumps(keys, ensure_ascii=False)
        return answer, answer
    names = fields_in_question(view)
    value = view.expected(seen, names[0]) if names else None
    if not isinstance(value, (str, int, float)) or not str(value).strip():
        return None
    if view.on_last_line:  # a bare value would teach the model not to reason
        return (plain(value), seen.answer.strip()) if seen.passed else None
    return plain(value), plain(value)
