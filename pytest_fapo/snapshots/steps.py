"""The steps of a pipeline as its cases went through them, put together into one tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_fapo.models import Step, Trace
from pytest_fapo.snapshots.markdown import code

_DEPTH = 12
Path = tuple[str, ...]


@dataclass
class Node:
    """A step of one name below one other."""

    path: Path
    models: set[str] = field(default_factory=set)
    """Names of the models that it asked itself."""
    places: list[float] = field(default_factory=list)
    """Where among the steps of a trace it came first, 0 to 1."""

    @property
    def place(self) -> float:
        return round(sum(self.places) / len(self.places), 2)


def step_paths(trace: Trace) -> dict[int, Path]:
    """By index of the step: the names from the outermost step down to it, recursion left out."""
    by_index = {step.index: step for step in trace.steps}
    return {step.index: _path(step, by_index) for step in trace.steps}


def step_tree(traces: Iterable[Trace]) -> str:
    """The tree as a nested list, each step with the models that it asks; empty without steps.

    Steps under one other stand in the order in which they usually begin.
    """
    nodes: dict[Path, Node] = {}
    for trace in traces:
        paths = step_paths(trace)
        first: set[Path] = set()
        for step in trace.steps:
            node = nodes.setdefault(paths[step.index], Node(paths[step.index]))
            node.models.update(call.model for call in trace.calls_of(step) if call.model)
            if node.path not in first:
                first.add(node.path)
                node.places.append(step.index / len(trace.steps))
    lines = [_line(node) for node in _ordered(nodes)]
    return "\n".join(lines) + "\n" if lines else ""


def _path(step: Step, by_index: dict[int, Step]) -> Path:
    names: list[str] = []
    current: Step | None = step
    while current is not None and len(names) < _DEPTH:
        if current.name not in names:
            names.append(current.name)
        current = by_index.get(current.parent) if current.parent is not None else None
    return tuple(reversed(names))


def _ordered(nodes: dict[Path, Node]) -> list[Node]:
    children: dict[Path, list[Node]] = {}
    for node in nodes.values():
        children.setdefault(node.path[:-1], []).append(node)
    ordered: list[Node] = []

    def visit(path: Path) -> None:
        for node in sorted(children.get(path, []), key=lambda node: (node.place, node.path)):
            ordered.append(node)
            visit(node.path)

    visit(())
    return ordered


def _line(node: Node) -> str:
    asks = ", ".join(code(model) for model in sorted(node.models))
    return "  " * (len(node.path) - 1) + f"- {code(node.path[-1])}" + (f" asks {asks}" if asks else "")


def owners(trace: Trace) -> dict[int, Step]:
    """By index of an LLM call: the step that made it."""
    return {index: step for step in trace.steps for index in step.llm_calls}
