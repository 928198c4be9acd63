"""The evidence as the techniques read it: each case's input of the step, its answer and the right answer.

A technique is a function from this view of one prompt to `Advice`: sections of rules.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.assertions import Requirement, read_assertion, stated_requirement
from pytest_fapo.diagnosis.field_map import CaseRun, FieldMap
from pytest_fapo.diagnosis.label_forms import LabelForms
from pytest_fapo.diagnosis.loose_values import (
    JsonReading,
    is_blank,
    leaves,
    normal,
    plain,
    read_json,
    same,
    whole_text,
)
from pytest_fapo.diagnosis.trace_view import StepView, TraceView, helper_names
from pytest_fapo.propose.playbook.prompt_document import PromptDocument


@dataclass
class StepCase:
    """One train case as the step saw it."""

    case: Case
    nodeids: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    """Its items that fail, of whatever cluster."""
    targets: list[str] = field(default_factory=list)
    """Its items that fail in this cluster."""
    explanations: list[str] = field(default_factory=list)
    blamed: list[str] = field(default_factory=list)
    """The explanations of `targets`."""
    view: TraceView | None = None
    step: StepView | None = None

    @property
    def passed(self) -> bool:
        return not self.failing

    @property
    def answer(self) -> str:
        return (self.step.answer or "") if self.step is not None else ""

    @cached_property
    def json(self) -> JsonReading | None:
        return read_json(self.answer)

    @cached_property
    def text(self) -> str:
        """All that the case gives as input."""
        return whole_text(self.case.inputs)

    @cached_property
    def demands(self) -> list[Requirement]:
        """The requirements on a text in the failed assertions of all its items."""
        return self._requirements(self.explanations)

    @cached_property
    def blamed_demands(self) -> list[Requirement]:
        """The requirements on a text in the failed assertions of this cluster's items."""
        return self._requirements(self.blamed)

    def _requirements(self, explanations: list[str]) -> list[Requirement]:
        output = self.view.trace.output if self.view is not None else None
        read = (stated_requirement(read_assertion(text), self.case.expected, output) for text in explanations)
        return [requirement for requirement in read if requirement is not None]


LONG = 12
"""Words; an answer of more holds its value somewhere inside."""

_NOUNS = (
    *(
        "ticket",
        "message",
        "email",
        "mail",
        "question",
        "query",
        "review",
        "document",
        "request",
        "complaint",
    ),
    *("comment", "post", "article", "invoice", "letter", "claim", "description", "text"),
)


class PromptEvidence:
    """One cluster's evidence around one artifact."""

    def __init__(self, evidence: Evidence, artifact: Artifact, step: str = "") -> None:
        self.evidence = evidence
        self.artifact = artifact
        self.step = step or evidence.cluster.step
        self.document = PromptDocument(artifact.text)

    @property
    def cluster(self) -> Cluster:
        return self.evidence.cluster

    @cached_property
    def seen(self) -> list[StepCase]:
        """Every train case once, in the order of the evidence."""
        traces = [case.trace for case in self.evidence.cases if case.trace is not None]
        helpers = helper_names(traces)
        wanted = set(self.cluster.nodeids)
        by_key: dict[str, StepCase] = {}
        for item in self.evidence.cases:
            seen = by_key.setdefault(item.case.key, StepCase(item.case))
            seen.nodeids.append(item.nodeid)
            if not item.passed:
                seen.failing.append(item.nodeid)
                seen.explanations.append(item.explanation)
                if item.nodeid in wanted:
                    seen.blamed.append(item.explanation)
            if item.nodeid in wanted:
                seen.targets.append(item.nodeid)
            if item.trace is not None and seen.view is None:
                seen.view = TraceView(item.trace, helpers)
                seen.step = seen.view.by_key(self.step)
        return list(by_key.values())

    @cached_property
    def fields(self) -> FieldMap:
        """The locations of the fields that this cluster's labels name."""
        own = [seen for seen in self.seen if seen.case.label_set == self.cluster.label_set]
        runs = [CaseRun(seen.case, seen.view, seen.passed) for seen in own if seen.view is not None]
        said = [(seen.case, read_assertion(text)) for seen in own for text in seen.explanations]
        forms = LabelForms.of(said, [(run.case, run.view.trace, run.passed) for run in runs])
        return FieldMap(runs, forms=forms)

    @property
    def targets(self) -> list[StepCase]:
        """The cases of the cluster."""
        return [seen for seen in self.seen if seen.targets]

    def finding(self, seen: StepCase) -> Finding | None:
        return next((finding for finding in self.cluster.findings if finding.nodeid in seen.targets), None)

    # --- what the step answers -------------------------------------------------------------------------

    @cached_property
    def answers_json(self) -> bool:
        """True if the step's answers are meant as JSON objects."""
        answers = [seen for seen in self.seen if seen.answer.strip()]
        objects = [seen for seen in answers if seen.json is not None and isinstance(seen.json.value, dict)]
        return bool(answers) and len(objects) >= 0.5 * len(answers)

    @cached_property
    def own_fields(self) -> list[str]:
        """The expected fields that this step's answers carry, in the order of the labels."""
        names = []
        for name in self.fields.expected:
            carriers = self.fields.carriers[name]
            if any(carrier.step == self.step and carrier.mode == "value" for carrier in carriers):
                names.append(name)
        return names

    @cached_property
    def on_last_line(self) -> bool:
        """True if passing answers reason first and give the value alone on their last line."""
        long = [seen for seen in self.seen if seen.passed and len(seen.answer.strip().splitlines()) >= 2]
        good = [seen for seen in long if self._ends_in_a_value(seen)]
        passing = sum(seen.passed and bool(seen.answer.strip()) for seen in self.seen)
        return not self.answers_json and len(good) >= max(2, 0.5 * passing)

    def _ends_in_a_value(self, seen: StepCase) -> bool:
        last = seen.answer.strip().splitlines()[-1]
        return any(
            seen.case.key in values and same(values[seen.case.key], last)
            for values in self.fields.expected.values()
        )

    def decided_at(self, name: str) -> float:
        """Return the place in the pipeline where a model first gives a field."""
        model_steps = {step.key for reading in self.fields.readings for step in reading.view.model_steps}
        orders = [
            carrier.order for carrier in self.fields.carriers.get(name, []) if carrier.step in model_steps
        ]
        return min(orders, default=float("inf"))

    @cached_property
    def field_keys(self) -> dict[str, str]:
        """Expected field -> the key under which the step's JSON answers give it."""
        keys: dict[str, str] = {}
        if not self.answers_json:
            return keys
        for name in self.own_fields:
            last = name.rpartition(".")[2]
            mine = [carrier for carrier in self.fields.carriers[name] if carrier.step == self.step]
            paths = [carrier.path for carrier in mine if carrier.path]
            keys[name] = next(
                (path for path in paths if normal(path) == normal(last)), paths[0] if paths else last
            )
        return keys

    def answer_of(self, seen: StepCase, name: str) -> Any:
        """Return the step's answer for an expected field; None if it cannot be read."""
        if seen.json is not None and isinstance(seen.json.value, dict):
            values = dict(leaves(seen.json.value))
            key = self.field_keys.get(name, name)
            return next((value for path, value in values.items() if normal(path) == normal(key)), None)
        if len(seen.answer.split()) > LONG:
            return self._read_by_code(seen, name)
        return seen.answer if name in self.own_fields or not name else None

    def _read_by_code(self, seen: StepCase, name: str) -> Any:
        """Return what the code made of a long answer: the field's value in the next step, else the answer."""
        if seen.view is not None:
            for carrier in self.fields.carriers.get(name, []):
                if carrier.mode == "value" and (carrier.step, carrier.path) != (self.step, ""):
                    try:
                        return self.fields.value_at(CaseRun(seen.case, seen.view, seen.passed), carrier)
                    except KeyError:
                        continue
        return seen.answer

    def expected(self, seen: StepCase, name: str) -> Any:
        return self.fields.expected.get(name, {}).get(seen.case.key)

    def labeled(self, name: str) -> list[StepCase]:
        """Return the cases that say what a field should be."""
        values = self.fields.expected.get(name, {})
        return [seen for seen in self.seen if seen.case.key in values]

    def caption(self, name: str) -> str:
        """Return the name of a field in rules: its JSON key in quotes, or plain words."""
        key = self.field_keys.get(name) or name.rpartition(".")[2]
        if self.answers_json and key:
            return f'"{key}"'
        return key.replace("_", " ") if key else "answer"

    # --- what the step was given -----------------------------------------------------------------------

    def given(self, seen: StepCase) -> dict[str, Any]:
        """Return the step's inputs by name: filled placeholders, its own arguments, the case's inputs."""
        if seen.case.key not in self._given:
            self._given[seen.case.key] = self._gather(seen)
        return self._given[seen.case.key]

    @cached_property
    def _given(self) -> dict[str, dict[str, Any]]:
        return {}

    def _gather(self, seen: StepCase) -> dict[str, Any]:
        values = {name: value for name, value in _offered(seen).items() if name not in self.unseen}
        if seen.step is not None:
            for message in _messages(seen.step):
                values.update(self.document.template.filled(message))
        return values

    @cached_property
    def unseen(self) -> frozenset[str]:
        """Names of the inputs that the step's model is not shown: no rule for it may speak of them."""
        shown: Counter[str] = Counter()
        filled: Counter[str] = Counter()
        own = Counter(_words(self.artifact.text))
        for seen in self.seen:
            read = _read(seen)
            if not read:
                continue
            words = Counter(_words(read))
            words.subtract(own)
            for name, value in _offered(seen).items():
                said = set(_words(plain(value))) if not is_blank(value) else set()
                if said:
                    filled[name] += 1
                    shown[name] += sum(words[word] > 0 for word in said) >= 0.8 * len(said)
        unseen = frozenset(name for name, number in filled.items() if shown[name] < 0.5 * number)
        # Where nothing of the case shows, what shows is made of it in a way that cannot be told.
        return unseen if unseen < filled.keys() else frozenset()

    def text(self, seen: StepCase) -> str:
        """Return all that a case gives as input and that the step's model is shown."""
        inputs = seen.case.inputs
        if not isinstance(inputs, dict) or not self.unseen:
            return seen.text
        return whole_text([value for name, value in leaves(inputs) if name not in self.unseen])

    @cached_property
    def variables(self) -> list[str]:
        """Names of what the step is given in most cases."""
        counts = Counter(name for seen in self.seen for name in self.given(seen))
        return [name for name, count in counts.items() if count >= 0.5 * len(self.seen)]

    def called(self, variable: str) -> str:
        """Return the name of an input in rules: the words that introduce it in the prompt, or its name's."""
        caption = self.document.template.caption(variable)
        words = caption or variable.rpartition(".")[2].replace("_", " ")
        return words if words.isupper() else words[:1].lower() + words[1:]

    def main_texts(self) -> dict[str, str]:
        """Case id -> the text that the case is about: its inputs, without short fields."""
        return {seen.case.key: self._prose(seen) or self.text(seen) for seen in self.seen}

    def _prose(self, seen: StepCase) -> str:
        """Return the texts of three words and more."""
        inputs = seen.case.inputs
        if isinstance(inputs, str):
            return inputs
        if not isinstance(inputs, dict):
            return ""
        return "\n".join(
            value
            for name, value in leaves(inputs)
            if name not in self.unseen and isinstance(value, str) and len(_words(value)) >= 3
        )

    @cached_property
    def noun(self) -> str:
        """A word for one input, as the project itself calls it."""
        prompt = self.artifact.text.lower()
        nouns = [(prompt.count(word), -_NOUNS.index(word), word) for word in _NOUNS if word in prompt]
        if nouns:
            return max(nouns)[2]
        names = self.seen[0].case.inputs if self.seen else None
        keys = [str(key).lower() for key in names] if isinstance(names, dict) else []
        return next((word for word in _NOUNS if word in keys), "input")


def _messages(step: StepView) -> Iterator[str]:
    for call in step.calls:
        for message in call.messages:
            yield whole_text(message.get("content") if isinstance(message, dict) else message)


def _offered(seen: StepCase) -> dict[str, Any]:
    """Return the case's inputs and the step's own arguments, by name."""
    values: dict[str, Any] = {}
    if isinstance(seen.case.inputs, dict):
        values.update(leaves(seen.case.inputs))
    if seen.step is not None and isinstance(seen.step.step.inputs, dict):
        values.update(leaves(seen.step.step.inputs))
    return values


def _read(seen: StepCase) -> str:
    """Return the request to the step's model; empty if it is not on record."""
    return "" if seen.step is None else seen.step.messages_text


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def listed(values: list[Any], *, last: str = "or") -> str:
    """Values as a phrase: `a, b or c`; quoted where one holds a space or a comma."""
    texts = [plain(value) for value in values]
    if any(re.search(r"[\s,;]", text) or not text for text in texts):
        texts = [f'"{text}"' for text in texts]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


@dataclass(frozen=True)
class Advice:
    """One section for a prompt, and whom it should help.

    `grade` counts up over the variants of one technique: 0 for the first, smallest one.
    """

    technique: str
    title: str
    lines: list[str]
    hypothesis: str
    fixes: frozenset[str] = field(default_factory=frozenset)
    """Node ids of the cluster that should pass with it."""
    grade: int = 0


Technique = Callable[[PromptEvidence], Iterator[Advice]]
"""Gives variants of its advice for a view, best first; nothing where it has nothing to say."""
