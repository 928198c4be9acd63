"""Whether a value in the code is (a part of) what the function was called with, or a model's answer."""

from __future__ import annotations

import ast

from pytest_fapo.review.code.allowed import SENDING
from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.source import Source

_DEEP = 12


class Inputs:
    """Follows values back to the parameters of a function.

    Args:
        source: the function.
        around: its file; helpers of it that ask a model give something new.
    """

    def __init__(self, source: Source, around: Around) -> None:
        self._scopes = source.scopes
        self._around = around
        self._known: dict[ast.AST, bool] = {}

    def reach(self, node: ast.AST, depth: int = 0) -> bool:
        """Whether the value of `node` may hold text of the parameters; True where that is not sure."""
        if depth > _DEEP:
            return True
        if node not in self._known:
            self._known[node] = False  # while it is being followed, it adds nothing to itself
            self._known[node] = self._reach(node, depth)
        return self._known[node]

    def _reach(self, node: ast.AST, depth: int) -> bool:
        if isinstance(node, ast.Name):
            return self._name(node, depth)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        if isinstance(node, ast.Lambda):
            return True
        return any(self.reach(child, depth + 1) for child in ast.iter_child_nodes(node))

    def _name(self, node: ast.Name, depth: int) -> bool:
        bindings = self._scopes.bindings(node)
        for value in bindings or []:
            if isinstance(value, ast.arg):
                return value.arg not in ("self", "cls")
            if value is None or (isinstance(value, ast.expr) and self.reach(value, depth + 1)):
                return True
        return False

    def _call(self, node: ast.Call, depth: int) -> bool:
        if isinstance(node.func, ast.Attribute) and node.func.attr in SENDING:
            return False
        if isinstance(node.func, ast.Name) and self._asks(node.func):
            return False
        return any(self.reach(child, depth + 1) for child in ast.iter_child_nodes(node))

    def _asks(self, func: ast.Name) -> bool:
        """Whether a helper of the file asks a model, by itself or by other helpers."""
        if self._scopes.bindings(func) is not None or func.id in self._around.created:
            return False
        return func.id in self._around.module.asking
