"""The file and the project around a function: imports, names, helpers, and the imports it may add."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.review.code.allowed_names import (
    OUTSIDE_METHODS,
    RISKS,
    SENDING,
    is_safe_module,
    is_standard,
    names_of,
    risk_of,
    safe_name,
)
from pytest_fapo.review.code.proposed_function import FunctionSource, NameScopes

_MODEL_NAMES = re.compile(r"(^|_)(ask|complete|completion|chat|llm|generate|invoke|model|respond|infer)($|_)")


@dataclass(frozen=True)
class CodeModule:
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
    """True if it imports `*` from somewhere, so that not all names are known."""

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions at the top level by name."""
        return {
            node.name: node
            for node in self.tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    def takes_outside(self, name: str) -> bool:
        """True if the function reaches files, programs or made-up code by what it is called with."""
        function = self.functions.get(name)
        if function is None:
            return False
        scopes = NameScopes(function)
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
    def model_functions(self) -> frozenset[str]:
        """Functions at the top level that ask a model, by themselves or by each other."""
        found = {name for name, node in self.functions.items() if _sends(node)}
        found |= {name for name in self.imports if _MODEL_NAMES.search(name)}
        while more := {
            name for name, node in self.functions.items() if name not in found and _calls(node) & found
        }:
            found |= more
        return frozenset(found)

    @cached_property
    def known(self) -> frozenset[str]:
        """Every name of the top level."""
        return self.names | self.imports.keys()


def read_module(path: str, text: str) -> CodeModule:
    """Take a file apart; an unreadable one offers nothing."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return CodeModule(path, ast.Module([], []))
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
    return CodeModule(path, tree, imports, frozenset(modules), frozenset(names), starred)


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


def _related(node: ast.AST, scopes: NameScopes) -> list[ast.AST]:
    """Return the nodes related to an outside object: receiver, arguments, key."""
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


@dataclass(frozen=True)
class Around:
    """The file of the function and the project of the file."""

    module: CodeModule
    created: frozenset[str] = frozenset()
    """Functions that the candidate adds to the file."""
    imports: tuple[str, ...] = ()
    """Modules that the settings allow."""
    prompts: tuple[str, ...] = ()
    """Paths of the prompt files that code may read: those of the scope, and the candidate's new ones."""
    constants: frozenset[str] = frozenset()
    """Names of the prompts that are string constants."""
    case_files: frozenset[str] = frozenset()
    """Names of the files that hold the cases."""
    project: Callable[[str], CodeModule | None] = field(default=lambda dotted: None)
    """The project's own module of a dotted name; None where it is none of its modules."""
    editable: Callable[[str], bool] = field(default=lambda path: False)
    """True if a file of the project is in the scope."""

    def is_allowed(self, dotted: str) -> bool:
        """True if the settings allow this module or one that holds it."""
        return any(dotted == name or dotted.startswith(f"{name}.") for name in self.imports)

    def is_prompt(self, literal: str, *, stem: bool = False) -> bool:
        """True if `literal` ends the path of a prompt file; with `stem` it may lack the ending."""
        parts = literal.split("/")
        if not literal or "" in parts or any(part in (".", "..") for part in parts):
            return False
        paths = [path.split("/") for path in self.prompts]
        if stem:
            paths += [[*path[:-1], path[-1].partition(".")[0]] for path in paths]
        return any(path[-len(parts) :] == parts for path in paths)


_NEVER = frozenset(("pytest", "_pytest", "unittest", "conftest", "tests"))

_CHECKED_WHERE_USED = frozenset(("pathlib",))


def import_problems(source: FunctionSource, around: Around) -> Iterator[str]:
    """Imports beyond the safe list, the file's own, the settings' and those of the project's scope."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not _may_import(alias.name, around):
                    yield _message(alias.name, around)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, around)


def _from(node: ast.ImportFrom, around: Around) -> Iterator[str]:
    module = absolute(node, around.module.path)
    for alias in node.names:
        whole = f"{module}.{alias.name}" if module else alias.name
        if alias.name == "*":
            yield f"imports * from {module}; import the names that are needed"
        elif not _may_take(module, whole, around):
            yield _message(whole, around)


def _may_take(module: str, whole: str, around: Around) -> bool:
    """True if `from module import name` may stand there: also a name may be a module."""
    known = whole in around.module.modules or whole in around.module.imports.values()
    if is_standard(module.partition(".")[0]) and safe_name(whole) is not True:
        return known or around.is_allowed(module) or module in _CHECKED_WHERE_USED
    if around.project(whole) is not None:
        return known or _may_import(whole, around)
    return _may_import(module, around, whole)


def _may_import(module: str, around: Around, whole: str = "") -> bool:
    if module.partition(".")[0] in _NEVER or module.rpartition(".")[2].startswith("test_"):
        return False
    if module in around.module.modules or module in _CHECKED_WHERE_USED or around.is_allowed(module):
        return True
    if is_safe_module(module):
        return safe_name(whole or module) is True
    found = around.project(module)
    return found is not None and (around.editable(found.path) or found.path.endswith("/__init__.py"))


def _message(name: str, around: Around) -> str:
    if names_of(name.rpartition(".")[0]) is not None:
        return f"imports {name}, which is not on the list of names that code may use from its module"
    if around.project(name) is not None:
        return f"imports {name}, a module of the project outside of [tool.fapo.scope]"
    parts = name.split(".")
    return (
        f"imports {name} ({risk_of(parts[0], *reversed(parts))}); code may import what its file imports, "
        f"harmless modules of the standard library, and what [tool.fapo] imports names"
    )
