"""The operators worth trying on the failing step, by the kind of its failure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_fapo.core.candidate import Artifact, Candidate
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Category
from pytest_fapo.propose.operators.call_sites import artifact_of, call_site
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.operator_target import OperatorTarget, find_target, may_be_edited
from pytest_fapo.propose.operators.project_functions import OperatorError
from pytest_fapo.propose.operators.step_operators import (
    RetryOnInvalid,
    SecondHop,
    VerifyAndRevise,
    apply_operator,
)
from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_techniques import all_advice, target_artifacts, view_of

MOST_LABELS = 40
"""Labels of a step that its retries can be held to."""

_FIRST_WORD = re.compile(r"[\s:,.(]")

_FAILURE = re.compile(r"(?i)error|failed|failure|exception|timeout|timed|unavailable|\w+(error|exception)")

Plan = tuple[Operator, str]
"""An operator and the hypothesis behind it."""


def structure(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Yield candidates that give the failing step another structure, the likeliest first."""
    try:
        target = _target(evidence)
    except OperatorError:
        return
    if history.inert(target.artifact.address):
        return
    for operator, why in _plans(target, evidence):
        try:
            edits = apply_operator(operator, evidence)
        except OperatorError:
            continue
        yield evidence.candidate(
            edits,
            proposer="playbook",
            technique=operator.operator,
            hypothesis=why,
            level="structure",
        )


def _target(evidence: Evidence) -> OperatorTarget:
    """Return the failing step's function, else its call in a function that may be edited."""
    return find_target(evidence) if may_be_edited(evidence) else call_site(evidence).target


def _plans(target: OperatorTarget, evidence: Evidence) -> Iterator[Plan]:
    chooser = _OperatorChooser(target, evidence)
    for name in _ORDER.get(evidence.cluster.category, ()):
        yield from getattr(chooser, name)()


_ORDER: dict[Category, tuple[str, ...]] = {
    "schema": ("retry", "verify"),
    "format": ("retry", "verify"),
    "label": ("verify",),
    "retrieval": ("look_up",),
    "empty": ("look_up", "retry"),
    "cascade": ("look_up", "retry"),
    "tool": ("retry",),
    "exception": ("retry",),
    "truncated": ("retry",),
    "refusal": ("retry", "verify"),
    "missing-input": ("verify", "look_up"),
    "requirement": ("verify", "retry"),
    "content": ("verify", "look_up"),
    "unknown": ("verify",),
}


class _OperatorChooser:
    """Fills in the operators' choices from the evidence."""

    def __init__(self, target: OperatorTarget, evidence: Evidence) -> None:
        self._target = target
        self._evidence = evidence
        prompts = target_artifacts(evidence)
        empty = Artifact(address="", kind="file", level="prompt", path="", text="")
        self._view = view_of(evidence, prompts[0] if prompts else empty)

    @property
    def _asks(self) -> bool:
        """True if the step asks a model."""
        return any(view.calls for view in self._target.views)

    def retry(self) -> Iterator[Plan]:
        failures = self._failure_openings()
        if failures:
            yield (
                RetryOnInvalid(failures=failures),
                f"{self._target.name} fails now and then and says so; another try gets through.",
            )
        if not self._asks:
            return
        labels = self._labels() if self._target.form == "text" else []
        hint = self._rules(1)
        yield (
            RetryOnInvalid(choices=labels, hint=hint[0] if hint else ""),
            "Now and then the answer cannot be used; asked again, the model gives one that can.",
        )

    def _failure_openings(self) -> list[str]:
        """Return the beginnings of results that report a failure: one word in all failing cases, in no
        passing one.
        """
        begins: dict[bool, set[str]] = {True: set(), False: set()}
        for seen in self._view.seen:
            output = seen.step.output if seen.step is not None else None
            if isinstance(output, str):
                begins[seen.passed].add(_FIRST_WORD.split(output.strip())[0])
        openings = begins[False] - begins[True]
        return sorted(word for word in openings if _FAILURE.fullmatch(word))

    def _labels(self) -> list[str]:
        """Return the closed set of answers, where the step gives nothing else."""
        for name in fields_in_question(self._view)[:1]:
            labels = self._view.fields.closed_set(name)
            if 2 <= len(labels) <= MOST_LABELS and all(isinstance(label, str) and label for label in labels):
                return list(labels)
        return []

    def verify(self) -> Iterator[Plan]:
        if self._asks:
            checks = self._rules(6)
            yield (
                VerifyAndRevise(checks=checks),
                "The model sees its mistake when it is asked to check for it.",
            )

    def look_up(self) -> Iterator[Plan]:
        """Yield a further hop for what searches: the step itself, else an earlier one."""
        why = "What is needed is named only in what the first search finds."
        searching = [""] if self._target.form == "list" else self._searching_before()
        for function in searching:
            for by_model in (True, False):
                yield SecondHop(function=function, by_model=by_model), why

    def _searching_before(self) -> list[str]:
        """Return the addresses of the functions of earlier steps that gave lists without asking a model."""
        giving: dict[str, bool] = {}
        for seen in self._view.targets:
            for view in seen.view.steps if seen.view is not None and seen.step is not None else ():
                if seen.step is not None and view.order < seen.step.order:
                    lists = isinstance(view.output, list) and bool(view.output) and not view.calls
                    giving[view.name] = giving.get(view.name, True) and lists
        found = [artifact_of(name, self._evidence) for name, gives in giving.items() if gives]
        return [artifact.address for artifact in found if artifact is not None]

    def _rules(self, most: int) -> list[str]:
        """Return the rules that the playbook would write into the prompt."""
        advice = [each for each in all_advice(self._view) if each.fixes] if self._view.seen else []
        lines = dict.fromkeys(line for each in advice[:2] for line in each.lines if len(line) <= 200)
        return list(lines)[:most]
