"""The application's functions: what they take, what they call, whether a model is asked below them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.cli.init.asking_models import Asking, dotted
from pytest_fapo.cli.init.sources import SourceModule

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_PLAIN = {"str", "int", "float", "bool", "list", "dict", "None", "Any", "object"} | {
    *("List", "Dict", "Optional", "Union", "Literal", "Mapping", "Sequence", "Iterable", "JsonValue"),
    *("tuple", "Tuple", "typing", "collections", "abc", "t"),
}
_ENTRY_NAMES = {"main", "cli", "run_cli", "app", "serve", "start", "lifespan"}
_ENTRY_DECORATORS = re.compile(
    r"\.(?:get|post|put|route|websocket|command|callback|task|tool|event)$|^command$"
)


@dataclass(frozen=True)
class Parameter:
    """What a caller must give."""

    name: str
    annotation: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether JSON data could be given for it, as far as the annotation tells."""
        words = re.findall(r"[A-Za-z_]\w*", re.sub(r"(['\"]).*?\1", "", self.annotation))
        return all(word in _PLAIN for word in words)


@dataclass(frozen=True)
class Function:
    """A function of a module, or a method of a class at its top level."""

    module: SourceModule
    owner: str
    """Name of the class; empty for a plain function."""
    node: FunctionNode = field(repr=False)
    takes: tuple[Parameter, ...]
    """What has no default, without `self`."""
    positional: bool
    """Whether the first of them cannot be given by keyword."""
    owner_needs: tuple[str, ...] = ()
    """What the class must be given to be made."""

    @property
    def name(self) -> str:
        """`answer` or `Bot.answer`."""
        return f"{self.owner}.{self.node.name}" if self.owner else self.node.name

    @property
    def target(self) -> str:
        """`app.pipeline:Bot.answer`."""
        return f"{self.module.name}:{self.name}"

    @property
    def place(self) -> str:
        return f"{self.module.path}:{self.node.lineno}"

    @cached_property
    def is_entry(self) -> bool:
        """Whether it is how a program is started or reached, rather than the work itself."""
        decorators = [dotted(each) for each in self.node.decorator_list]
        return (
            self.node.name in _ENTRY_NAMES
            or self.module.name.rpartition(".")[2] == "__main__"
            or any(_ENTRY_DECORATORS.search(each) for each in decorators)
        )

    @property
    def is_private(self) -> bool:
        return any(part.startswith("_") for part in self.name.split("."))

    @property
    def fits(self) -> bool:
        """Whether a case's inputs can be given to it as it is."""
        return bool(self.takes) and not self.owner_needs and all(each.is_plain for each in self.takes)


class CallGraph:
    """Who calls whom among the application's functions, judged by names.

    Args:
        modules: the application.
    """

    def __init__(self, modules: Iterable[SourceModule]) -> None:
        self.functions: dict[str, Function] = {}
        self.asking: set[str] = set()
        """Targets of the functions that ask a model themselves."""
        self.calls: dict[str, set[str]] = {}
        self.loose: list[str] = []
        """Places where a model is asked outside of every function."""
        modules = list(modules)
        self._modules = {module.name: module for module in modules}
        for module in modules:
            for function in functions_of(module):
                self.functions[function.target] = function
        self._methods: dict[str, list[str]] = {}
        for target, function in self.functions.items():
            if function.owner:
                self._methods.setdefault(function.node.name, []).append(target)
        for module in modules:
            self._read(module)

    def below(self, target: str) -> set[str]:
        """The function and everything that it calls, directly or not."""
        return _reachable(target, self.calls)

    @cached_property
    def reaching(self) -> dict[str, set[str]]:
        """Target to the functions below it that ask a model, for those that have any."""
        callers: dict[str, set[str]] = {}
        for target, called in self.calls.items():
            for each in called:
                callers.setdefault(each, set()).add(target)
        found: dict[str, set[str]] = {}
        for target in sorted(self.asking):
            for above in _reachable(target, callers):
                found.setdefault(above, set()).add(target)
        return found

    def _read(self, module: SourceModule) -> None:
        asks = Asking(module, self._modules)
        inside: set[ast.AST] = set()
        for function in functions_of(module):
            nodes = list(ast.walk(function.node))
            inside.update(nodes)
            called = {found for node in nodes for found in self._meant(node, module, function.owner)}
            self.calls[function.target] = called - {function.target}
            if any(isinstance(each, ast.Call) and asks(each) for each in nodes):
                self.asking.add(function.target)
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or node in inside:
                continue
            if asks(node):
                self.loose.append(f"{module.path}:{node.lineno}")

    def _meant(self, node: ast.AST, module: SourceModule, owner: str) -> Iterator[str]:
        """The functions that a name or attribute may stand for."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from self._known(module.imports.get(node.id, f"{module.name}.{node.id}"))
        elif isinstance(node, ast.Attribute):
            head, _, rest = dotted(node).partition(".")
            if head in ("self", "cls") and f"{module.name}:{owner}.{rest}" in self.functions:
                yield f"{module.name}:{owner}.{rest}"
            elif head in module.imports:
                yield from self._known(f"{module.imports[head]}.{rest}")
            elif len(self._methods.get(node.attr, ())) == 1 and not node.attr.startswith("__"):
                yield self._methods[node.attr][0]

    def _known(self, name: str) -> Iterator[str]:
        """Targets of a dotted name: a function, a method of a class, or what making the class runs."""
        parts = name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            target = f"{'.'.join(parts[:end])}:{'.'.join(parts[end:])}"
            if target in self.functions:
                yield target
                return
            for method in ("__init__", "__call__", "forward"):
                if f"{target}.{method}" in self.functions:
                    yield f"{target}.{method}"


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for each in edges.get(waiting.pop(), ()):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return seen


def functions_of(module: SourceModule) -> Iterator[Function]:
    """Functions and methods at the top of a module, in their order."""
    for statement in module.tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield _function(module, "", statement, ())
        elif isinstance(statement, ast.ClassDef):
            needs = _needs_of(statement)
            for inner in statement.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield _function(module, statement.name, inner, needs)


def _needs_of(owner: ast.ClassDef) -> tuple[str, ...]:
    """What the class must be given; of a dataclass or a model, its fields without a default."""
    for statement in owner.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return tuple(each.name for each in _required(statement.args)[1:])
    if owner.decorator_list or any("Model" in dotted(base) for base in owner.bases):
        return tuple(
            each.target.id
            for each in owner.body
            if isinstance(each, ast.AnnAssign) and each.value is None and isinstance(each.target, ast.Name)
        )
    return ()


def _function(module: SourceModule, owner: str, node: FunctionNode, needs: tuple[str, ...]) -> Function:
    static = any(dotted(each) == "staticmethod" for each in node.decorator_list)
    shared = static or any(dotted(each) == "classmethod" for each in node.decorator_list)
    takes = _required(node.args)
    if owner and not static:
        takes = takes[1:]
    only = {each.arg for each in node.args.posonlyargs}
    positional = bool(takes) and takes[0].name in only
    return Function(module, owner, node, tuple(takes), positional, () if shared else needs)


def _required(arguments: ast.arguments) -> list[Parameter]:
    listed = [*arguments.posonlyargs, *arguments.args]
    listed = listed[: len(listed) - len(arguments.defaults)]
    listed += [
        each
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    return [
        Parameter(each.arg, ast.unparse(each.annotation) if each.annotation is not None else "")
        for each in listed
    ]
