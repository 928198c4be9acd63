"""What a Python file imports, binds and uses; also of a source that is proposed for it."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class CodeFile:
    """The text of one file; nothing is in it where Python cannot read it."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError):
            return ast.Module([], [])

    def imported(self, node: ast.AST) -> list[tuple[str, str]]:
        """Return the modules that a statement imports, each with what it takes out of it, or nothing."""
        if isinstance(node, ast.Import):
            return [(each.name, "") for each in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        folders = self.path.split("/")[: -node.level] if node.level else []
        module = ".".join([*folders, *([node.module] if node.module else [])]).removeprefix("src.")
        return [(module, each.name) for each in node.names]

    @cached_property
    def modules(self) -> frozenset[str]:
        """The modules that it imports, or takes names from."""
        return frozenset(module for node in ast.walk(self.tree) for module, _ in self.imported(node))

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local name to the dotted name that an import binds to it."""
        found = {}
        for node in ast.walk(self.tree):
            for (module, name), alias in zip(self.imported(node), getattr(node, "names", ()), strict=False):
                dotted = f"{module}.{name}" if name else module
                first = name or module.partition(".")[0]
                found[alias.asname or first] = dotted if name or alias.asname else first
        return found

    @cached_property
    def _scopes(self) -> list[symtable.SymbolTable]:
        try:
            found = [symtable.symtable(self.text, self.path, "exec")]
        except (SyntaxError, ValueError, RecursionError):
            return []
        for scope in found:
            found.extend(scope.get_children())
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that it binds at its top level, imports too."""
        return _bound(self._scopes[:1]) | self.imports.keys()

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names that it binds anywhere, but not by imports."""
        return _bound(self._scopes)

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names that its classes define."""
        return _bound(scope for scope in self._scopes if scope.get_type() == "class")

    @cached_property
    def attributes(self) -> frozenset[str]:
        """The attributes that it uses or defines."""
        used = (node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute))
        return self.fields.union(used)


def _bound(scopes: Iterable[symtable.SymbolTable]) -> frozenset[str]:
    symbols = (symbol for scope in scopes for symbol in scope.get_symbols())
    return frozenset(
        each.get_name()
        for each in symbols
        if (each.is_assigned() or each.is_parameter()) and not each.is_imported()
    )
