"""DSPy predictors in source: the calls of them in a function, and the fields of their signatures."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_fapo.propose.operators.message_lists import module_values
from pytest_fapo.propose.operators.project_functions import FunctionNode, ProjectModule

_KINDS = ("Predict", "ChainOfThought")


@dataclass(frozen=True)
class PredictorCall:
    """A call of a predictor, which takes its examples as `demos`."""

    call: ast.Call
    inputs: dict[str, str]
    """Input field to the name that it is given by; those given by other expressions are left out."""
    output: str
    """The output field, of which there is one."""


def predictor_calls(function: FunctionNode, module: ProjectModule, owner: str) -> Iterator[PredictorCall]:
    """Yield the calls of predictors in a function.

    Args:
        function: the function.
        module: its file.
        owner: the class around it, for `self`.
    """
    made = {**dict(module_values(module)), **dict(_own_values(module, owner))}
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or node.args or not node.keywords:
            continue
        predictor = node.func if isinstance(node.func, ast.Call) else made.get(ast.unparse(node.func))
        fields = _fields(predictor, module) if isinstance(predictor, ast.Call) else None
        if fields is None or len(fields[1]) != 1 or any(keyword.arg == "demos" for keyword in node.keywords):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg in fields[0]}
        if set(given) == set(fields[0]):
            inputs = {name: value.id for name, value in given.items() if isinstance(value, ast.Name) and name}
            if len(inputs) == len(fields[0]):
                yield PredictorCall(node, inputs, fields[1][0])


def _own_values(module: ProjectModule, owner: str) -> Iterator[tuple[str, ast.expr]]:
    """`self.x` with what `__init__` sets it to."""
    function = module.functions.get(f"{owner}.__init__")
    for node in ast.walk(function) if function is not None and owner else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            yield ast.unparse(node.targets[0]), node.value


def _fields(predictor: ast.Call, module: ProjectModule) -> tuple[list[str], list[str]] | None:
    """Input and output fields of a predictor's signature; None for any other call."""
    name = (
        predictor.func.attr
        if isinstance(predictor.func, ast.Attribute)
        else getattr(predictor.func, "id", "")
    )
    if name not in _KINDS or not predictor.args:
        return None
    signature = predictor.args[0]
    if isinstance(signature, ast.Name):
        values = dict(module_values(module))
        signature = values.get(signature.id, signature)
    if isinstance(signature, ast.Call) and signature.args:
        signature = signature.args[0]
    if isinstance(signature, ast.Constant) and isinstance(signature.value, str):
        return _of_text(signature.value)
    return _of_class(signature.id, module) if isinstance(signature, ast.Name) else None


def _of_text(text: str) -> tuple[list[str], list[str]] | None:
    given, arrow, made = text.partition("->")
    if not arrow or "[" in text:
        return None
    first, second = ([part.partition(":")[0].strip() for part in side.split(",")] for side in (given, made))
    return first, second


def _of_class(name: str, module: ProjectModule) -> tuple[list[str], list[str]] | None:
    found: dict[str, list[str]] = {"InputField": [], "OutputField": []}
    for statement in module.tree.body:
        if not isinstance(statement, ast.ClassDef) or statement.name != name:
            continue
        for part in statement.body:
            value = part.value if isinstance(part, (ast.Assign, ast.AnnAssign)) else None
            target = (
                part.target
                if isinstance(part, ast.AnnAssign)
                else part.targets[0]
                if isinstance(part, ast.Assign)
                else None
            )
            if isinstance(value, ast.Call) and isinstance(target, ast.Name):
                kind = (
                    value.func.attr
                    if isinstance(value.func, ast.Attribute)
                    else getattr(value.func, "id", "")
                )
                found.get(kind, []).append(target.id)
    return (found["InputField"], found["OutputField"]) if found["InputField"] else None
