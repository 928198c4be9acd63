"""A Python module as text and tree: read from bytes, and changed by splicing text between two positions."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.literal_spelling import Surroundings
from pytest_fapo.source.text_files import SourceText, decode, split_lines


class PythonModule(NamedTuple):
    """A parsed module."""

    source: SourceText
    tree: ast.Module
    imports: dict[str, str]
    """Local name to qualified name, of everything that the module imports at its top level."""


@lru_cache(maxsize=128)
def read_module(data: bytes, path: str) -> PythonModule:
    """Parse a module.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse, or not decodable.
    """
    source = decode(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.text)
    except (RecursionError, MemoryError):
        raise too_deep(path) from None
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise ArtifactError(f"{path}: {where}not valid Python: {error}") from None
    return PythonModule(source, tree, _imports(tree))


def too_deep(path: str) -> ArtifactError:
    """Return the error for a module whose expressions exceed the interpreter's stack."""
    return ArtifactError(f"{path}: an expression in it is nested too deeply to be read")


def _imports(tree: ast.Module) -> dict[str, str]:
    names: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                names[alias.asname or alias.name] = alias.name
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            for alias in statement.names:
                names[alias.asname or alias.name] = f"{statement.module}.{alias.name}"
    return names


def spliced(source: SourceText, start: int, end: int, literal: str) -> bytes | None:
    """Return the file with other text between two positions; None where its encoding cannot spell it."""
    try:
        return source.encode(source.text[:start] + literal + source.text[end:])
    except UnicodeEncodeError:
        return None


_CLOSED = re.compile(r"\s*(?:#[^\r\n]*\s*)*,?\s*(?:#[^\r\n]*\s*)*\)")


def surroundings_of(source: SourceText, start: int, end: int) -> Surroundings:
    """Return the constraints on the spelling of a literal between two positions."""
    line = line_before(source.text, start)
    indent = line[: len(line) - len(line.lstrip(" \t\f"))]
    before = re.sub(r"(\s|\\|#[^\r\n]*(?=[\r\n]))+\Z", "", source.text[max(0, start - 2000) : start])
    bracketed = before.endswith("(") and _CLOSED.match(source.text, end) is not None
    if bracketed and not line.strip():  # lines that follow stand where this one does
        indent = indent[:-1] if indent.endswith("\t") else indent.removesuffix("    ")
    return Surroundings(source.encoding, source.newline, indent, bracketed)


def line_before(text: str, position: int) -> str:
    """Return what stands on a line before `position`."""
    return text[max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1 : position]


@lru_cache(maxsize=16)
def _lines(text: str) -> tuple[list[str], list[int]]:
    lines = split_lines(text)
    return lines, [0, *accumulate(map(len, lines))]


def span_of(text: str, node: ast.expr) -> tuple[int, int]:
    """Character positions of `node`: `ast` counts columns in UTF-8 bytes, and lines as Python does."""
    lines, starts = _lines(text)

    def position(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    return position(node.lineno, node.col_offset), position(node.end_lineno or 0, node.end_col_offset or 0)
