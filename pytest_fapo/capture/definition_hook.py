"""Trace functions where they are defined: a transform of a module's source at its import.

Whoever takes a function at its definition (a graph's node, a tool, a route, a table) so holds the traced one.
The decorator that is added stands below all others, on the line of the `def`: line numbers, sources and
coverage stay as they are. The transformed code is never written to `__pycache__`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

HOOK = "__fapo_step__"
"""The name in a transformed module that makes the decorators."""

_LEFT = frozenset(
    {
        *("property", "cached_property", "setter", "getter", "deleter", "computed_field", "overload"),
        *("field_validator", "model_validator", "validator", "root_validator"),
        *("field_serializer", "model_serializer", "fixture"),
    }
)
"""Decorators of functions that a wildcard does not mean."""

_MANAGERS = frozenset({"contextmanager", "asynccontextmanager"})
"""Decorators that call their generator later: what they make is traced, not the generator."""


@dataclass(frozen=True)
class StepPattern:
    """One entry of `steps`: `module:function`, `module:Class.method`, with wildcards."""

    text: str

    @property
    def module(self) -> str:
        return self.text.partition(":")[0]

    @property
    def owner(self) -> str:
        """Return what the function is defined in, a class mostly; empty for a module's own functions."""
        return self.text.partition(":")[2].rpartition(".")[0]

    @property
    def function(self) -> str:
        return self.text.partition(":")[2].rpartition(".")[2]

    @property
    def is_broad(self) -> bool:
        """True if it holds a wildcard."""
        return any(sign in self.text for sign in "*?[")

    def names(self, name: str) -> bool:
        """True if it stands for a function of this name; wildcards leave special names out."""
        special = name.startswith("__") and name.endswith("__") and name != self.function
        return (not special or (name == "__call__" and bool(self.owner))) and fnmatchcase(name, self.function)

    def finds(self, owners: tuple[ast.stmt, ...], name: str) -> bool:
        """True if it stands for the function of this name that is defined in these classes and functions."""
        path = ".".join(owner.name for owner in owners if isinstance(owner, _SCOPES))
        in_function = any(not isinstance(owner, ast.ClassDef) for owner in owners)
        if in_function and self.is_broad and self.owner != path:
            return False
        if not self.owner:
            return self.names(name) and (not owners or (in_function and not self.is_broad))
        return fnmatchcase(path, self.owner) and self.names(name)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Transformed:
    """Record of what was found in a module."""

    paths: set[str] = field(default_factory=set)
    """`function`, `Class.method` of the definitions that are traced."""
    left: set[str] = field(default_factory=set)
    """Those that a wildcard names and does not mean."""
    matched: set[StepPattern] = field(default_factory=set)


def transform(tree: ast.Module, patterns: list[StepPattern]) -> Transformed:
    """Decorate the functions of a module, in place, that the patterns stand for."""
    found = Transformed()
    for owners, node in _definitions(tree, ()):
        if isinstance(node, _FUNCTIONS):
            _decorate(node, owners, patterns, found)
        elif not owners:
            _wrap_lambdas(node, patterns, found)
    return found


def _definitions(
    node: ast.AST, owners: tuple[ast.stmt, ...]
) -> Iterator[tuple[tuple[ast.stmt, ...], ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.Assign, ast.AnnAssign)):
            yield owners, child
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            inner = (*owners, child) if isinstance(child, _SCOPES) else owners
            yield from _definitions(child, inner)


def _decorate(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    owners: tuple[ast.stmt, ...],
    patterns: list[StepPattern],
    found: Transformed,
) -> None:
    decorators = {_last_name(each) for each in node.decorator_list}
    matching = [each for each in patterns if each.finds(owners, node.name)]
    path = ".".join([*(owner.name for owner in owners if isinstance(owner, _SCOPES)), node.name])
    if decorators & _LEFT:
        found.left.add(path)
        matching = [each for each in matching if not each.is_broad]
    if not matching or decorators & _MANAGERS:
        return
    found.matched.update(matching)
    found.paths.add(path)
    broad = all(each.is_broad for each in matching)
    node.decorator_list.append(ast.copy_location(_hook_call(broad, None, node), node))


def _wrap_lambdas(node: ast.AST, patterns: list[StepPattern], found: Transformed) -> None:
    """Lambdas that are a module's functions: bound to a name, or an entry of a table."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        return
    name = targets[0].id
    if isinstance(node.value, ast.Lambda):
        matching = [each for each in patterns if not each.owner and each.names(name)]
        node.value = _traced_lambda(node.value, name, matching, found, name)
    elif isinstance(node.value, ast.Dict):
        for place, (key, value) in enumerate(zip(node.value.keys, node.value.values, strict=True)):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.Lambda):
                matching = [each for each in patterns if each.owner in ("", name) and each.names(key.value)]
                path = f"{name}.{key.value}"
                node.value.values[place] = _traced_lambda(value, key.value, matching, found, path)


def _traced_lambda(
    node: ast.Lambda, name: str, matching: list[StepPattern], found: Transformed, path: str
) -> ast.expr:
    if not matching:
        return node
    found.matched.update(matching)
    found.paths.add(path)
    call = ast.Call(_hook_call(all(each.is_broad for each in matching), name, node), [node], [])
    return ast.copy_location(call, node)


def _hook_call(is_broad: bool, name: str | None, at: ast.AST) -> ast.Call:
    hook = ast.copy_location(ast.Name(HOOK, ast.Load()), at)
    arguments: list[ast.expr] = [ast.copy_location(ast.Constant(value), at) for value in (is_broad, name)]
    return ast.copy_location(ast.Call(hook, arguments, []), at)


def _last_name(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def execute_transformed(
    loader: Any, module: ModuleType, patterns: list[StepPattern], hook: Callable[..., Any]
) -> Transformed | None:
    """Execute a module's transformed source; None, with nothing done, where its loader is not Python's own
    or nothing is to be traced.

    Args:
        loader: of the module.
        module: made, but not executed.
        patterns: those of this module.
        hook: `hook(is_broad, name)` makes the decorator.
    """
    if not is_plain(loader):
        return None
    try:
        tree = ast.parse(loader.get_data(loader.path), loader.path)
    except (OSError, SyntaxError, ValueError):
        return None  # the import itself says what is wrong
    found = transform(tree, patterns)
    if not found.paths:
        return None
    code = loader.source_to_code(tree, loader.path)
    vars(module)[HOOK] = hook
    exec(code, vars(module))
    return found


def is_plain(loader: Any) -> bool:
    """True if a loader reads and compiles sources as Python does: none that rewrites them itself."""
    names = ("exec_module", "get_code", "source_to_code", "get_data")
    return isinstance(loader, SourceFileLoader) and all(
        getattr(type(loader), name) is getattr(SourceFileLoader, name) for name in names
    )
