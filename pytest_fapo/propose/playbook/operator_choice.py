"""The operators worth trying on the failing step, by the kind of its failure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from pytest_fapo.core.candidate import Artifact, Candidate
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Category
from pytest_fapo.propose.operators.lookup_operators import QueryRewriting, SecondHop, ToolLoop
from pytest_fapo.propose.operators.operator import Operator
from pytest_fapo.propose.operators.operator_registry import apply_operator
from pytest_fapo.propose.operators.operator_target import OperatorTarget, find_target
from pytest_fapo.propose.operators.post_processing import PostProcess
from pytest_fapo.propose.operators.project_functions import OperatorError, ProjectSources
from pytest_fapo.propose.operators.reasoning_operators import LeastToMost, PlanThenSolve, VerifyAndRevise
from pytest_fapo.propose.operators.retry_operators import FallbackChain, RetryOnInvalid, SelfConsistency
from pytest_fapo.propose.playbook.answer_cleaning import AnswerCleaning
from pytest_fapo.propose.playbook.playbook_history import AttemptHistory
from pytest_fapo.propose.playbook.prompt_techniques import all_advice, target_artifacts, view_of

_FIRST_WORD = re.compile(r"[\s:,.(]")

_FAILURE = re.compile(r"(?i)error|failed|failure|exception|timeout|timed|unavailable|\w+(error|exception)")

Plan = tuple[Operator, str]
"""An operator and the hypothesis behind it."""


def structure(evidence: Evidence, history: AttemptHistory) -> Iterator[Candidate]:
    """Candidates that give the failing step another structure, the likeliest first."""
    try:
        target = find_target(evidence)
    except OperatorError:
        return
    if history.inert(target.artifact.address):
        return
    put_right = False
    for operator, why in _plans(target, evidence):
        if put_right and isinstance(operator, PostProcess) and operator.at == "result" and not operator.field:
            continue  # the same, one line later
        try:
            edits = apply_operator(operator, evidence)
        except OperatorError:
            continue
        put_right = put_right or isinstance(operator, PostProcess)
        yield Candidate(
            parent=evidence.parent,
            edits=edits,
            hypothesis=why,
            proposer="playbook",
            technique=operator.operator,
            level="structure",
            cluster=evidence.cluster.id,
            step=evidence.cluster.step,
            targets=evidence.cluster.nodeids,
        )


def _plans(target: OperatorTarget, evidence: Evidence) -> Iterator[Plan]:
    chooser = _OperatorChooser(target, evidence)
    seen: list[dict[str, Any]] = []
    for name in _ORDER.get(evidence.cluster.category, ()):
        for plan in getattr(chooser, name)():
            if plan[0].model_dump() not in seen:
                seen.append(plan[0].model_dump())
                yield plan


_ORDER: dict[Category, tuple[str, ...]] = {
    "schema": ("put_right", "retry", "verify"),
    "format": ("put_right", "retry", "verify"),
    "label": ("put_right", "vote", "verify", "plan"),
    "retrieval": ("look_up",),
    "empty": ("look_up", "retry", "fall_back"),
    "cascade": ("look_up", "retry", "fall_back"),
    "tool": ("retry", "fall_back", "tools"),
    "exception": ("put_right", "retry", "fall_back"),
    "truncated": ("retry", "plan"),
    "refusal": ("retry", "verify"),
    "missing-input": ("verify", "look_up"),
    "requirement": ("verify", "retry", "plan"),
    "content": ("put_right", "vote", "verify", "plan", "parts", "tools", "look_up"),
    "unknown": ("put_right", "verify", "plan"),
}


class _OperatorChooser:
    """Fills in the operators' choices from the evidence."""

    def __init__(self, target: OperatorTarget, evidence: Evidence) -> None:
        self._target = target
        self._evidence = evidence
        prompts = target_artifacts(evidence)
        empty = Artifact(address="", kind="file", level="prompt", path="", text="")
        self._view = view_of(evidence, prompts[0] if prompts else empty)
        self._forms = AnswerCleaning(self._view, target)

    @property
    def _asks(self) -> bool:
        """True if the step asks a model."""
        return any(view.calls for view in self._target.views)

    def put_right(self) -> Iterator[Plan]:
        """Deterministic post-processing, where the right answer shows inside what was said."""
        for operator in self._forms.ways():
            yield operator, "The right answer is in what was said; code can put its form right."

    def retry(self) -> Iterator[Plan]:
        failures = self._failure_openings()
        if failures:
            yield (
                RetryOnInvalid(failures=failures),
                f"{self._target.name} fails now and then and says so; another try gets through.",
            )
        if not self._asks:
            return
        labels = self._forms.labels if self._target.form == "text" else []
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

    def vote(self) -> Iterator[Plan]:
        if self._asks and _varies(self._target):
            yield (
                SelfConsistency(),
                "The same question gets different answers; the most frequent one is surer.",
            )

    def verify(self) -> Iterator[Plan]:
        if self._asks:
            checks = self._rules(6)
            yield (
                VerifyAndRevise(checks=checks),
                "The model sees its mistake when it is asked to check for it.",
            )

    def plan(self) -> Iterator[Plan]:
        if self._asks:
            yield PlanThenSolve(), "The task has several parts, some of which are skipped; a plan keeps them."

    def parts(self) -> Iterator[Plan]:
        if self._asks:
            yield LeastToMost(), "The answer rests on findings that have to be made first, one after another."

    def look_up(self) -> Iterator[Plan]:
        """Other words or a further hop for what searches; other arguments where they can be given up."""
        if self._target.form != "list":
            return
        rewriting = [
            (
                QueryRewriting(keep_original=keep),
                "The question and the texts that answer it use different words.",
            )
            for keep in (True, False)
        ]
        hops: list[Plan] = [
            (SecondHop(by_model=by_model), "What is needed is named only in what the first search finds.")
            for by_model in (True, False)
        ]
        first, second = (hops, rewriting) if self._several_are_needed() else (rewriting, hops)
        relaxed = self._relaxed()
        if relaxed and not self._found_something():
            yield relaxed[0]
        yield first[0]
        yield second[0]
        yield from relaxed
        yield from first[1:]
        yield from second[1:]

    def fall_back(self) -> Iterator[Plan]:
        yield from self._relaxed()
        others = self._alike()
        if others:
            yield (
                FallbackChain(functions=others[:2]),
                f"Where {self._target.name} fails, {others[0]} can be asked.",
            )
        yield FallbackChain(), f"{self._target.name} fails now and then; a second try gets through."

    def tools(self) -> Iterator[Plan]:
        tools = self._tools()
        if self._asks and tools:
            yield ToolLoop(tools=tools), "The step has to look something up that it is not given."

    def _rules(self, most: int) -> list[str]:
        """Return the rules that the playbook would write into the prompt."""
        advice = [each for each in all_advice(self._view) if each.fixes] if self._view.seen else []
        lines = dict.fromkeys(line for each in advice[:2] for line in each.lines if len(line) <= 200)
        return list(lines)[:most]

    def _several_are_needed(self) -> bool:
        wanted = [finding.expected for finding in self._evidence.cluster.findings]
        return self._found_something() and any(isinstance(each, list) and len(each) > 1 for each in wanted)

    def _found_something(self) -> bool:
        return any(view.output for view in self._target.views)

    def _relaxed(self) -> list[Plan]:
        """Filters of the step that may be left out: parameters that may be None."""
        node = self._target.source.node
        positional = [*node.args.posonlyargs, *node.args.args]
        defaults = dict(zip([each.arg for each in positional][::-1], node.args.defaults[::-1], strict=False))
        for parameter in self._target.parameters:
            annotation = _written(parameter.annotation)
            default = _written(defaults.get(parameter.arg))
            if re.search(r"\bNone\b|Optional\[", annotation) or default == "None":
                values = self._target.recorded(parameter.arg)
                if any(value is not None for value in values):
                    why = f"Nothing fits where {parameter.arg} is heeded; the second search leaves it out."
                    return [(FallbackChain(relaxed={parameter.arg: None}), why)]
        return []

    def _alike(self) -> list[str]:
        """Functions of the module with the same parameters."""
        module = ProjectSources.of(self._evidence).module(self._target.artifact.path)
        wanted = [parameter.arg for parameter in self._target.parameters]
        found = []
        for name, node in module.functions.items() if module is not None else ():
            given = [each.arg for each in [*node.args.posonlyargs, *node.args.args]]
            if (
                "." not in name
                and name != self._target.name
                and given == wanted
                and _shares_a_word(name, self._target.name)
            ):
                found.append(name)
        return found

    def _tools(self) -> list[str]:
        """Functions of the module that take one text and ask no model."""
        module = ProjectSources.of(self._evidence).module(self._target.artifact.path)
        model_steps = {
            step.name
            for case in self._evidence.cases
            for step in (case.trace.steps if case.trace is not None else [])
            if step.llm_calls
        }
        found = []
        for name, node in module.functions.items() if module is not None else ():
            arguments = [*node.args.posonlyargs, *node.args.args]
            textual = len(arguments) == 1 and _written(arguments[0].annotation) in ("str", "")
            if "." not in name and name[:1] != "_" and textual and name not in model_steps:
                found.append(name)
        return [name for name in found if name != self._target.name][:4]


def _written(node: Any) -> str:
    return ast.unparse(node) if node is not None else ""


def _shares_a_word(name: str, other: str) -> bool:
    return bool(set(name.strip("_").split("_")) & set(other.strip("_").split("_")))


def _varies(target: OperatorTarget) -> bool:
    """True if one input got several answers, or the model is asked at a temperature above 0."""
    answers: dict[str, set[str]] = {}
    for view in target.views:
        answers.setdefault(str(view.step.inputs), set()).add(str(view.output))
    hot = [call.parameters.get("temperature") for view in target.views for call in view.calls]
    return any(len(said) > 1 for said in answers.values()) or any(
        isinstance(heat, (int, float)) and heat > 0 for heat in hot
    )
