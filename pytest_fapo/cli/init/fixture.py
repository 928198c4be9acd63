"""The fixture that gives the pipeline, as source text."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_fapo.cli.init.asking_models import dotted
from pytest_fapo.cli.init.functions import Function, Parameter
from pytest_fapo.cli.init.samples import inputs_of
from pytest_fapo.cli.init.sources import SourceModule


@dataclass(frozen=True)
class Subject:
    """What the first cases run through.

    Args:
        function: of the application; None where none was found.
        record: where the function takes one object made of fields (a dataclass, a pydantic model): its import
            path `app.models.Ticket`.
        fields: what that object is made of.
    """

    function: Function | None
    record: str = ""
    fields: tuple[Parameter, ...] = ()

    @property
    def label(self) -> str:
        """For file and test names."""
        name = self.function.name if self.function is not None else "pipeline"
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.replace(".__call__", "").replace(".", "_"))
        return words.lower().strip("_") or "pipeline"

    def inputs(self, number: int) -> Any:
        """Inputs of one of the first cases, number 0 to 2."""
        function = self.function
        if function is None:
            return inputs_of([Parameter("text", "str")], number, positional=False)
        takes = self.fields or function.takes
        return inputs_of(takes, number, positional=function.positional and not self.record)

    @property
    def left_to_do(self) -> str:
        """What the reader has to fill in before the fixture works; empty where it does."""
        function = self.function
        if function is None or ((function.fits or self.record) and not function.owner_needs):
            return ""
        if function.owner_needs:
            return f"give {function.owner} what it needs: {', '.join(function.owner_needs)}"
        odd = [each for each in function.takes if not each.is_plain]
        if odd:
            named = ", ".join(f"{each.name} ({each.annotation})" for each in odd)
            return f"inputs of cases are JSON: make {named} of them"
        return f"{function.name} takes nothing: give a function whose arguments are a case's inputs"


def subject_of(function: Function | None, modules: Mapping[str, SourceModule]) -> Subject:
    """The subject, with the record that the function takes where its class is one of the application's."""
    if function is None or len(function.takes) != 1 or function.takes[0].is_plain:
        return Subject(function)
    name = function.takes[0].annotation.strip("'\"")
    full = function.module.imports.get(name, f"{function.module.name}.{name}")
    home, _, class_name = full.rpartition(".")
    module = modules.get(home)
    for statement in module.tree.body if module is not None else []:
        if isinstance(statement, ast.ClassDef) and statement.name == class_name:
            fields = _fields(statement)
            if fields and all(each.is_plain for each in fields):
                return Subject(function, full, fields)
    return Subject(function)


def _fields(owner: ast.ClassDef) -> tuple[Parameter, ...]:
    is_record = any(dotted(each).endswith("dataclass") for each in owner.decorator_list) or any(
        dotted(base).endswith("BaseModel") for base in owner.bases
    )
    return tuple(
        Parameter(each.target.id, ast.unparse(each.annotation))
        for each in owner.body
        if is_record
        and isinstance(each, ast.AnnAssign)
        and each.value is None
        and isinstance(each.target, ast.Name)
    )


def fixture_source(subject: Subject, name: str) -> str:
    """The fixture's function. The application is imported inside of it, so that an application that cannot
    be imported fails the cases and no other test."""
    body = _body(subject)
    return f'@pytest.fixture(scope="session")\ndef {name}():\n' + "".join(
        f"    {line}\n" if line else "\n" for line in body
    )


def _body(subject: Subject) -> list[str]:
    function = subject.function
    if function is None:
        return [
            "def answer(text):  # give your own function instead: `from app.pipeline import answer`",
            '    return f"You said: {text}"',
            "",
            "return answer",
        ]
    imported = function.owner or function.node.name
    imports = [f"from {function.module.name} import {imported}"]
    what = _expression(function)
    comment = f"  # {subject.left_to_do}" if subject.left_to_do else ""
    if not subject.record:
        return [*imports, "", f"return {what}{comment}"]
    home, _, record = subject.record.rpartition(".")
    if home == function.module.name:
        imports = [f"from {home} import {', '.join(sorted({imported, record}))}"]
    else:
        imports = sorted([*imports, f"from {home} import {record}"])
    is_async = isinstance(function.node, ast.AsyncFunctionDef)
    call = f"{what}({record}(**inputs))"
    return [
        *imports,
        "",
        f"{'async ' if is_async else ''}def with_inputs(**inputs):",
        f"    return {'await ' if is_async else ''}{call}",
        "",
        f"return with_inputs{comment}",
    ]


def _expression(function: Function) -> str:
    if not function.owner:
        return function.node.name
    made = f"{function.owner}({', '.join(f'{name}=...' for name in function.owner_needs)})"
    if function.node.name == "__call__":
        return made
    shared = {dotted(each) for each in function.node.decorator_list} & {"staticmethod", "classmethod"}
    return f"{function.owner if shared else made}.{function.node.name}"
