"""Collect what a piece of code reaches, prompt files included: each use has a key, so that two versions
compare.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pytest_fapo.review.code.allowed_names import (
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
from pytest_fapo.review.code.code_context import Around, imported
from pytest_fapo.review.code.code_strings import origin, string
from pytest_fapo.review.code.proposed_function import FunctionSource

_WAYS = frozenset(
    ("parent", "parents", "joinpath", "path", "join", "dirname", "abspath", "Path", "resolve", "absolute")
)

_KEYWORDS = frozenset(("encoding", "errors", "newline"))


def accepted_reads(source: FunctionSource, around: Around) -> set[ast.AST]:
    """All nodes of expressions such as `(PROMPTS / "critic.md").read_text(encoding="utf-8")`."""
    found: set[ast.AST] = set()
    for node in ast.walk(source.tree):
        path = _path_read(node)
        if path is not None and _is_prompt(path, source, around):
            found.update(ast.walk(node))
    return found


def _path_read(node: ast.AST) -> ast.expr | None:
    """The expression of the file that a call reads."""
    if not isinstance(node, ast.Call) or not {keyword.arg for keyword in node.keywords} <= _KEYWORDS:
        return None
    if isinstance(node.func, ast.Attribute) and node.func.attr == "read_text" and not node.args:
        return node.func.value
    if isinstance(node.func, ast.Name) and node.func.id == "open" and node.args:
        modes = [each.value for each in node.args[1:] if isinstance(each, ast.Constant)]
        return (
            node.args[0] if len(modes) == len(node.args) - 1 and all(mode == "r" for mode in modes) else None
        )
    return None


def _is_prompt(path: ast.expr, source: FunctionSource, around: Around) -> bool:
    names = [node for node in ast.walk(path) if isinstance(node, ast.Name)]
    if not all(_is_outer(node, source, around) for node in names):
        return False
    ways = {node.attr for node in ast.walk(path) if isinstance(node, ast.Attribute)}
    kinds = (
        ast.Name, ast.Attribute, ast.Constant, ast.BinOp, ast.Div, ast.Call, ast.Load, ast.Subscript,
    )  # fmt: skip
    if not ways <= _WAYS or not all(isinstance(node, kinds) for node in ast.walk(path)):
        return False
    texts = [node.value for node in _in_order(path) if isinstance(node.value, str)]
    return bool(texts) and around.is_prompt("/".join(texts))


def _is_outer(node: ast.Name, source: FunctionSource, around: Around) -> bool:
    """A name of the file (or `Path`), which the function does not bind itself."""
    bindings = source.scopes.bindings(node)
    if bindings is not None:
        return node.id in ("Path", "pathlib") and all(
            isinstance(each, (ast.Import, ast.ImportFrom)) for each in bindings
        )
    return node.id in around.module.known or node.id == "__file__"


def _in_order(node: ast.AST) -> list[ast.Constant]:
    found = [each for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


_TO_THE_MODEL = frozenset(
    (
        "format",
        "format_map",
        "replace",
        "strip",
        "rstrip",
        "lstrip",
        "substitute",
        "safe_substitute",
        "render",
    )
)

_READERS = frozenset(
    ("loads", "findall", "finditer", "search", "match", "fullmatch", "literal_eval", "fromstring")
)


def misused_prompts(source: FunctionSource, around: Around) -> Iterator[str]:
    """Prompts that the code itself reads: split, searched or compared, as if they were tables."""
    for node in ast.walk(source.tree):
        if _reads_prompt(node, source, around):
            for use in _uses(node, source):
                if _misuses(use, source):
                    yield f"line {getattr(use, 'lineno', 0)}: the code takes a prompt apart"


def _reads_prompt(node: ast.AST, source: FunctionSource, around: Around) -> bool:
    if isinstance(node, ast.Call):
        if _path_read(node) is not None:
            return True
        return isinstance(node.func, ast.Name) and around.module.takes_outside(node.func.id)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return node.id in around.constants and source.scopes.bindings(node) is None
    return isinstance(node, ast.Attribute) and node.attr in around.constants


def _uses(node: ast.AST, source: FunctionSource) -> Iterator[ast.AST]:
    """The expression itself, and the local names that hold it."""
    yield node
    parent = source.scopes.parents.get(node)
    while isinstance(parent, (ast.Attribute, ast.Call)) and _passes(parent, node):
        yield parent
        node, parent = parent, source.scopes.parents.get(parent)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        name = parent.targets[0].id
        yield from (
            each
            for each in source.scopes.names()
            if each.id == name and isinstance(each.ctx, ast.Load) and parent.value in _bound(each, source)
        )


def _passes(parent: ast.Attribute | ast.Call, node: ast.AST) -> bool:
    if isinstance(parent, ast.Call):
        return parent.func is node
    return parent.attr in _TO_THE_MODEL


def _bound(name: ast.Name, source: FunctionSource) -> list[ast.AST | None]:
    return source.scopes.bindings(name) or []


def _misuses(node: ast.AST, source: FunctionSource) -> bool:
    parent = source.scopes.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in _TO_THE_MODEL
    if isinstance(parent, ast.Call):
        name = parent.func.attr if isinstance(parent.func, ast.Attribute) else getattr(parent.func, "id", "")
        return parent.func is not node and name in _READERS
    return isinstance(
        parent, (ast.Compare, ast.For, ast.comprehension, ast.Subscript, ast.Starred, ast.Match)
    )


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


class CodeAccess:
    """All uses in one function's source.

    Args:
        source: the function.
        around: its file and project.
    """

    def __init__(self, source: FunctionSource, around: Around) -> None:
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
        """Return the arguments in the call (or between the brackets) that follows an expression."""
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
