"""The source of a proposed function: imports, then the one function, and nothing hidden from its readers."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from types import CodeType

_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=]", re.M)

DEEPEST = 120
"""Levels of nesting; deeper code would exhaust the stack of whoever reads it."""


class NotAFunction(Exception):
    """The text is not the source of one function; the message says what it is instead."""


@dataclass(frozen=True)
class FunctionSource:
    """The function, as it was written and compiled; nothing of it was run."""

    function: ast.FunctionDef | ast.AsyncFunctionDef
    code: CodeType


def parse_source(text: str, name: str) -> FunctionSource:
    """Parse the source of the function `name` (without its class).

    Raises:
        NotAFunction: it is something else, or hides something from its readers.
    """
    if _COOKIE.search(text):
        raise NotAFunction("holds an encoding declaration")
    try:
        tree = ast.parse(text)
        whole = compile(tree, "candidate", "exec")
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
    if beside := [node.lineno for node in before if not isinstance(node, (ast.Import, ast.ImportFrom))]:
        raise NotAFunction(f"holds a statement beside the function and its imports (line {beside[0]})")
    codes = (each for each in whole.co_consts if isinstance(each, CodeType))
    return FunctionSource(last, next(code for code in codes if code.co_name == name))
