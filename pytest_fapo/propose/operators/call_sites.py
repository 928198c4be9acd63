"""Operators where the failing step itself may not be edited: around its call, in a function that may.

The call becomes one of a function inside the caller, which the operator then works on as on any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.diagnosis.trace_view import TraceView
from pytest_fapo.propose.operators.function_splices import FunctionSplices
from pytest_fapo.propose.operators.operator import BodyOperator, FunctionDraft
from pytest_fapo.propose.operators.operator_target import OperatorTarget
from pytest_fapo.propose.operators.project_functions import FunctionText, OperatorError


@dataclass(frozen=True)
class StepCallSite:
    """A call of the failing step in a function that may be edited."""

    caller: OperatorTarget
    call: ast.Call
    target: OperatorTarget
    """A function that does nothing but call the step, as an operator sees it."""


def call_site(evidence: Evidence) -> StepCallSite:
    """Return the place where the failing step is called.

    Raises:
        OperatorError: no function that may be edited calls it.
    """
    step = evidence.cluster.step.partition("#")[0].rpartition(".")[2]
    for caller in _functions(evidence):
        awaited = {node.value for node in ast.walk(caller.source.node) if isinstance(node, ast.Await)}
        for node in ast.walk(caller.source.node):
            if isinstance(node, ast.Call) and _bare(node.func) == step:
                text = _wrapper(node, step, evidence, awaited=node in awaited)
                if text is not None:
                    artifact = caller.artifact.model_copy(update={"name": step, "text": text})
                    target = OperatorTarget(artifact, FunctionText(text, step), evidence)
                    return StepCallSite(caller, node, target)
    raise OperatorError(f"no function that may be edited is called {step!r} or calls it")


def edits_at_call(operator: BodyOperator, evidence: Evidence) -> list[Edit]:
    """Return the edits of an operator around the call of the failing step.

    Raises:
        OperatorError: there is no such call, or the operator does not fit.
    """
    site = call_site(evidence)
    if f"# {operator.operator}:" in site.caller.source.text:
        raise OperatorError(f"{site.caller.name} has {operator.operator} already")
    rewritten, *created = operator.build(FunctionDraft(site.target, evidence))
    tree = ast.parse(rewritten.after)
    function = tree.body[-1]
    changes = FunctionSplices(site.caller, evidence)
    for statement in tree.body[:-1]:
        changes.draft.statement(ast.unparse(statement))
    name = site.target.name
    lines = rewritten.after.rstrip("\n").split("\n")[function.lineno - 1 :]
    changes.line(*lines)
    changes.replace(site.call.func, name)
    return [*changes.edits(), *created]


def _functions(evidence: Evidence) -> Iterator[OperatorTarget]:
    for artifact in evidence.artifacts:
        if artifact.kind == "function":
            try:
                yield OperatorTarget(artifact, FunctionText(artifact.text, artifact.address), evidence)
            except OperatorError:
                continue


def _wrapper(call: ast.Call, step: str, evidence: Evidence, *, awaited: bool) -> str | None:
    """Return the source of a function with the call's arguments as parameters; None where they are
    starred.
    """
    if any(isinstance(each, ast.Starred) for each in call.args) or any(
        each.arg is None for each in call.keywords
    ):
        return None
    known = _parameters(step, evidence)
    positional = [known[n] if n < len(known) else f"value{n + 1}" for n in range(len(call.args))]
    named = [str(keyword.arg) for keyword in call.keywords]
    if not positional + named or set(positional) & set(named):
        return None
    head = ", ".join([*positional, *(["*", *named] if named else [])])
    given = ", ".join([*positional, *(f"{name}={name}" for name in named)])
    keyword, wait = ("async def", "await ") if awaited else ("def", "")
    return f"{keyword} {step}_again({head}):\n    return {wait}{ast.unparse(call.func)}({given})\n"


def _parameters(step: str, evidence: Evidence) -> list[str]:
    """Return names of the step's parameters, as the traces have them."""
    for case in evidence.cases:
        for view in TraceView(case.trace).steps if case.trace is not None else ():
            if _last(view.name) == step and isinstance(view.step.inputs, dict):
                return [
                    name for name in view.step.inputs if name.isidentifier() and name not in ("self", "cls")
                ]
    return []


def _bare(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def artifact_of(step: str, evidence: Evidence) -> Artifact | None:
    """Return the function of a step, where it may be edited and its name is no other's."""
    found = [
        each
        for each in evidence.artifacts
        if each.kind == "function" and (each.name == step or _last(each.name) == _last(step))
    ]
    return found[0] if len(found) == 1 else None
