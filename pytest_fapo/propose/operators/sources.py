"""The project's Python files as the evidence shows them: which function a name in a module stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pytest_fapo.models import Evidence
from pytest_fapo.propose.operators.layout import FunctionNode


@dataclass(frozen=True)
class Found:
    """A function where it is defined."""

    module: Module
    name: str
    """`function` or `Class.method`."""
    node: FunctionNode


@dataclass
class Module:
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
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.partition(".")[0]
                    found[local] = (alias.name if alias.asname else local, "")
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    found[alias.asname or alias.name] = (base, alias.name)
        return found

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
class Sources:
    """All files that the evidence shows; those that do not parse are left out."""

    texts: Mapping[str, str]
    _modules: dict[str, Module | None] = field(default_factory=dict)

    @classmethod
    def of(cls, evidence: Evidence) -> Sources:
        """The files of the evidence; a file known by its functions alone is made up of them."""
        texts: dict[str, str] = {}
        for artifact in evidence.artifacts:
            if (
                artifact.kind == "function"
                and "." not in artifact.name
                and artifact.path not in evidence.sources
            ):
                texts[artifact.path] = texts.get(artifact.path, "") + artifact.text.rstrip() + "\n\n\n"
        return cls({**texts, **evidence.sources})

    def module(self, path: str) -> Module | None:
        """The file at a path."""
        if path not in self._modules:
            try:
                text = self.texts[path].replace("\r\n", "\n")
                self._modules[path] = Module(path, text, ast.parse(text))
            except (KeyError, SyntaxError, ValueError):
                self._modules[path] = None
        return self._modules[path]

    def modules(self) -> Iterator[Module]:
        """All files, in the order of their paths."""
        for path in sorted(self.texts):
            module = self.module(path)
            if module is not None:
                yield module

    def imported(self, dotted: str) -> Module | None:
        """The file that a module's name stands for, if it is of this project."""
        return next((module for module in self.modules() if _is_named(module, dotted)), None)

    def resolve(self, called: ast.expr, module: Module, owner: str = "") -> Found | None:
        """The function of this project that an expression such as `ask`, `llm.ask` or `self.ask` names.

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
                    return Found(module, name, module.functions[name])
            base = module.imports.get(called.value.id)
            if base is not None:
                other = self.imported(".".join(part for part in base if part))
                if other is not None and called.attr in other.functions:
                    return Found(other, called.attr, other.functions[called.attr])
        return self._only_method(called.attr)

    def _by_name(self, name: str, module: Module) -> Found | None:
        if name in module.functions:
            return Found(module, name, module.functions[name])
        base = module.imports.get(name)
        other = self.imported(base[0]) if base is not None and base[1] else None
        if base is not None and other is not None and base[1] in other.functions:
            return Found(other, base[1], other.functions[base[1]])
        return None

    def _only_method(self, name: str) -> Found | None:
        found = [
            Found(module, full, node)
            for module in self.modules()
            for full, node in module.functions.items()
            if full.endswith(f".{name}")
        ]
        return found[0] if len(found) == 1 else None


def _is_named(module: Module, dotted: str) -> bool:
    return bool(dotted) and (module.dotted == dotted or module.dotted.endswith(f".{dotted}"))


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, FunctionNode]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
