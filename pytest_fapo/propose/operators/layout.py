"""A function's source as lines: header, docstring and body, cut and indented without touching strings."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from functools import cached_property

from pytest_fapo.propose.operators.errors import OperatorError

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class FunctionText:
    """The source of one function, dedented.

    Raises:
        OperatorError: it is no function, or one that cannot be called a second time from inside.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.text, self.node = _parsed(text.replace("\r\n", "\n"), name)
        if self._starts_beside_the_header:
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

    @property
    def body(self) -> list[str]:
        """The lines after the docstring, comments included."""
        return self.lines[self._body_row :]

    def nested_body(self) -> list[str]:
        """The body one level deeper; lines that begin inside a string stay as they are."""
        inside = _rows_inside_strings(self.text)
        found = []
        for row, line in enumerate(self.lines[self._body_row :], start=self._body_row + 1):
            found.append(line if row in inside or not line.strip() else self.unit + line)
        return _without_blank_ends(found)

    def assigned(self) -> set[str]:
        """Names that the body binds, its own parameters aside."""
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
        """Raise OperatorError where the body cannot stand inside another function."""
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
        if any(_calls(node, self.node.name) for node in ast.walk(self.node)):
            raise OperatorError(f"{self.name} calls itself")

    @property
    def _starts_beside_the_header(self) -> bool:
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
    """Every node of a function's body but those of functions and classes inside it."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        if not isinstance(node, _NESTED):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _calls(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return called.attr == name and called.value.id in ("self", "cls")
    return isinstance(called, ast.Name) and called.id == name


def fill(template: str, **parts: str) -> list[str]:
    """A template's lines with its `<<marks>>` replaced; a part of several lines keeps the indentation."""
    found: list[str] = []
    for line in textwrap.dedent(template).strip("\n").split("\n"):
        margin = line[: len(line) - len(line.lstrip())]
        text = re.sub(r"<<(\w+)>>", lambda match: parts[match.group(1)], line)
        if not text.strip() and line.strip():
            continue
        first, *more = text.split("\n")
        found += [first, *(margin + each if each else each for each in more)]
    return found


def segment(text: str, node: ast.expr) -> tuple[int, int]:
    """Where an expression stands in a text: character offsets of its beginning and end."""
    rows = text.split("\n")
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row) + 1)

    def place(line: int, column: int) -> int:
        return starts[line - 1] + len(rows[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)


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
