"""The new text of a function: its import statements, its indentation, and the imports a module still
lacks.
"""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_module import read_module
from pytest_fapo.source.text_files import split_lines, universal_newlines

_OPENING = {"FSTRING_START", "TSTRING_START"}

_CLOSING = {"FSTRING_END", "TSTRING_END"}


def dedented(lines: list[str], first: int, last: int, indent: str, inside: set[int]) -> str:
    """Return the lines `first` to `last` (from 1, both included) of a file without `indent` before them.

    Args:
        lines: all lines of the file.
        inside: numbers of the lines that begin inside a string literal; they stay as they are.
    """
    return "".join(
        line if number in inside else line.removeprefix(indent)
        for number, line in enumerate(lines[first - 1 : last], first)
    )


def indented(source: str, indent: str) -> str:
    """Return the opposite of `dedented`; blank lines get no indentation."""
    inside = lines_inside_strings(source)
    return "".join(
        line if number in inside or not line.strip() else indent + line
        for number, line in enumerate(split_lines(source), 1)
    )


def with_tabs(source: str) -> str:
    """Code indented by spaces, indented by tabs instead; lines inside a string literal stay."""
    inside = lines_inside_strings(source)
    lines = split_lines(source)
    widths = [
        len(match[0])
        for number, line in enumerate(lines, 1)
        if number not in inside and (match := re.match(r" +(?=\S)", line))
    ]
    unit = min(widths, default=4)
    return "".join(line if number in inside else _tabbed(line, unit) for number, line in enumerate(lines, 1))


def _tabbed(line: str, unit: int) -> str:
    blanks = len(line) - len(line.lstrip(" "))
    return "\t" * (blanks // unit) + " " * (blanks % unit) + line[blanks:]


def lines_inside_strings(source: str) -> set[int]:
    """Numbers (from 1) of the lines that begin inside a string literal."""
    inside: set[int] = set()
    if '"""' in source or "'''" in source or "\\\n" in source or "\\\r" in source:
        for first, last in _strings(source):
            inside.update(range(first + 1, last + 1))
    return inside


def _strings(source: str) -> Iterator[tuple[int, int]]:
    """First and last line of each string literal that goes over several lines."""
    starts: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source, newline="").readline):
            name = tokenize.tok_name[token.type]
            if name == "STRING":
                yield token.start[0], token.end[0]
            elif name in _OPENING:
                starts.append(token.start[0])
            elif name in _CLOSING and starts:
                yield starts.pop(), token.end[0]
    except (tokenize.TokenError, IndentationError):
        return


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
    text = universal_newlines(text).strip("\n") + "\n"
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


_Alias = tuple[str, int, str, str]
"""Module, level of dots, name in it (empty: the module itself), local name."""


def with_imports(data: bytes, path: str, imports: Sequence[Import]) -> bytes:
    """Return the module with those of `imports` that it lacks, behind the last import at its head.

    Raises:
        ArtifactError: one would give a name that the module uses for something else another meaning.
    """
    future = [each for each in imports if isinstance(each, ast.ImportFrom) and each.module == "__future__"]
    others = [each for each in imports if each not in future]
    return _added(_added(data, path, others, future=False), path, future, future=True)


def _added(data: bytes, path: str, imports: Sequence[Import], *, future: bool) -> bytes:
    module = read_module(data, path)
    lines = _missing(imports, module.tree, path)
    if not lines:
        return data
    source = module.source
    newline = source.newline
    number, apart = _place(module.tree, split_lines(source.text), future=future)
    old = split_lines(source.text)
    block = "".join(line + newline for line in lines)
    head, tail = "".join(old[:number]), "".join(old[number:])
    if head and not head.endswith(("\n", "\r")):
        head += newline
    if apart:
        block = (newline if number and old[number - 1].strip() else "") + block
        block += newline if tail.strip() and tail.splitlines()[0].strip() else ""
    return source.encode(head + block + tail)


def _missing(imports: Sequence[Import], tree: ast.Module, path: str) -> list[str]:
    there = set(_aliases(_available(tree.body)))
    bound = {local: (module, level, name) for module, level, name, local in there}
    names = _other_names(tree)
    lines = []
    for statement in imports:
        wanted = []
        for entry, alias in zip(_aliases([statement]), statement.names, strict=True):
            module, level, name, local = entry
            if entry in there or (not name and "." in module and (module, 0, "", local) in there):
                continue
            # `import a.b` and `import a` bind the same module to the same name.
            package = not name and alias.asname is None
            if local in names or (local in bound and bound[local] != (module, level, name) and not package):
                raise ArtifactError(
                    f"{path}: the import {ast.unparse(statement)!r} would give {local!r} another meaning; "
                    f"import it under another name"
                )
            wanted.append(alias)
        if wanted:
            lines.append(ast.unparse(_with_names(statement, wanted)))
    return list(dict.fromkeys(lines))


def _with_names(statement: Import, names: list[ast.alias]) -> Import:
    if isinstance(statement, ast.Import):
        return ast.Import(names=names)
    return ast.ImportFrom(module=statement.module, names=names, level=statement.level)


def _aliases(statements: Iterable[ast.stmt]) -> Iterator[_Alias]:
    for statement in statements:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name, 0, "", alias.asname or alias.name.partition(".")[0]
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                yield statement.module or "", statement.level, alias.name, alias.asname or alias.name


def _available(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Imports that have run once the module is loaded; those for type checkers only have not."""
    for statement in body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield statement
        elif isinstance(statement, ast.Try):
            yield from _available(statement.body)


def _other_names(tree: ast.Module) -> set[str]:
    """Return names that the module binds at its top level by anything but an import."""
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(statement.name)
        else:
            names.update(
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            )
    return names


def _place(tree: ast.Module, lines: list[str], *, future: bool) -> tuple[int, bool]:
    """Return the number of lines before the new imports, and True if blank lines must separate them."""
    last: ast.stmt | None = None
    docstring: ast.stmt | None = None
    for place, statement in enumerate(tree.body):
        if not place and isinstance(statement, ast.Expr) and _is_text(statement.value):
            docstring = statement
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            break
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            last = statement if is_future or not future else last
    if last is not None:
        only_future = isinstance(last, ast.ImportFrom) and last.module == "__future__"
        return last.end_lineno or last.lineno, only_future and not future
    if docstring is not None:
        return docstring.end_lineno or docstring.lineno, True
    first = tree.body[0] if tree.body else None
    if first is None:
        return len(lines), True
    decorators = getattr(first, "decorator_list", [])
    number = min([first.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    # A comment right above the first statement belongs to it; one at the head of the file does not.
    above = number
    while above and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    return (above, True) if above else (number, True)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
