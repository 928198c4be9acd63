"""The expression by which a pipeline sends one more question to its model.

It is read from the project's functions that send a request (or call one that does); where the sources do not
show it, the trace tells which step did nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_fapo.propose.operators.model_requests import (
    MODEL_FUNCTION_NAME,
    ModelFunction,
    ModelFunctions,
    ModelRequest,
    read_request,
    traced_model_functions,
)
from pytest_fapo.propose.operators.operator_target import OperatorTarget
from pytest_fapo.propose.operators.project_functions import (
    FunctionNode,
    ProjectFunction,
    ProjectModule,
    ProjectSources,
    own_nodes,
)

_MOST_DEEP = 4

_TEXT = "<<text>>"


@dataclass(frozen=True)
class ModelCall:
    """Code that asks the model."""

    code: str
    """An expression with `<<text>>` where the question's text stands; it gives the answer's text."""
    awaited: bool = False
    helper: tuple[str, ...] = ()
    """Lines of a function that has to be before, inside the one that asks."""
    statement: str = ""
    """An import statement that is needed."""

    def ask(self, question: str) -> str:
        """Return the expression for one question."""
        expression = self.code.replace(_TEXT, question)
        return f"(await {expression})" if self.awaited else expression


class ModelCallReader:
    """Finds how a function, or its module, asks the model."""

    def __init__(self, target: OperatorTarget, sources: ProjectSources) -> None:
        self._target = target
        self._sources = sources
        self._module = sources.module(target.artifact.path)
        self._traced = traced_model_functions(target.evidence)
        self._askable = ModelFunctions(sources)

    def asker(self) -> ModelCall | None:
        """Return the best way to ask one more question from inside the function; None where none is known."""
        call = (
            next((asker for _, asker in self._calls_in(self._target.source.node)), None)
            or self._own_request()
        )
        if call is None and self._module is not None:
            call = self._elsewhere_in(self._module) or self._in_other_modules(self._module)
        if call is not None and call.awaited and not self._target.is_async:
            return None
        return call

    def _calls_in(self, function: FunctionNode) -> Iterator[tuple[ast.Call, ModelCall]]:
        """Yield the calls of a function that ask, in the order in which they stand."""
        for node in sorted(
            (node for node in own_nodes(function) if isinstance(node, ast.Call)),
            key=lambda call: (call.lineno, call.col_offset),
        ):
            asker = self._read_call(node, self._target.owner)
            if asker is not None:
                yield node, asker

    def _read_call(self, call: ast.Call, owner: str) -> ModelCall | None:
        if read_request(call) is not None:
            return None
        function = self._sources.resolve(call.func, self._module, owner) if self._module is not None else None
        name = _bare(call.func)
        if function is not None:
            taken = self._askable.taken(function)
            return self._made(call, taken) if taken is not None else None
        if name in self._traced:
            return self._made(call, self._traced[name])
        sends = any(view.calls for view in self._target.views)
        if (
            sends
            and name
            and MODEL_FUNCTION_NAME.search(name)
            and call.args
            and not isinstance(call.args[0], ast.Constant)
        ):
            awaited = self._is_awaited(call)
            return self._made(call, ModelFunction("", False, _is_messages(call.args[0]), awaited, ()))
        return None

    def _made(self, call: ast.Call, taken: ModelFunction) -> ModelCall | None:
        """Return the call with another text; None where it would need values that only this place has."""
        arguments: list[str] = []
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        for number, name in enumerate(taken.required):
            value = call.args[number] if number < len(call.args) else given.get(name)
            if value is None or not self._is_closed(value):
                return None
            arguments.append(
                ast.unparse(value) if number < len(call.args) else f"{name}={ast.unparse(value)}"
            )
        text = f"[{{'role': 'user', 'content': {_TEXT}}}]" if taken.messages else _TEXT
        arguments.append(f"{taken.parameter}={text}" if taken.by_name else text)
        if not self._is_closed(call.func):
            return None
        return ModelCall(f"{ast.unparse(call.func)}({', '.join(arguments)})", taken.awaited)

    def _is_closed(self, expression: ast.expr) -> bool:
        """True if an expression needs nothing that the function works out first."""
        local = self._target.source.assigned() - {each.arg for each in self._target.parameters}
        return not any(isinstance(node, ast.Name) and node.id in local for node in ast.walk(expression))

    def _is_awaited(self, call: ast.Call) -> bool:
        return any(
            isinstance(node, ast.Await) and node.value is call for node in ast.walk(self._target.source.node)
        )

    def _own_request(self) -> ModelCall | None:
        """Return a copy of the request that the function itself sends, as a function inside it."""
        for node in own_nodes(self._target.source.node):
            request = read_request(node)
            if request is not None:
                return self._copied(request)
        return None

    def _copied(self, request: ModelRequest) -> ModelCall | None:
        made = ast.parse(request.request_source("text"), mode="eval").body
        lines = self._definitions(made)
        if lines is None:
            return None
        awaited = self._is_awaited(request.call)
        typed = self._target.source.node.returns is not None
        head = "(text: str) -> str:" if typed else "(text):"
        check = ["    reply.raise_for_status()"] if request.http else []
        return ModelCall(
            f"ask({_TEXT})",
            awaited,
            (
                f"{'async ' if awaited else ''}def ask{head}",
                *(f"    {line}" for line in lines),
                f"    reply = {'await ' if awaited else ''}{ast.unparse(made)}",
                *check,
                f"    return {ast.unparse(ast.parse(request.answer('reply')))}",
            ),
        )

    def _definitions(self, expression: ast.expr, depth: int = 0) -> list[str] | None:
        """Assignments that an expression rests on, as far as they stand alone; None where they do not."""
        local = self._target.source.assigned() - {each.arg for each in self._target.parameters}
        lines: list[str] = []
        for name in sorted(
            {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)} & local - {"text"}
        ):
            values = [
                node.value
                for node in own_nodes(self._target.source.node)
                if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == [name]
            ]
            inner = (
                self._definitions(values[0], depth + 1) if len(values) == 1 and depth < _MOST_DEEP else None
            )
            if inner is None or any(isinstance(node, ast.Await) for node in ast.walk(values[0])):
                return None
            lines += [*inner, f"{name} = {ast.unparse(values[0])}"]
        return lines

    def _elsewhere_in(self, module: ProjectModule) -> ModelCall | None:
        """Return a function that other functions of the module ask with, or that the module defines or
        imports.
        """
        for node, owner in self._neighbors_calls(module):
            taken = self._resolved(node.func, module, owner)
            if taken is not None and not taken.required:
                return self._made(node, taken)
        for name in sorted(module.names - {self._target.name}):
            called = ast.Name(id=name, ctx=ast.Load())
            taken = self._resolved(called, module, "")
            if taken is not None and not taken.required:
                return self._made(ast.Call(func=called, args=[], keywords=[]), taken)
        return self._by_its_name(module)

    def _neighbors_calls(self, module: ProjectModule) -> Iterator[tuple[ast.Call, str]]:
        """Calls in the module's functions of what can be called from here too, with the class around them."""
        for name, function in module.functions.items():
            owner = name.rpartition(".")[0]
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and self._reaches(node.func):
                    bound_elsewhere = (
                        _bare_owner(node.func) in ("self", "cls") and owner != self._target.owner
                    )
                    if not bound_elsewhere:
                        yield node, owner

    def _resolved(self, called: ast.expr, module: ProjectModule, owner: str) -> ModelFunction | None:
        function = self._sources.resolve(called, module, owner)
        return self._askable.taken(function) if function is not None else None

    def _by_its_name(self, module: ProjectModule) -> ModelCall | None:
        """Read a call by the name of a neighbor that asks a model; for files that are not shown."""
        model_steps = {
            step.name.rpartition(".")[2]
            for case in self._target.evidence.cases
            for step in (case.trace.steps if case.trace is not None else [])
            if step.llm_calls
        }
        for name in sorted(model_steps & {each.rpartition(".")[2] for each in module.functions}):
            function = next(each for key, each in module.functions.items() if key.rpartition(".")[2] == name)
            for node in ast.walk(function):
                if not isinstance(node, ast.Call) or not node.args or not self._reaches(node.func):
                    continue
                if self._sources.resolve(node.func, module) or isinstance(node.args[0], ast.Constant):
                    continue
                if MODEL_FUNCTION_NAME.search(_bare(node.func)):
                    awaited = any(
                        isinstance(each, ast.Await) and each.value is node for each in ast.walk(function)
                    )
                    return self._made(node, ModelFunction("", False, _is_messages(node.args[0]), awaited, ()))
        return None

    def _reaches(self, called: ast.expr) -> bool:
        """True if what is called has a name here too: one of the module, or a method of the object."""
        root = called
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name):
            return False
        return root.id in ("self", "cls") or (self._module is not None and root.id in self._module.names)

    def _in_other_modules(self, here: ProjectModule) -> ModelCall | None:
        """Return a function of another file, with the import that it takes; never one that imports this
        file.
        """
        for module in self._sources.modules():
            if module is here or self._imports(module, here, 0):
                continue
            for name in module.functions:
                function = ProjectFunction(module, name, module.functions[name])
                taken = self._askable.taken(function) if "." not in name else None
                if taken is None or taken.required or name in here.names or name == self._target.name:
                    continue
                asker = self._made(
                    ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[], keywords=[]), taken
                )
                if asker is not None:
                    return replace(asker, statement=self._import_of(module, name))
        return None

    def _imports(self, module: ProjectModule, other: ProjectModule, depth: int) -> bool:
        for base, name in module.imports.values():
            for dotted in (base, f"{base}.{name}"):
                imported = self._sources.imported(dotted)
                if imported is other or (
                    imported is not None and depth < _MOST_DEEP and self._imports(imported, other, depth + 1)
                ):
                    return True
        return False

    def _import_of(self, module: ProjectModule, name: str) -> str:
        """As other files of the project import it, else by the path."""
        for other in self._sources.modules():
            for node in other.tree.body:
                if isinstance(node, ast.ImportFrom) and not node.level and node.module is not None:
                    is_it = self._sources.imported(node.module) is module
                    if is_it and any(alias.name == name and alias.asname is None for alias in node.names):
                        return f"from {node.module} import {name}"
        return f"from {module.dotted} import {name}"


def _bare(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _bare_owner(called: ast.expr) -> str:
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.value.id
    return ""


def _is_messages(expression: ast.expr) -> bool:
    return isinstance(expression, (ast.List, ast.ListComp)) or (
        isinstance(expression, ast.Name) and "messages" in expression.id
    )
