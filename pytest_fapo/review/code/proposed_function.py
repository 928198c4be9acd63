"""The source of a proposed function: imports, then the one function, and the scope of each name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class NameScope:
    """One function, lambda, comprehension, class or the text's outermost level."""

    kind: str
    parent: NameScope | None = None
    bound: dict[str, list[ast.AST | None]] = field(default_factory=dict)
    """Name to what is bound to it: an expression, an import's alias, or None where that is not known."""
    outward: set[str] = field(default_factory=set)
    """Names declared `global`."""

    def bind(self, name: str, value: ast.AST | None) -> None:
        self.bound.setdefault(name, []).append(value)


class NameScopes:
    """Resolves the names of a module's tree.

    Args:
        tree: imports and one function, or any module.
    """

    def __init__(self, tree: ast.AST) -> None:
        self.top = NameScope("module")
        self.parents: dict[ast.AST, ast.AST] = {}
        self._scope_of: dict[ast.AST, NameScope] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
        self._enter(tree, self.top)

    def names(self) -> Iterator[ast.Name]:
        """Every name, in no certain order."""
        for node in self._scope_of:
            if isinstance(node, ast.Name):
                yield node

    def bindings(self, node: ast.Name) -> list[ast.AST | None] | None:
        """Return what the name is bound to at its use; None if it comes from outside of the text.

        A class body does not hide outer names for sure, so its bindings are not counted.
        """
        scope: NameScope | None = self._scope_of.get(node, self.top)
        while scope is not None:
            if node.id in scope.outward:
                return self.top.bound.get(node.id)
            if scope.kind != "class" and node.id in scope.bound:
                return scope.bound[node.id]
            scope = scope.parent
        return None

    def in_class_body(self, node: ast.Name) -> bool:
        """True if a class body binds this name around its use."""
        scope = self._scope_of.get(node)
        return scope is not None and scope.kind == "class" and node.id in scope.bound

    # --- building -------------------------------------------------------------------------------------

    def _enter(self, node: ast.AST, scope: NameScope) -> None:
        """Walk what belongs to `scope`, and open the scopes inside it."""
        waiting = [node]
        while waiting:
            current = waiting.pop()
            self._scope_of[current] = scope
            self._bind(current, scope)
            if isinstance(current, _FUNCTIONS):
                self._function(current, scope)
            elif isinstance(current, ast.ClassDef):
                inner = NameScope("class", scope)
                waiting += [*current.decorator_list, *current.bases, *current.keywords]
                for statement in current.body:
                    self._enter(statement, inner)
            elif isinstance(current, _COMPREHENSIONS):
                self._comprehension(current, scope)
            else:
                waiting.extend(ast.iter_child_nodes(current))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: NameScope) -> None:
        inner = NameScope("function", scope)
        arguments = node.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        named += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        outside: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
        outside += [argument.annotation for argument in named]
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        if not isinstance(node, ast.Lambda):
            outside += [*node.decorator_list, node.returns]
            body += getattr(node, "type_params", [])
        for argument in named:
            inner.bind(argument.arg, argument)
        for part in outside:
            if part is not None:
                self._enter(part, scope)
        for part in body:
            self._enter(part, inner)

    def _comprehension(self, node: ast.AST, scope: NameScope) -> None:
        inner = NameScope("comprehension", scope)
        generators: list[ast.comprehension] = getattr(node, "generators", [])
        self._enter(generators[0].iter, scope)
        for number, generator in enumerate(generators):
            self._enter(generator.target, inner)
            for part in ([generator.iter] if number else []) + generator.ifs:
                self._enter(part, inner)
        for name in ("elt", "key", "value"):
            child = getattr(node, name, None)
            if isinstance(child, ast.AST):
                self._enter(child, inner)

    def _bind(self, node: ast.AST, scope: NameScope) -> None:
        if isinstance(node, ast.Global):
            scope.outward.update(node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            self._bind_name(node, scope)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.bind(node.name, node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                scope.bind(alias.asname or alias.name.partition(".")[0], node)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            scope.bind(node.name, None)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.bind(node.rest, None)
        elif type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):
            scope.bind(getattr(node, "name", ""), None)

    def _bind_name(self, node: ast.Name, scope: NameScope) -> None:
        parent: Any = self.parents.get(node)
        value: ast.AST | None = None
        if isinstance(parent, ast.Assign):
            value = parent.value if any(target is node for target in parent.targets) else None
        elif isinstance(parent, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            value = parent.value
        elif isinstance(parent, (ast.For, ast.AsyncFor, ast.comprehension)):
            value = parent.iter
        if isinstance(parent, ast.NamedExpr):
            while scope.kind == "comprehension" and scope.parent is not None:
                scope = scope.parent
        scope.bind(node.id, value)


Function = ast.FunctionDef | ast.AsyncFunctionDef

_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

DEEPEST = 120
"""Levels of nesting; deeper code would exhaust the stack of whoever reads it."""

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=]", re.M)


class NotAFunction(Exception):
    """The text is not the source of one function; the message says what it is instead."""


@dataclass(frozen=True)
class FunctionSource:
    """Imports and one function."""

    text: str
    tree: ast.Module
    function: Function

    @property
    def imports(self) -> list[ast.stmt]:
        """The import statements before the function."""
        return self.tree.body[:-1]

    @cached_property
    def scopes(self) -> NameScopes:
        """The meaning of each name."""
        return NameScopes(self.tree)

    @property
    def own_nodes(self) -> list[ast.AST]:
        """Every node of the function's body but those of functions and classes inside it."""
        found: list[ast.AST] = []
        waiting: list[ast.AST] = list(self.function.body)
        while waiting:
            node = waiting.pop()
            found.append(node)
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                waiting.extend(ast.iter_child_nodes(node))
        return found


def _depth(tree: ast.AST) -> int:
    """Return the depth to which expressions and statements are nested."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def parse_source(text: str, name: str) -> FunctionSource:
    """Parse the source of the function `name` (without its class).

    Raises:
        NotAFunction: it is something else, or hides something from its readers.
    """
    if hidden := _HIDDEN.search(text):
        raise NotAFunction(f"holds the invisible character U+{ord(hidden[0]):04X}")
    if _COOKIE.search(text):
        raise NotAFunction("holds an encoding declaration")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise NotAFunction(f"does not parse (line {error.lineno}: {error.msg})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotAFunction(f"does not parse ({str(error) or type(error).__name__})") from None
    if _depth(tree) > DEEPEST:
        raise NotAFunction("is nested too deeply for a reader")
    *before, last = tree.body or [ast.Pass()]
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise NotAFunction(f"does not end with the function {name}")
    if last.name != name:
        raise NotAFunction(f"defines {last.name} where {name} is expected")
    other = [node for node in before if not isinstance(node, (ast.Import, ast.ImportFrom))]
    if other:
        raise NotAFunction(
            f"holds a statement beside the function (line {other[0].lineno}); "
            f"only import statements may come before it"
        )
    return FunctionSource(text, tree, last)
