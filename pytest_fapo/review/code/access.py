"""What a piece of code reaches: each use of a thing outside of it has a key, so that two versions compare."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pytest_fapo.review.code.allowed import (
    ALL_BUILTINS,
    FRAMES,
    HARMLESS_DUNDERS,
    MODULE_LIKE,
    OUTSIDE_METHODS,
    RISKS,
    SAFE_BUILTINS,
    SAFE_MODULES,
    is_standard,
    risk_of,
    safe_name,
)
from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.folding import string
from pytest_fapo.review.code.module import imported
from pytest_fapo.review.code.origins import origin
from pytest_fapo.review.code.prompt_files import accepted_reads
from pytest_fapo.review.code.source import Source

_PURE_PATHS = ("join", "basename", "dirname", "split", "splitext", "normpath")
_ONLY_CALLED = frozenset(("open", "system", "fork", "sleep", "rename", "touch"))
_LOOKING = "looking into the running program"


@dataclass(frozen=True)
class Use:
    """One use of something outside; equal keys are the same use of the same thing."""

    key: str
    risk: str
    said: str
    """The thing as messages name it."""
    line: int


class Access:
    """All uses in one function's source.

    Args:
        source: the function.
        around: its file and project.
    """

    def __init__(self, source: Source, around: Around) -> None:
        self._source = source
        self._around = around
        self.scopes = source.scopes
        self._accepted = accepted_reads(source, around)

    @cached_property
    def uses(self) -> list[Use]:
        """Every use that is not harmless by itself, in the order of the lines."""
        found = [use for node in ast.walk(self._source.tree) for use in self._uses(node)]
        return sorted({use.key: use for use in found}.values(), key=lambda use: (use.line, use.said))

    def undefined(self) -> Iterator[ast.Name]:
        """Names that nothing defines."""
        module = self._around.module
        if module.starred:
            return
        known = module.known | ALL_BUILTINS | self._around.created
        for node in self.scopes.names():
            outside = isinstance(node.ctx, ast.Load) and self.scopes.bindings(node) is None
            if outside and node.id not in known and not self.scopes.in_class_body(node):
                yield node

    def origins(self, node: ast.Name) -> list[str]:
        """Dotted origins of a name that an import binds, here or in the file."""
        bindings = self.scopes.bindings(node)
        if bindings is None:
            known = self._around.module.imports.get(node.id)
            return [known] if known else []
        path = self._around.module.path
        return [
            dotted
            for statement in bindings
            if isinstance(statement, (ast.Import, ast.ImportFrom))
            for name, dotted in imported(statement, path)
            if name == node.id
        ]

    # --- one node -------------------------------------------------------------------------------------

    def _uses(self, node: ast.AST) -> Iterator[Use]:
        if node in self._accepted:
            return
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found = self.origins(node)
            for dotted in found:
                yield from self._of_import(node, dotted)
            if not found and self.scopes.bindings(node) is None:
                yield from self._of_outer_name(node)
        elif isinstance(node, ast.Attribute):
            yield from self._of_attribute(node, node.attr, node.value)

    def _of_import(self, node: ast.Name, dotted: str) -> Iterator[Use]:
        top, names = self._chain(node)
        whole = ".".join([dotted, *names])
        if self._around.is_allowed(dotted):
            return
        safe = safe_name(whole)
        if safe is None:
            yield from self._of_unsafe(node, top, whole)
        elif not safe:
            yield self._use(whole, risk_of(*reversed(whole.split("."))), whole, node)
        elif dotted in SAFE_MODULES and not names:
            yield self._use(f"module {dotted}", _LOOKING, f"the module {dotted} as a value", node)

    def _of_unsafe(self, node: ast.Name, top: ast.expr, whole: str) -> Iterator[Use]:
        parts = whole.split(".")
        if whole.startswith("os.path.") and parts[2] in _PURE_PATHS:
            return
        if self._around.project(parts[0]) is not None:
            yield from self._of_project(top, whole)
            return
        known = RISKS.get(parts[0])
        if not is_standard(parts[0]) and (known is None or _names_an_error(parts[-1])):
            return
        if known == "network access" and self._in_annotation(top):
            return
        key = f"{whole}{self._arguments(top)}" if is_standard(parts[0]) else whole
        yield self._use(key, risk_of(*reversed(parts[1:]), parts[0]), whole, node)

    def _of_outer_name(self, node: ast.Name) -> Iterator[Use]:
        module = self._around.module
        if node.id in module.names or node.id in self._around.created:
            if module.takes_outside(node.id):
                yield from self._of_taking(node, node.id)
        elif node.id in ("getattr", "hasattr"):
            yield from self._of_getattr(node)
        elif node.id == "type":
            yield from self._of_type(node)
        elif node.id in ALL_BUILTINS - SAFE_BUILTINS:
            yield self._use(f"{node.id}{self._arguments(node)}", risk_of(node.id), node.id, node)

    def _of_project(self, top: ast.expr, whole: str) -> Iterator[Use]:
        path, _, name = whole.rpartition(".")
        module = self._around.project(path)
        if module is not None and module.takes_outside(name):
            yield from self._of_taking(top, name)

    def _of_taking(self, node: ast.expr, name: str) -> Iterator[Use]:
        """A helper of the project that opens what it is told: only for prompt files, or as before."""
        call = self.scopes.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            texts = [string(each) for each in given]
            if texts and all(text is not None and self._around.is_prompt(text, stem=True) for text in texts):
                return
        said = f"{name} (which opens what it is given)"
        yield self._use(f"call {name}{self._arguments(node)}", "file access", said, node)

    def _of_attribute(self, node: ast.AST, name: str, base: ast.expr) -> Iterator[Use]:
        parent = self.scopes.parents.get(node)
        if name == "__class__" and isinstance(parent, ast.Attribute) and parent.attr == "__name__":
            return
        if name in ("__name__", "__qualname__") and _asks_type(base):
            return
        hidden = name.startswith("__") and name.endswith("__") and name not in HARMLESS_DUNDERS
        if hidden or name in FRAMES or name in MODULE_LIKE:
            yield self._use(f".{name}", _LOOKING, f".{name}", base)
            return
        called = isinstance(parent, ast.Call) and parent.func is node
        if self._is_of_standard_module(base):
            return  # told by its module's name
        if name in OUTSIDE_METHODS and (called or name not in _ONLY_CALLED):
            key = f".{name}:{origin(base, self.scopes)}{self._arguments(node)}"
            yield self._use(key, risk_of(name), f".{name}", base)

    def _is_of_standard_module(self, base: ast.expr) -> bool:
        while isinstance(base, ast.Attribute):
            base = base.value
        found = self.origins(base) if isinstance(base, ast.Name) else []
        return any(is_standard(dotted.partition(".")[0]) for dotted in found)

    def _of_getattr(self, node: ast.Name) -> Iterator[Use]:
        call = self.scopes.parents.get(node)
        if isinstance(call, ast.Call) and call.func is node and len(call.args) >= 2:
            name = string(call.args[1])
            if name is not None:
                yield from self._of_attribute(call, name, call.args[0])
                return
        said = f"{node.id} with a name that is not written out"
        yield self._use(f"{node.id}{self._arguments(node)}", _LOOKING, said, node)

    def _of_type(self, node: ast.Name) -> Iterator[Use]:
        parent = self.scopes.parents.get(node)
        plain = isinstance(parent, ast.Call) and parent.func is node and len(parent.args) == 1
        starred = isinstance(parent, ast.Call) and any(isinstance(each, ast.Starred) for each in parent.args)
        if not (plain and not starred) and not self._in_annotation(node):
            yield self._use("type", _LOOKING, "type other than type(x)", node)

    # --- helpers --------------------------------------------------------------------------------------

    def _use(self, key: str, risk: str, said: str, node: ast.AST) -> Use:
        return Use(key, risk, said, getattr(node, "lineno", 0))

    def _chain(self, node: ast.expr) -> tuple[ast.expr, list[str]]:
        """The attributes asked of a name, and the expression that they end in."""
        names: list[str] = []
        top = node
        parent = self.scopes.parents.get(top)
        while isinstance(parent, ast.Attribute) and parent.value is top:
            names.append(parent.attr)
            top = parent
            parent = self.scopes.parents.get(top)
        return top, names

    def _arguments(self, node: ast.AST) -> str:
        """What is given in the call (or between the brackets) that follows an expression."""
        parent = self.scopes.parents.get(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            given = [*parent.args, *(keyword.value for keyword in parent.keywords)]
            return f"({', '.join(origin(each, self.scopes) for each in given)})"
        if isinstance(parent, ast.Subscript) and parent.value is node:
            return f"[{origin(parent.slice, self.scopes)}]"
        return ""

    def _in_annotation(self, node: ast.AST) -> bool:
        current: ast.AST | None = node
        while current is not None and not isinstance(current, (ast.stmt, ast.Call)):
            parent = self.scopes.parents.get(current)
            if isinstance(parent, ast.arg) or current is getattr(parent, "annotation", None):
                return True
            if current is getattr(parent, "returns", None):
                return True
            current = parent
        return False


def _asks_type(node: ast.expr) -> bool:
    """`type(x)` or `x.__class__`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "type"
    return isinstance(node, ast.Attribute) and node.attr == "__class__"


def _names_an_error(name: str) -> bool:
    return name.endswith(("Error", "Exception", "Timeout", "Warning"))
