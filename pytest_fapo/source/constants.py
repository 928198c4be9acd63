"""String constants of a Python module: found with `ast`, changed by splicing the literal's own bytes.

Calls around a literal that only tidy it (`dedent(…)`, `cleandoc(…)`, `.strip()`) are seen through.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.string_literals import Surroundings, spellings
from pytest_fapo.source.text_files import SourceText, decode, split_lines


class StringBinding(NamedTuple):
    """A name that a module or class body binds once."""

    name: str
    value: str = ""
    """The value of the name at run time; empty if `reason` is set."""
    reason: str = ""
    """The reason why it cannot be edited; empty if it can."""
    literal: ast.Constant | None = None
    statement: ast.stmt | None = None
    wrappers: tuple[Wrapper, ...] = ()
    expression: ast.expr | None = None
    """The expression that the name is bound to, if it is bound once and by itself."""


class ParsedModule(NamedTuple):
    """A parsed module and its constants by dotted name."""

    source: SourceText
    constants: dict[str, StringBinding]
    tree: ast.Module


@lru_cache(maxsize=128)
def parse_module(data: bytes, path: str) -> ParsedModule:
    """Read a module's constants, editable or not.

    Raises:
        ArtifactError: the file is not Python that this interpreter can parse, or not decodable.
    """
    source = decode(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.text)
        imports = _imports(tree)
        found: dict[str, list[StringBinding]] = {}
        for constant in _constants(tree.body, "", imports):
            found.setdefault(constant.name, []).append(constant)
    except (RecursionError, MemoryError):
        raise ArtifactError(f"{path}: an expression in it is nested too deeply to be read") from None
    except (SyntaxError, ValueError) as error:
        where = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        raise ArtifactError(f"{path}: {where}not valid Python: {error}") from None
    return ParsedModule(source, {name: _once(several) for name, several in found.items()}, tree)


def replace_constant(data: bytes, path: str, name: str, text: str) -> bytes:
    """The module with the constant `name` holding `text`; every byte outside the literal stays.

    Raises:
        ArtifactError: the constant is not there, not editable, or cannot hold the text.
    """
    module = parse_module(data, path)
    constant = module.constants.get(name)
    if constant is None or constant.literal is None or constant.statement is None:
        reason = constant.reason if constant else "there is no such constant"
        raise ArtifactError(f"{path}::{name}: cannot be edited: {reason}")
    wrappers = list(constant.wrappers)
    value = inner_value(wrappers, str(constant.literal.value), text)
    if value is None:
        raise ArtifactError(f"{path}::{name}: {wrappers[-1].name}() would change the new text")
    start, end = span_of(module.source.text, constant.literal)
    around = surroundings_of(module.source, constant.statement, start)
    for literal in spellings(module.source.text[start:end], value, around):
        result = spliced(module.source, start, end, literal)
        if result is not None and _holds(result, path, name, apply_all(wrappers, text)):
            return result
    raise ArtifactError(f"{path}::{name}: the new text cannot be written as a Python string in this place")


def add_constant(data: bytes, path: str, name: str, text: str) -> bytes:
    """The module with one string constant more, behind the last one that it has at its top level.

    Raises:
        ArtifactError: the module binds the name already, or it is no name of a module constant.
    """
    module = parse_module(data, path)
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ArtifactError(f"{path}::{name}: cannot be created: only constants of the module itself can be")
    if any(_binds(node, name) for node in ast.walk(module.tree)):
        raise ArtifactError(f"{path}::{name}: cannot be created: there is something of this name already")
    strings = [each for each in module.constants.values() if each.literal and "." not in each.name]
    ends = [
        each.statement.end_lineno or 0
        for each in strings
        if each.statement and each.statement in module.tree.body
    ]
    newline, lines = module.source.newline, split_lines(module.source.text)
    number = max(ends, default=len(lines))
    if number and not lines[number - 1].endswith(("\n", "\r")):
        lines[number - 1] += newline
    statement = f'{name} = ""{newline}' if ends else f'{newline * 2 if lines else ""}{name} = ""{newline}'
    draft = "".join([*lines[:number], statement, *lines[number:]])
    return replace_constant(module.source.encode(draft), path, name, text)


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return node.name == name
    if isinstance(node, ast.alias):
        return (node.asname or node.name) == name
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)


def spliced(source: SourceText, start: int, end: int, literal: str) -> bytes | None:
    """The file with other text between two positions; None where its encoding cannot spell it."""
    try:
        return source.encode(source.text[:start] + literal + source.text[end:])
    except UnicodeEncodeError:
        return None


def _holds(data: bytes, path: str, name: str, value: str) -> bool:
    try:
        constant = parse_module(data, path).constants.get(name)
    except ArtifactError:
        return False
    return constant is not None and not constant.reason and constant.value == value


def surroundings_of(source: SourceText, statement: ast.stmt, start: int) -> Surroundings:
    """Return the constraints on the spelling of a literal that begins at `start`."""
    line = split_lines(source.text)[statement.lineno - 1]
    indent = line[: len(line) - len(line.lstrip(" \t\f"))]
    before = re.sub(r"(\s|\\|#[^\r\n]*(?=[\r\n]))+\Z", "", source.text[:start])
    return Surroundings(source.encoding, source.newline, indent, before.endswith(("(", ",")))


def span_of(text: str, node: ast.expr) -> tuple[int, int]:
    """Character positions of `node`: `ast` counts columns in UTF-8 bytes, and lines as Python does."""
    lines = split_lines(text)

    def position(line: int, column: int) -> int:
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    return position(node.lineno, node.col_offset), position(node.end_lineno or 0, node.end_col_offset or 0)


# --- finding -------------------------------------------------------------------------------------------


def _constants(body: list[ast.stmt], prefix: str, imports: dict[str, str]) -> Iterator[StringBinding]:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _constants(statement.body, f"{prefix}{statement.name}.", imports)
        elif isinstance(statement, ast.Assign):
            yield from _assigned(statement, prefix, imports)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.value is not None:
                yield _constant(prefix + statement.target.id, statement.value, statement, imports)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            yield StringBinding(
                prefix + statement.target.id, reason="it is changed by an augmented assignment"
            )
        elif not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for inner in _inner_bodies(statement):
                yield from _constants(inner, prefix, imports)


def _assigned(statement: ast.Assign, prefix: str, imports: dict[str, str]) -> Iterator[StringBinding]:
    if len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        yield _constant(prefix + statement.targets[0].id, statement.value, statement, imports)
        return
    names = [
        node.id
        for target in statement.targets
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    for name in names:
        others = ", ".join(other for other in names if other != name) or "another target"
        yield StringBinding(prefix + name, reason=f"it is assigned together with {others}")


def _inner_bodies(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Blocks of if, try, with, for, while and match, which run in the enclosing scope."""
    for field in ("body", "orelse", "finalbody"):
        yield getattr(statement, field, [])
    for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield part.body


def _constant(name: str, value: ast.expr, statement: ast.stmt, imports: dict[str, str]) -> StringBinding:
    wrappers: list[Wrapper] = []
    node = value
    while isinstance(node, ast.Call):
        found = _wrapper(node, imports)
        if found is None:
            reason = f"its value is computed by {ast.unparse(node.func)[:60]}()"
            return StringBinding(name, reason=reason, statement=statement, expression=value)
        node, wrapper = found
        wrappers.insert(0, wrapper)
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return StringBinding(name, reason=_why_not(node), statement=statement, expression=value)
    text = apply_all(wrappers, node.value)
    return StringBinding(name, text, "", node, statement, tuple(wrappers), value)


def _wrapper(call: ast.Call, imports: dict[str, str]) -> tuple[ast.expr, Wrapper] | None:
    if call.keywords:
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and not call.args:
        return call.func.value, METHODS[call.func.attr]
    head, dot, rest = ast.unparse(call.func).partition(".")
    wrapper = FUNCTIONS.get(imports.get(head, "") + dot + rest)
    return (call.args[0], wrapper) if wrapper and len(call.args) == 1 else None


def _why_not(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "it is an f-string, whose text depends on other values; make it a plain string to tune it"
    if isinstance(node, ast.Constant):
        return f"its value is of type {type(node.value).__name__}, not a string"
    kind = {ast.BinOp: "an expression", ast.Name: "another name", ast.IfExp: "a choice"}.get(type(node))
    return f"its value is {kind or 'a ' + type(node).__name__.lower()}, not one string literal"


def _imports(tree: ast.Module) -> dict[str, str]:
    """Local name to qualified name, of everything that the module imports at its top level."""
    names: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                names[alias.asname or alias.name] = alias.name
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            for alias in statement.names:
                names[alias.asname or alias.name] = f"{statement.module}.{alias.name}"
    return names


def _once(several: list[StringBinding]) -> StringBinding:
    if len(several) == 1:
        return several[0]
    name = several[0].name
    return StringBinding(
        name, reason=f"it is assigned in {len(several)} places; name one of them differently"
    )


class Wrapper(NamedTuple):
    """One tidying call: what it does, and how a new result is laid out in the old one's frame."""

    name: str
    apply: Callable[[str], str]
    unapply: Callable[[str, str], str]
    """`(old input, new result) -> new input`."""


def apply_all(wrappers: list[Wrapper], value: str) -> str:
    """Return the expression's value for a literal with `value`; wrappers are listed innermost first."""
    for wrapper in wrappers:
        value = wrapper.apply(value)
    return value


def inner_value(wrappers: list[Wrapper], old: str, text: str) -> str | None:
    """The value that the literal needs so that the expression gives `text`.

    White space that the wrappers would take away is given up. None where no value can give the text.
    """
    inputs = [old]
    for wrapper in wrappers:
        inputs.append(wrapper.apply(inputs[-1]))
    wanted = apply_all(wrappers, text)
    value = wanted
    for wrapper, before in zip(reversed(wrappers), reversed(inputs[:-1]), strict=True):
        value = wrapper.unapply(before, value)
    for attempt in (value, text, wanted):
        if apply_all(wrappers, attempt) == wanted:
            return attempt
    return None


def _strip(old: str, new: str) -> str:
    kept = old.strip()
    if not kept:
        return new
    start = old.index(kept)
    return old[:start] + new + old[start + len(kept) :]


def _lstrip(old: str, new: str) -> str:
    return old[: len(old) - len(old.lstrip())] + new


def _rstrip(old: str, new: str) -> str:
    return new + old[len(old.rstrip()) :]


def _dedent(old: str, new: str) -> str:
    margin = _margin(old.split("\n"))
    last = old.rpartition("\n")[2]
    lines = [margin + line if line.strip() else line for line in new.split("\n")]
    if lines[-1] == "" and not last.strip():
        lines[-1] = last
    return "\n".join(lines)


def _cleandoc(old: str, new: str) -> str:
    first, *others = old.split("\n")
    margin = _margin(others)
    lines = new.split("\n")
    indented = [margin + line if line.strip() else line for line in lines]
    if first.strip():
        indented[0] = lines[0]
        body = "\n".join(indented)
    else:
        body = old[: len(old) - len(old.lstrip("\n \t"))].rpartition("\n")[0] + "\n" + "\n".join(indented)
    tail = old[len(old.rstrip()) :]
    return body + tail if "\n" in tail else body


def _margin(lines: list[str]) -> str:
    filled = [line for line in lines if line.strip()]
    margin = filled[0][: len(filled[0]) - len(filled[0].lstrip())] if filled else ""
    for line in filled:
        while not line.startswith(margin):
            margin = margin[:-1]
    return margin


FUNCTIONS = {
    "textwrap.dedent": Wrapper("dedent", textwrap.dedent, _dedent),
    "inspect.cleandoc": Wrapper("cleandoc", inspect.cleandoc, _cleandoc),
}

METHODS = {
    "strip": Wrapper("strip", str.strip, _strip),
    "lstrip": Wrapper("lstrip", str.lstrip, _lstrip),
    "rstrip": Wrapper("rstrip", str.rstrip, _rstrip),
}
