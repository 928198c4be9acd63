"""The steps of a pipeline, merged from its cases' traces into one graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_fapo.core.record import canonical_json, text_digest
from pytest_fapo.core.text import parsed_json
from pytest_fapo.core.trace import Step, Trace
from pytest_fapo.views.markdown import plain_block, plain_code

_DEPTH = 12

_RESERVED = (
    "end",
    "graph",
    "flowchart",
    "subgraph",
    "direction",
    "style",
    "class",
    "classdef",
    "click",
    "default",
)
"""Words of Mermaid's own."""

StepPath = tuple[str, ...]
"""Names of steps, the outermost first."""


@dataclass
class _Node:
    """A step of one name below one other."""

    path: StepPath
    models: set[str] = field(default_factory=set)
    positions: list[float] = field(default_factory=list)
    """Its first positions among the steps of each trace, 0 to 1."""
    runs: int = 0
    """Traces in which it ran."""
    given: dict[StepPath, int] = field(default_factory=dict)
    """Traces in which it was given another step's output, by that step."""

    @property
    def place(self) -> float:
        return round(sum(self.positions) / len(self.positions), 2)

    @property
    def usual_givers(self) -> set[StepPath]:
        """Steps whose output it gets in most of its runs."""
        return {path for path, count in self.given.items() if count * 2 > self.runs}


class StepGraph:
    """The steps, the calls between them, and the flow of their outputs.

    Args:
        traces: of cases of one pipeline.
    """

    def __init__(self, traces: Iterable[Trace]) -> None:
        nodes: dict[StepPath, _Node] = {}
        for trace in traces:
            _take(trace, nodes)
        self._nodes = _ordered(nodes)

    def as_list(self) -> str:
        """Return a nested list: each step with the models that it asks and the steps whose output it gets."""
        return "".join(f"{_line(node, self._sources(node))}\n" for node in self._nodes)

    def as_diagram(self) -> str:
        """A Mermaid flowchart of what goes where; empty where nothing does."""
        names = [node.path[-1] for node in self._nodes]
        edges = [
            f"  {_box(source, names)} --> {_box(node.path, names)}"
            for node in self._nodes
            for source in self._sources(node)
        ]
        return plain_block("\n".join(["flowchart LR", *edges]), "mermaid") if edges else ""

    def _sources(self, node: _Node) -> list[StepPath]:
        """Return the steps whose output it usually gets, in the order of the list; without those from which a
        step around it got it already.
        """
        around = [
            other for other in self._nodes if other is not node and node.path[: len(other.path)] == other.path
        ]
        known = {path for other in around for path in other.usual_givers}
        return [other.path for other in self._nodes if other.path in node.usual_givers - known]


def step_paths(trace: Trace) -> dict[int, StepPath]:
    """By index of the step: the names from the outermost step down to it; a recursion counts once."""
    by_index = {step.index: step for step in trace.steps}
    return {step.index: _path(step, by_index) for step in trace.steps}


def _path(step: Step, by_index: dict[int, Step]) -> StepPath:
    names: list[str] = []
    current: Step | None = step
    while current is not None and len(names) < _DEPTH:
        if current.name not in names:
            names.append(current.name)
        current = by_index.get(current.parent) if current.parent is not None else None
    return tuple(reversed(names))


def _take(trace: Trace, nodes: dict[StepPath, _Node]) -> None:
    paths = step_paths(trace)
    givers: dict[str, list[StepPath]] = {}
    links: set[tuple[StepPath, StepPath]] = set()
    met: set[StepPath] = set()
    given = set(_informative(trace.inputs))
    for step in trace.steps:
        path = paths[step.index]
        node = nodes.setdefault(path, _Node(path))
        node.models.update(call.model for call in trace.calls_of(step) if call.model)
        if path not in met:
            met.add(path)
            node.runs += 1
            node.positions.append(step.index / len(trace.steps))
        for text in _informative(step.inputs):
            links.update((path, source) for source in _source(path, givers.get(text, [])))
        parts = set(_parts(step.output)) - given  # what the case gave may have come from there
        for text in {*_informative([step.output]), *parts}:
            givers.setdefault(text, []).append(path)
    for path, source in links:
        nodes[path].given[source] = nodes[path].given.get(source, 0) + 1


def _source(path: StepPath, givers: Sequence[StepPath]) -> list[StepPath]:
    """Of the steps that gave a value the nearest to one that got it: not those that it runs in, and rather
    a step than the helper within it."""
    outside = [giver for giver in givers if path[: len(giver)] != giver]
    outermost = [
        giver
        for giver in outside
        if not any(other != giver and giver[: len(other)] == other for other in outside)
    ]
    return outermost[-1:]


def _informative(inputs: Any) -> Iterator[str]:
    """Yield the values of a step's inputs that cannot be equal to another by chance."""
    values = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else ()
    for value in values:
        if isinstance(value, (str, list, dict)) and len(value) >= (3 if isinstance(value, str) else 1):
            yield canonical_json(value)


def _parts(output: Any, depth: int = 3) -> Iterator[str]:
    """Yield the telling values within an output, also where it is a text that holds JSON."""
    if isinstance(output, str) and output.lstrip()[:1] in ("{", "["):
        try:
            output = parsed_json(output)
        except ValueError:
            return
    values = output.values() if isinstance(output, dict) else output if isinstance(output, list) else ()
    for value in values if depth else ():
        yield from _informative([value])
        yield from _parts(value, depth - 1)


def _ordered(nodes: dict[StepPath, _Node]) -> list[_Node]:
    children: dict[StepPath, list[_Node]] = {}
    for node in nodes.values():
        children.setdefault(node.path[:-1], []).append(node)
    ordered: list[_Node] = []

    def visit(path: StepPath) -> None:
        for node in sorted(children.get(path, []), key=lambda node: (node.place, node.path)):
            ordered.append(node)
            visit(node.path)

    visit(())
    return ordered


def _line(node: _Node, sources: Sequence[StepPath]) -> str:
    facts = []
    if sources:
        facts.append(f"gets the output of {', '.join(plain_code(path[-1]) for path in sources)}")
    if node.models:
        facts.append(f"asks {', '.join(map(plain_code, sorted(node.models)))}")
    return (
        "  " * (len(node.path) - 1)
        + f"- {plain_code(node.path[-1])}"
        + (f": {'; '.join(facts)}" if facts else "")
    )


def _box(path: StepPath, names: Sequence[str]) -> str:
    """Return a node of the flowchart: its plain name where Mermaid takes it and no other step has it."""
    name = path[-1]
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in _RESERVED
    if plain and names.count(name) == 1:
        return name
    label = "".join(each if each.isalnum() or each in " _.-" else f"#{ord(each)};" for each in name)
    return f'step_{text_digest(canonical_json(path))[:8]}["{label}"]'
