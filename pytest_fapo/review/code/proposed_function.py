"""The source of a proposed function: imports, then the one function, and nothing hidden from its readers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef

_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=]", re.M)

DEEPEST = 120
"""Levels of nesting; deeper code would exhaust the stack of whoever reads it."""


class NotAFunction(Exception):
    """The text is not the source of one function; the message says what it is instead."""


@dataclass(frozen=True)
class FunctionSource:
    """Imports and one function."""

    text: str
    tree: ast.Module
    function: Function

    def own_nodes(self) -> Iterator[ast.AST]:
        """Yield every node of the function's body but those of functions and classes inside it."""
        waiting: list[ast.AST] = list(self.function.body)
        while waiting:
            node = waiting.pop()
            yield node
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                waiting.extend(ast.iter_child_nodes(node))


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
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise NotAFunction("is nested too deeply for a reader")
    *before, last = tree.body or [ast.Pass()]
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise NotAFunction(f"does not end with the function {name}")
    if last.name != name:
        raise NotAFunction(f"defines {last.name} where {name} is expected")
    for node in before:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            raise NotAFunction(
                f"holds a statement beside the function (line {node.lineno}); "
                f"only import statements may come before it"
            )
    return FunctionSource(text, tree, last)
