"""The function that an operator works on, and what the traces tell about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.trace_view import StepView, TraceView, helper_names
from pytest_fapo.propose.operators.project_functions import FunctionText, OperatorError

Form = Literal["text", "mapping", "list", "unknown"]
"""The form of a function's return value."""

_TEXTUAL = (
    *("question", "query", "text", "message", "prompt", "ticket", "mail", "email", "document", "content"),
    *("request", "problem", "task", "claim", "review", "passage", "input", "user"),
)


@dataclass(frozen=True)
class OperatorTarget:
    """A function artifact, read."""

    artifact: Artifact
    source: FunctionText
    evidence: Evidence

    @property
    def name(self) -> str:
        """The bare name."""
        return self.source.node.name

    @property
    def owner(self) -> str:
        """The class around it; empty for a function of the module."""
        return self.artifact.name.rpartition(".")[0]

    @property
    def is_async(self) -> bool:
        return isinstance(self.source.node, ast.AsyncFunctionDef)

    @property
    def is_method(self) -> bool:
        """True if its first parameter is the instance or the class."""
        names = {node.id for node in self.source.node.decorator_list if isinstance(node, ast.Name)}
        return bool(self.owner) and "staticmethod" not in names

    @cached_property
    def parameters(self) -> list[ast.arg]:
        """Its parameters that can be given by name, without `self`."""
        arguments = self.source.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        return [*(positional[1:] if self.is_method else positional), *arguments.kwonlyargs]

    @cached_property
    def views(self) -> list[StepView]:
        """The steps in the traces that are this function."""
        return list(_views(self.evidence, self.artifact))

    @cached_property
    def form(self) -> Form:
        """The form of its return value, by the traces, else by its annotation."""
        outputs = [view.output for view in self.views if view.output is not None]
        for kind, form in ((str, "text"), (dict, "mapping"), (list, "list")):
            if outputs and all(isinstance(output, kind) for output in outputs):
                return form  # type: ignore[return-value]
        returns = self.source.node.returns
        return _form_of(ast.unparse(returns)) if returns is not None and not outputs else "unknown"

    def recorded(self, parameter: str) -> list[Any]:
        """Return the values that a parameter had."""
        return [
            view.step.inputs[parameter]
            for view in self.views
            if isinstance(view.step.inputs, dict) and parameter in view.step.inputs
        ]

    @cached_property
    def texts(self) -> list[str]:
        """Names of its parameters that are texts, the one that the case is about first."""
        names = [parameter.arg for parameter in self.parameters if self._is_text(parameter)]
        return sorted(names, key=self._rank)

    @property
    def shown(self) -> list[str]:
        """Names of the parameters that a model can be shown: texts, numbers, and plain lists of them."""
        return [
            parameter.arg
            for parameter in self.parameters
            if self._is_text(parameter) or self._is_plain(parameter)
        ]

    def text(self) -> str:
        """Return the parameter that holds the text that the case is about.

        Raises:
            OperatorError: it has none.
        """
        if not self.texts:
            raise OperatorError(f"{self.name} takes no text")
        return self.texts[0]

    def _is_text(self, parameter: ast.arg) -> bool:
        values = [value for value in self.recorded(parameter.arg) if value is not None]
        if values:
            return all(isinstance(value, str) and not value.startswith("<") for value in values) or (
                parameter.annotation is not None and ast.unparse(parameter.annotation) == "str"
            )
        if parameter.annotation is not None:
            return ast.unparse(parameter.annotation).strip("\"'") == "str"
        return parameter.arg in _TEXTUAL

    def _is_plain(self, parameter: ast.arg) -> bool:
        values = [value for value in self.recorded(parameter.arg) if value is not None]
        return bool(values) and all(isinstance(value, (int, float, list, dict)) for value in values)

    def _rank(self, name: str) -> tuple[float, int]:
        lengths = [len(value) for value in self.recorded(name) if isinstance(value, str)]
        known = _TEXTUAL.index(name) if name in _TEXTUAL else len(_TEXTUAL)
        return (-sum(lengths) / len(lengths) if lengths else 0.0, known)


def find_target(evidence: Evidence, function: str = "") -> OperatorTarget:
    """The function to work on.

    Args:
        evidence: gives the functions and the failing step.
        function: its address, or its name where that is unique; the failing step's own where empty.

    Raises:
        OperatorError: there is no such function that may be edited.
    """
    functions = [artifact for artifact in evidence.artifacts if artifact.kind == "function"]
    if not functions:
        raise OperatorError("no function may be edited here")
    wanted = function or evidence.cluster.step
    artifact = _is_named_like(functions, wanted, evidence.cluster.artifacts)
    if artifact is None:
        raise OperatorError(f"no function that may be edited is called {wanted!r}")
    return OperatorTarget(artifact, FunctionText(artifact.text, artifact.address), evidence)


def may_be_edited(evidence: Evidence) -> bool:
    """True if the failing step's own function is in the scope."""
    functions = [artifact for artifact in evidence.artifacts if artifact.kind == "function"]
    return _is_named_like(functions, evidence.cluster.step, evidence.cluster.artifacts) is not None


def _is_named_like(functions: list[Artifact], wanted: str, linked: list[str]) -> Artifact | None:
    for artifact in functions:
        if artifact.address == wanted:
            return artifact
    name = wanted.partition("#")[0].rpartition("::")[2]
    matching = [each for each in functions if each.name == name]
    bare = name.rpartition(".")[2]
    matching = matching or [each for each in functions if each.name.rpartition(".")[2] == bare]
    preferred = [each for each in matching if each.address in linked]
    matching = preferred or matching
    return matching[0] if len(matching) == 1 or preferred else None


def _views(evidence: Evidence, artifact: Artifact) -> Iterator[StepView]:
    traces = [case.trace for case in evidence.cases if case.trace is not None]
    names = {artifact.name, artifact.name.rpartition(".")[2]}
    helpers = helper_names(traces) - names
    for trace in traces:
        for view in TraceView(trace, helpers).steps:
            if view.name in names:
                yield view


def _form_of(annotation: str) -> Form:
    bare = annotation.strip("\"'").lower()
    if bare in ("str", "str | none", "optional[str]"):
        return "text"
    if bare.startswith(("dict", "mapping", "typing.dict")):
        return "mapping"
    return "list" if bare.startswith(("list", "sequence", "typing.list")) else "unknown"
