"""Which functions of a project ask its model: those that send a request with a text of their caller's."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from pytest_fapo.models import Evidence
from pytest_fapo.propose.operators.calls import read_request
from pytest_fapo.propose.operators.layout import FunctionNode
from pytest_fapo.propose.operators.sources import Found, Sources

ASKING = re.compile(
    r"(^|_)(ask|complete|completion|chat|llm|generate|gpt|claude|invoke|call_model|query_model|respond|infer)($|_)"
)
"""Names under which functions ask a model, for those whose source is not shown."""
_TEXT_NAMES = ("user", "prompt", "text", "question", "message", "content", "query", "input", "user_prompt")
_NOT_TEXT = frozenset(
    {"model", "system", "system_prompt", "name", "role", "temperature", "max_tokens", "template"}
)
_MOST_DEEP = 4


@dataclass(frozen=True)
class Taken:
    """A function that asks, as a caller sees it."""

    parameter: str
    """The parameter that takes the text."""
    by_name: bool
    messages: bool
    """Whether it takes a list of messages instead of a text."""
    awaited: bool
    required: tuple[str, ...]
    """Further parameters that must be given, those before the text's first."""


class Askable:
    """Reads functions of the project, each once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._memo: dict[tuple[str, str], Taken | None] = {}

    def taken(self, found: Found, depth: int = 0) -> Taken | None:
        """How a function is asked; None where it does not ask a model with a text of its caller's."""
        key = (found.module.path, found.name)
        if key not in self._memo:
            self._memo[key] = None
            self._memo[key] = self._read_function(found, depth)
        return self._memo[key]

    def _read_function(self, found: Found, depth: int) -> Taken | None:
        node = found.node
        if node.returns is not None and "str" not in ast.unparse(node.returns):
            return None
        if node.returns is not None and re.search(r"(dict|list|tuple|Iterator)\[", ast.unparse(node.returns)):
            return None
        if self._sent(found, depth) is None:
            return None
        return _parameters(found, self._sent(found, depth) or set())

    def _sent(self, found: Found, depth: int) -> set[str] | None:
        """Names that reach the request; None where the function sends none."""
        for node in ast.walk(found.node):
            request = read_request(node)
            if request is not None and request.texts is not None:
                return _names_behind(request.texts, found.node)
        if depth >= _MOST_DEEP:
            return None
        for node in ast.walk(found.node):
            if isinstance(node, ast.Call):
                inner = self._sources.resolve(node.func, found.module, found.name.rpartition(".")[0])
                if inner is not None and self.taken(inner, depth + 1) is not None and node.args:
                    return _names_behind(node.args[0], found.node)
        return None


def traced_askers(evidence: Evidence) -> dict[str, Taken]:
    """Steps that gave back the very answer to a text that they were given, by name."""
    found: dict[str, Taken] = {}
    for case in evidence.cases:
        for step in case.trace.steps if case.trace is not None else []:
            assert case.trace is not None
            calls = case.trace.calls_of(step)
            if len(calls) != 1 or not isinstance(step.output, str) or not isinstance(step.inputs, dict):
                continue
            answer, sent = (calls[0].answer or "").strip(), str(calls[0].messages)
            names = [
                name
                for name, value in step.inputs.items()
                if isinstance(value, str) and len(value) >= 12 and repr(value)[1:-1] in sent
            ]
            if answer and step.output.strip() == answer and len(names) == 1 and ASKING.search(step.name):
                found.setdefault(step.name, Taken(names[0], True, False, False, ()))
    return found


def _parameters(found: Found, sent: set[str]) -> Taken | None:
    arguments = found.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if "." in found.name and not any(
        isinstance(each, ast.Name) and each.id == "staticmethod" for each in found.node.decorator_list
    ):
        positional = positional[1:]
    names = [each.arg for each in positional]
    required = names[: len(names) - len(arguments.defaults)] if arguments.defaults else names
    by_name = [each.arg for each in arguments.kwonlyargs]
    needed = [
        each.arg
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    texts = [name for name in [*names, *by_name] if name in sent and name not in _NOT_TEXT]
    ranked = sorted(texts, key=lambda name: _TEXT_NAMES.index(name) if name in _TEXT_NAMES else 99)
    if not ranked:
        return None
    text = ranked[0]
    before = tuple(name for name in required if name != text)
    if text in names and any(name in names[names.index(text) :] for name in before):
        return None
    if set(needed) - {text}:
        return None
    awaited = isinstance(found.node, ast.AsyncFunctionDef)
    annotation = {each.arg: each.annotation for each in [*positional, *arguments.kwonlyargs]}[text]
    listed = annotation is not None and ast.unparse(annotation).lower().startswith(("list", "sequence"))
    place = names.index(text) if text in names else -1
    return Taken(text, place != len(before), listed or text == "messages", awaited, before)


def _names_behind(expression: ast.expr, function: FunctionNode) -> set[str]:
    """The names in an expression, and those in what is assigned or appended to them."""
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    for _ in range(3):
        for node in ast.walk(function):
            targets: list[ast.expr] = []
            values: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets, values = node.targets, [node.value]
            elif isinstance(node, (ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                targets, values = [node.target], [node.value]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("append", "extend", "insert")
            ):
                targets, values = [node.func.value], list(node.args)
            if any(isinstance(each, ast.Name) and each.id in names for each in targets):
                names |= {
                    each.id for value in values for each in ast.walk(value) if isinstance(each, ast.Name)
                }
    return names
