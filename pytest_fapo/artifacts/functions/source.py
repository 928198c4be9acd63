"""The text that an edit gives for a function, taken apart: import statements, then the one function."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from typing import NamedTuple

from pytest_fapo.artifacts.encoding import split_lines, universal
from pytest_fapo.errors import ArtifactError

Import = ast.Import | ast.ImportFrom


class NewSource(NamedTuple):
    """A parsed text for a function."""

    imports: list[Import]
    text: str
    """The function with its decorators and the comments above it, ending in one newline."""


def new_source(text: str, address: str, name: str) -> NewSource:
    """Take the new text of the function `name` (its last part) apart.

    Raises:
        ArtifactError: it does not parse, or is not imports followed by that one function.
    """
    text = universal(text).strip("\n") + "\n"
    if text[:1] in " \t":
        text = textwrap.dedent(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ArtifactError(f"{address}: the new source is not valid Python: {where}{message}") from None
    imports = [statement for statement in body if isinstance(statement, (ast.Import, ast.ImportFrom))]
    rest = [statement for statement in body if not isinstance(statement, (ast.Import, ast.ImportFrom))]
    if len(rest) != 1 or body[-1] is not rest[0] or getattr(rest[0], "name", "") != name:
        found = ", ".join(_named(statement) for statement in rest) or "nothing"
        raise ArtifactError(
            f"{address}: expected the source of one function {name!r}, after import statements where it "
            f"needs any; found {found}. A helper is an edit of its own, with its own address"
        )
    if not isinstance(rest[0], (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise ArtifactError(f"{address}: the new source of a function must be a function, not a class")
    lines = split_lines(text)
    code = "".join(lines[imports[-1].end_lineno or 0 :]) if imports else text
    return NewSource(imports, re.sub(r"\A\s*\n", "", code).rstrip() + "\n")


def _named(statement: ast.stmt) -> str:
    name = getattr(statement, "name", "")
    kind = "class" if isinstance(statement, ast.ClassDef) else "function"
    if name:
        return f"{kind} {name!r}"
    return f"'{ast.unparse(statement)[:40]}'"
