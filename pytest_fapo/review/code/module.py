"""What the file around a function offers to it: imports, names of its own, helpers that reach outside."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.review.code.allowed import OUTSIDE_METHODS, RISKS, SENDING
from pytest_fapo.review.code.scopes import Scopes

_ASKING = re.compile(r"(^|_)(ask|complete|completion|chat|llm|generate|invoke|model|respond|infer)($|_)")


@dataclass(frozen=True)
class Module:
    """A Python file of the project as of the parent."""

    path: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    """Name to dotted origin, `np` to `numpy`, `loads` to `json.loads`; relative ones resolved."""
    modules: frozenset[str] = frozenset()
    """Every module that an import statement of the file names."""
    names: frozenset[str] = frozenset()
    """Names bound at the top level, imports aside."""
    starred: bool = False
    """Whether it imports `*` from somewhere, so that not all names are known."""

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions at the top level by name."""
        return {
            node.name: node
            for node in self.tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    def takes_outside(self, name: str) -> bool:
        """Whether the function reaches files, programs or made-up code by what it is called with."""
        function = self.functions.get(name)
        if function is None:
            return False
        scopes = Scopes(function)
        return any(
            self._is_own(each)
            for node in ast.walk(function)
            if _is_outside(node, self.imports)
            for part in _related(node, scopes)
            for each in ast.walk(part)
        )

    def _is_own(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id not in self.known and not hasattr(builtins, node.id)

    @cached_property
    def asking(self) -> frozenset[str]:
        """Functions at the top level that ask a model, by themselves or by each other."""
        found = {name for name, node in self.functions.items() if _sends(node)}
        found |= {name for name in self.imports if _ASKING.search(name)}
        while more := {
            name for name, node in self.functions.items() if name not in found and _calls(node) & found
        }:
            found |= more
        return frozenset(found)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every name of the top level."""
        return self.names | self.imports.keys()


def read_module(path: str, text: str) -> Module:
    """Take a file apart; an unreadable one offers nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Module(path, ast.Module([], []))
    imports: dict[str, str] = {}
    modules: set[str] = set()
    names: set[str] = set()
    starred = False
    for node in _top_level(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports.update(imported(node, path))
            modules.update(modules_of(node, path))
            starred = starred or any(alias.name == "*" for alias in node.names)
        else:
            names.update(_bound(node))
    names.update(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)
    return Module(path, tree, imports, frozenset(modules), frozenset(names), starred)


def imported(node: ast.Import | ast.ImportFrom, path: str) -> Iterator[tuple[str, str]]:
    """Names that the statement binds, each with its dotted origin."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            root = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (root, root)
        return
    module = absolute(node, path)
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or alias.name, f"{module}.{alias.name}" if module else alias.name


def modules_of(node: ast.Import | ast.ImportFrom, path: str) -> list[str]:
    """Dotted names of the modules that the statement loads for sure."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [absolute(node, path)]


def absolute(node: ast.ImportFrom, path: str) -> str:
    """The module of a `from` import, a relative one resolved against the file's folder."""
    if not node.level:
        return node.module or ""
    folders = path.split("/")[:-1]
    folders = folders[: len(folders) - (node.level - 1)]
    return ".".join([*folders, *([node.module] if node.module else [])])


def _top_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run at import, those inside `if`, `try` and `with` too."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


def _related(node: ast.AST, scopes: Scopes) -> list[ast.AST]:
    """What an outside thing is asked of and given: receiver, arguments, key."""
    found: list[ast.AST] = [node.value] if isinstance(node, ast.Attribute) else []
    parent = scopes.parents.get(node)
    while isinstance(parent, ast.Attribute):
        node, parent = parent, scopes.parents.get(parent)
    if isinstance(parent, ast.Call) and parent.func is node:
        found += [*parent.args, *(keyword.value for keyword in parent.keywords)]
    elif isinstance(parent, ast.Subscript) and parent.value is node:
        found.append(parent.slice)
    return found


def _sends(function: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SENDING
        for node in ast.walk(function)
    )


def _calls(function: ast.AST) -> set[str]:
    return {
        node.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _is_outside(node: ast.AST, imports: dict[str, str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in OUTSIDE_METHODS
    if not isinstance(node, ast.Name):
        return False
    if node.id in imports:
        root = imports[node.id].partition(".")[0]
        return RISKS.get(root, "network access") not in ("network access", "file access")
    return node.id in ("open", "eval", "exec", "compile", "__import__", "globals", "vars")
