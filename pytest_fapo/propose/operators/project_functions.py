"""The project's functions as source: which function a name stands for, and a function's text as lines.

Header, docstring and body are cut and indented without touching strings.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evidence import Evidence


class OperatorError(FapoError):
    """An operator cannot be applied to this function; the message says why in one sentence."""


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class FunctionText:
    """The source of one function, dedented.

    Raises:
        OperatorError: it is not a function, or one that cannot be called a second time from inside.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.text, self.node = _parsed(text.replace("\r\n", "\n"), name)
        if self._is_one_liner:
            self.text, self.node = _parsed(ast.unparse(self.node) + "\n", name)
        if not self.statements:
            raise OperatorError(f"{name} has no body to work on")

    @property
    def statements(self) -> list[ast.stmt]:
        """The body without its docstring."""
        has_docstring = ast.get_docstring(self.node, clean=False) is not None
        return self.node.body[1:] if has_docstring else self.node.body

    @cached_property
    def lines(self) -> list[str]:
        return self.text.rstrip("\n").split("\n")

    @cached_property
    def unit(self) -> str:
        """One level of indentation, as the body has it."""
        first = self.lines[self.node.body[0].lineno - 1]
        return first[: len(first) - len(first.lstrip())] or "    "

    @property
    def head(self) -> list[str]:
        """Decorators, header and docstring."""
        return self.lines[: self._body_row]

    def nested_body(self) -> list[str]:
        """Return the body one level deeper; lines that begin inside a string stay as they are."""
        inside = _rows_inside_strings(self.text)
        lines = []
        for row, line in enumerate(self.lines[self._body_row :], start=self._body_row + 1):
            lines.append(line if row in inside or not line.strip() else self.unit + line)
        return _without_blank_ends(lines)

    def assigned(self) -> set[str]:
        """Return names that the body binds, its own parameters aside."""
        stored = {
            node.id
            for node in ast.walk(self.node)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        return stored | {
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(self.node)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }

    def require_repeatable(self) -> None:
        """Raise OperatorError where the body cannot be inside another function."""
        for node in own_nodes(self.node):
            if isinstance(node, (ast.Yield, ast.YieldFrom)):
                raise OperatorError(f"{self.name} is a generator, whose items cannot be taken back")
            if isinstance(node, (ast.Nonlocal, ast.Global)):
                raise OperatorError(f"{self.name} changes names outside itself")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "super" and not node.args:
                    raise OperatorError(f"{self.name} uses super(), which works in a method alone")
                if node.func.id == "locals":
                    raise OperatorError(f"{self.name} reads locals()")
        if any(_is_call_of(node, self.node.name) for node in ast.walk(self.node)):
            raise OperatorError(f"{self.name} calls itself")

    @property
    def _is_one_liner(self) -> bool:
        first = self.node.body[0]
        line = self.text.split("\n")[first.lineno - 1].encode()[: first.col_offset]
        return bool(line.strip())

    @cached_property
    def _body_row(self) -> int:
        """Number of lines before the body."""
        if self.statements is not self.node.body:
            return self.node.body[0].end_lineno or 1
        seen_def = False
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            seen_def = seen_def or (
                token.type == tokenize.NAME and token.string == "def" and token.start[0] >= self.node.lineno
            )
            if seen_def and token.type == tokenize.NEWLINE:
                return token.start[0]
        raise OperatorError(f"{self.name} cannot be read")


def own_nodes(function: FunctionNode) -> list[ast.AST]:
    """Return every node of a function's body but those of functions and classes inside it."""
    nodes: list[ast.AST] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        nodes.append(node)
        if not isinstance(node, _NESTED):
            waiting.extend(ast.iter_child_nodes(node))
    return nodes


def _is_call_of(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.attr == name and called.value.id in ("self", "cls")
    return isinstance(called, ast.Name) and called.id == name


def fill(template: str, **parts: str) -> list[str]:
    """Return a template's lines with its `<<marks>>` replaced; a part of several lines keeps the
    indentation.
    """
    lines: list[str] = []
    for line in textwrap.dedent(template).strip("\n").split("\n"):
        margin = line[: len(line) - len(line.lstrip())]
        text = re.sub(r"<<(\w+)>>", lambda match: parts[match.group(1)], line)
        if not text.strip() and line.strip():
            continue
        first, *more = text.split("\n")
        lines += [first, *(margin + each if each else each for each in more)]
    return lines


def _parsed(text: str, name: str) -> tuple[str, FunctionNode]:
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise OperatorError(f"the source of {name} does not parse: {error.msg}") from None
    if len(body) != 1 or not isinstance(body[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise OperatorError(f"{name} is not a single function")
    return text, body[0]


def _rows_inside_strings(text: str) -> set[int]:
    rows: set[int] = set()
    begins: list[int] = []
    opening = getattr(tokenize, "FSTRING_START", None)
    closing = getattr(tokenize, "FSTRING_END", None)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            rows |= set(range(token.start[0] + 1, token.end[0] + 1))
        elif opening is not None and token.type == opening:
            begins.append(token.start[0])
        elif closing is not None and token.type == closing:
            rows |= set(range(begins.pop() + 1, token.end[0] + 1))
    return rows


def _without_blank_ends(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


@dataclass(frozen=True)
class ProjectFunction:
    """A function where it is defined."""

    module: ProjectModule
    name: str
    """`function` or `Class.method`."""
    node: FunctionNode


@dataclass
class ProjectModule:
    """One Python file."""

    path: str
    text: str
    tree: ast.Module

    @cached_property
    def functions(self) -> dict[str, FunctionNode]:
        """Functions by name, methods as `Class.method`."""
        return dict(_functions(self.tree.body, ""))

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """Local name -> (module with dots, name in it or empty where the module itself is meant)."""
        names: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.partition(".")[0]
                    names[local] = (alias.name if alias.asname else local, "")
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    names[alias.asname or alias.name] = (base, alias.name)
        return names

    @cached_property
    def names(self) -> set[str]:
        """Every name that the file binds at its top level."""
        bound = set(self.imports) | {name.partition(".")[0] for name in self.functions}
        for statement in self.tree.body:
            if isinstance(statement, ast.ClassDef):
                bound.add(statement.name)
            bound |= {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Store)
                and not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            }
        return bound

    @property
    def dotted(self) -> str:
        """The module's name as an import statement has it."""
        stem = self.path.removesuffix(".py").removesuffix("/__init__")
        return stem.removeprefix("src/").replace("/", ".")

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.dotted.split(".")
        drop = node.level - (1 if self.path.endswith("/__init__.py") else 0)
        base = parts[: len(parts) - drop] if drop else parts
        return ".".join([*base, *([node.module] if node.module else [])])


@dataclass
class ProjectSources:
    """All files that the evidence shows; those that do not parse are left out."""

    texts: Mapping[str, str]
    _modules: dict[str, ProjectModule | None] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Evidence) -> ProjectSources:
        """Return the files of the evidence; a file known by its functions alone is made up of them."""
        texts: dict[str, str] = {}
        for artifact in evidence.artifacts:
            if (
                artifact.kind == "function"
                and "." not in artifact.name
                and artifact.path not in evidence.sources
            ):
                texts[artifact.path] = texts.get(artifact.path, "") + artifact.text.rstrip() + "\n\n\n"
        return cls({**texts, **evidence.sources})

    def module(self, path: str) -> ProjectModule | None:
        """Return the file at a path."""
        if path not in self._modules:
            try:
                text = self.texts[path].replace("\r\n", "\n")
                self._modules[path] = ProjectModule(path, text, ast.parse(text))
            except (KeyError, SyntaxError, ValueError):
                self._modules[path] = None
        return self._modules[path]

    def modules(self) -> Iterator[ProjectModule]:
        """Yield all files, in the order of their paths."""
        for path in sorted(self.texts):
            module = self.module(path)
            if module is not None:
                yield module

    def imported(self, dotted: str) -> ProjectModule | None:
        """Return the file that a module's name stands for, if it is of this project."""
        return next((module for module in self.modules() if _is_named(module, dotted)), None)

    def resolve(self, called: ast.expr, module: ProjectModule, owner: str = "") -> ProjectFunction | None:
        """Return the function of this project that an expression such as `ask`, `llm.ask` or `self.ask`
        names.

        Args:
            called: what is called.
            module: where the call stands.
            owner: class around the call, for `self`.
        """
        if isinstance(called, ast.Name):
            return self._by_name(called.id, module)
        if not isinstance(called, ast.Attribute):
            return None
        if isinstance(called.value, ast.Name):
            if called.value.id in ("self", "cls") and owner:
                name = f"{owner}.{called.attr}"
                if name in module.functions:
                    return ProjectFunction(module, name, module.functions[name])
            base = module.imports.get(called.value.id)
            if base is not None:
                other = self.imported(".".join(part for part in base if part))
                if other is not None and called.attr in other.functions:
                    return ProjectFunction(other, called.attr, other.functions[called.attr])
        return self._only_method(called.attr)

    def _by_name(self, name: str, module: ProjectModule) -> ProjectFunction | None:
        if name in module.functions:
            return ProjectFunction(module, name, module.functions[name])
        base = module.imports.get(name)
        other = self.imported(base[0]) if base is not None and base[1] else None
        if base is not None and other is not None and base[1] in other.functions:
            return ProjectFunction(other, base[1], other.functions[base[1]])
        return None

    def _only_method(self, name: str) -> ProjectFunction | None:
        methods = [
            ProjectFunction(module, full, node)
            for module in self.modules()
            for full, node in module.functions.items()
            if full.endswith(f".{name}")
        ]
        return methods[0] if len(methods) == 1 else None


def _is_named(module: ProjectModule, dotted: str) -> bool:
    return bool(dotted) and (module.dotted == dotted or module.dotted.endswith(f".{dotted}"))


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, FunctionNode]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
