"""A trace as the rules read it: steps in the order in which they ended, helpers merged into their callers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pytest_fapo.core.record import canonical_json
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.diagnosis.loose_values import texts_in, whole_text


@dataclass
class StepView:
    """One step with the LLM calls made by itself and by the helper functions that it called."""

    step: Step
    name: str
    key: str
    """`name`, or `name#2` for its second occurrence."""
    order: int
    calls: list[LLMCall] = field(default_factory=list)

    @property
    def output(self) -> Any:
        return self.step.output

    @property
    def answer(self) -> str | None:
        """The text of the last generated answer."""
        for call in reversed(self.calls):
            if call.answer is not None:
                return call.answer
        return None

    @property
    def question(self) -> str:
        """The step's inputs and first request: equal for runs that asked the same."""
        return canonical_json([self.step.inputs, self.calls[0].messages if self.calls else None])

    @property
    def messages_text(self) -> str:
        return "\n".join(whole_text(call.messages) for call in self.calls)

    def ran_within(self, outer: StepView) -> bool:
        """True if it ran inside of another step, whose output is then made of its own."""
        return outer.step.index < self.step.index and self.order < outer.order


class TraceView:
    """The steps of one trace, children before the step that called them."""

    def __init__(self, trace: Trace, helpers: frozenset[str] = frozenset()) -> None:
        self.trace = trace
        self.steps: list[StepView] = []
        self._by_index: dict[int, StepView] = {}
        steps = trace.steps or _steps_from_calls(trace)
        by_index = {step.index: step for step in steps}
        counts: dict[str, int] = {}
        for step in steps:
            if step.name not in helpers or step.parent is None:
                counts[step.name] = counts.get(step.name, 0) + 1
                count = counts[step.name]
                key = step.name if count == 1 else f"{step.name}#{count}"
                self._by_index[step.index] = StepView(step, step.name, key, 0)
        for step in steps:
            owner = self._owner(step, by_index)
            if owner is not None:
                owner.calls.extend(_generated(trace, step))
        for order, step in enumerate(_children_first(steps)):
            view = self._by_index.get(step.index)
            if view is not None:
                view.order = order
                self.steps.append(view)

    def _owner(self, step: Step, by_index: dict[int, Step]) -> StepView | None:
        seen: set[int] = set()
        current: Step | None = step
        while current is not None and current.index not in seen:
            seen.add(current.index)
            view = self._by_index.get(current.index)
            if view is not None:
                return view
            current = by_index.get(current.parent) if current.parent is not None else None
        return None

    def by_key(self, key: str) -> StepView | None:
        return next((view for view in self.steps if view.key == key), None)

    @property
    def model_steps(self) -> list[StepView]:
        """The steps that asked a model."""
        return [view for view in self.steps if view.calls]

    def last_model_step(self, before: StepView | None = None) -> StepView | None:
        """Return the last step that asked a model, at or before another step."""
        views = [view for view in self.model_steps if before is None or view.order <= before.order]
        return views[-1] if views else None


def helper_names(traces: Iterable[Trace]) -> frozenset[str]:
    """Return names of functions that are no culprits of their own, such as `ask` or `complete`.

    Either several different steps call them, or they send the prompt that they were given. A step that sends
    data which it was given (an input of the case, another step's output) with a prompt of its own is none.
    """
    parents: dict[str, set[str]] = {}
    senders: dict[str, bool] = {}
    for trace in traces:
        by_index = {step.index: step for step in trace.steps}
        siblings = Counter((step.name, step.parent) for step in trace.steps)
        data = _data_texts(trace)
        for step in trace.steps:
            if step.parent is None or step.parent not in by_index:
                continue
            parents.setdefault(step.name, set()).add(by_index[step.parent].name)
            sends = siblings[step.name, step.parent] == 1 and _sends_its_prompt(trace, step, data)
            senders[step.name] = senders.get(step.name, True) and sends
    return frozenset(
        name for name, callers in parents.items() if len(callers - {name}) >= 2 or senders.get(name)
    )


_LONG_TEXT = 20
"""Characters; shorter texts are no prompts."""


def _data_texts(trace: Trace) -> set[str]:
    """Return the longer texts that are data and no prompts, as far as the trace tells."""
    known = [trace.inputs, *(step.inputs for step in trace.steps if step.parent is None)]
    known += [step.output for step in trace.steps]
    return {text.strip() for value in known for text in texts_in(value) if len(text) >= _LONG_TEXT}


def _sends_its_prompt(trace: Trace, step: Step, data: set[str]) -> bool:
    arguments = {text.strip() for text in texts_in(step.inputs) if len(text) >= _LONG_TEXT}
    calls = _generated(trace, step)
    sent = {text.strip() for call in calls for text in texts_in(call.messages) if len(text) >= _LONG_TEXT}
    return bool((arguments - data) & sent) or bool(sent and sent <= arguments)


def _generated(trace: Trace, step: Step) -> list[LLMCall]:
    calls = [trace.llm_calls[index] for index in step.llm_calls if 0 <= index < len(trace.llm_calls)]
    return [call for call in calls if "embed" not in call.api]


def _steps_from_calls(trace: Trace) -> list[Step]:
    return [
        Step(name=f"call {number + 1}", index=number, output=call.answer, llm_calls=[number])
        for number, call in enumerate(trace.llm_calls)
    ]


def _children_first(steps: list[Step]) -> list[Step]:
    children: dict[int | None, list[Step]] = {}
    known = {step.index for step in steps}
    for step in steps:
        parent = step.parent if step.parent in known and step.parent != step.index else None
        children.setdefault(parent, []).append(step)
    ordered: list[Step] = []
    seen: set[int] = set()

    def visit(step: Step, depth: int) -> None:
        if step.index in seen or depth > 500:
            return
        seen.add(step.index)
        for child in children.get(step.index, []):
            visit(child, depth + 1)
        ordered.append(step)

    for step in children.get(None, []):
        visit(step, 0)
    ordered.extend(step for step in steps if step.index not in seen)
    return ordered
