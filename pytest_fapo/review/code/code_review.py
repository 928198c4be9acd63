"""Check one rewritten or new function against the old code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.review.code.call_contract import default_changes, ending_problems, signature_problems
from pytest_fapo.review.code.code_access import CodeAccess, misused_prompts
from pytest_fapo.review.code.code_context import Around, import_problems
from pytest_fapo.review.code.code_literals import Literals
from pytest_fapo.review.code.encoded_answers import encoded_problems
from pytest_fapo.review.code.proposed_function import FunctionSource

_CHANGING = frozenset(
    (
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "remove",
        "discard",
        "clear",
    )
)

_DECIDING = """
eq ne lt le gt ge hash bool contains getattr getattribute setattr delattr instancecheck subclasscheck
class_getitem init_subclass new del set_name reduce reduce_ex getitem missing index
"""

_COMPARING = frozenset(f"__{name}__" for name in _DECIDING.split())


def stores(source: FunctionSource, access: CodeAccess) -> Iterator[tuple[str, str]]:
    """Changes of things that outlive the call: a key that compares two versions, and what it is."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                yield f"global {name}", f"sets the global {name}"
        outer, how = "", ""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            outer, how = _outer(node, access), ast.unparse(node)[:60]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changing = node.func.attr in _CHANGING
            outer, how = (
                _outer(node.func, access, names_only=True) if changing else "",
                ast.unparse(node.func),
            )
        if outer:
            yield f"store {outer}", f"changes {outer}, which outlives the call ({how})"


def pretenders(source: FunctionSource) -> Iterator[str]:
    """Methods by which an object decides itself what it is equal to."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            for part in ast.walk(node):
                name = getattr(part, "name", None) or (part.id if isinstance(part, ast.Name) else None)
                if name in _COMPARING:
                    yield f"line {node.lineno}: class {node.name} defines {name}"
            if node.keywords:
                yield f"line {node.lineno}: class {node.name} has a metaclass or class arguments"
    if source.function.name in _COMPARING:
        yield f"{source.function.name} decides what objects are equal to"


def _outer(node: ast.Attribute | ast.Subscript, access: CodeAccess, *, names_only: bool = False) -> str:
    """The name of the file (or of an import) whose object is changed; empty for the function's own."""
    base: ast.expr = node
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        base = base.value
    if not isinstance(base, ast.Name):
        return ""
    scopes = access.scopes
    if scopes.bindings(base) is None or access.origins(base):
        return base.id
    if names_only:
        return ""
    return _alias(base, access)


def _alias(node: ast.Name, access: CodeAccess) -> str:
    """The file's name that a local name was plainly set to."""
    for value in access.scopes.bindings(node) or []:
        while isinstance(value, (ast.Attribute, ast.Subscript)):
            value = value.value
        if isinstance(value, ast.Name) and value.id != node.id and access.scopes.bindings(value) is None:
            return value.id
    return ""


_DUNDER = re.compile(
    r"__(?:class|bases?|mro|subclasses|globals|builtins|import|dict|code|closure|getattribute|getattr|setattr|"
    r"self|eq|ne|hash|bool|contains|reduce|reduce_ex|new|del|traceback|func|wrapped|loader|spec|file|annotations)__"
)

_URL = re.compile(r"\b(?:https?|ftp|file|wss?)://[^\s/\"']+", re.IGNORECASE)

_RUN_STATE = re.compile(r"PYTEST_|\.fapo\b|conftest|site-packages|/proc/|\.pytest_cache")

_LEAVING = re.compile(r"(^|/)\.\.(/|$)")


def word_problems(source: FunctionSource, functions: Collection[str] = ()) -> Iterator[str]:
    """Strings that no step of a pipeline needs.

    Args:
        source: the function.
        functions: names of functions, classes and modules of its file.
    """
    for text in Literals(source).texts:
        line = getattr(text.node, "lineno", 0)
        if found := _DUNDER.search(text.value):
            yield f"line {line}: names {found[0]} in a string"
        elif (found := _URL.search(text.value)) and not re.search(r"\s", text.value):
            yield f"line {line}: holds the address {found[0]}, which it did not before (network access)"
        elif found := _RUN_STATE.search(text.value):
            yield f"line {line}: names {found[0]}, which belongs to the test run"
        elif _LEAVING.search(text.value):
            yield f"line {line}: holds a path that leaves its folder"
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.AnnAssign, ast.arg)) and _runs(node.annotation):
            yield f"line {node.lineno}: the annotation holds code in a string"
        if isinstance(node, ast.Call) and _formats(node, source, functions):
            yield f"line {node.lineno}: a function or module is given to a format"


def _runs(annotation: ast.expr | None) -> bool:
    """True if an annotation in quotes would call something when it is evaluated."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "(" in node.value:
            return True
    return False


def _formats(node: ast.Call, source: FunctionSource, outer: Collection[str]) -> bool:
    """`template.format(function)`: a template could ask it for its globals."""
    if not (isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "format_map")):
        return False
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(isinstance(each, ast.Lambda) or _is_function(each, source, outer) for each in given)


def _is_function(node: ast.expr, source: FunctionSource, outer: Collection[str]) -> bool:
    if not isinstance(node, ast.Name):
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    bound = source.scopes.bindings(node)
    if bound is None:
        return node.id in outer
    return node.id in ("self", "cls") or any(isinstance(each, functions) for each in bound)


_LINE = re.compile(r"^line \d+: ")


class CodeProblem(NamedTuple):
    """One objection, without the function's address."""

    check: str
    message: str
    blocks: bool = True


@dataclass(frozen=True)
class CodeChange:
    """A function's new source with what it takes the place of."""

    after: FunctionSource
    around: Around
    before: FunctionSource | None = None
    """None for a new function."""
    others: Sequence[FunctionSource] = field(default=())
    """Functions of the file that the candidate rewrites, as they were: code moves between them."""

    @cached_property
    def earlier(self) -> list[FunctionSource]:
        """All code that may have moved into the new source."""
        return [*([self.before] if self.before is not None else []), *self.others]


def code_problems(change: CodeChange) -> Iterator[CodeProblem]:
    """Everything that speaks against the new source, the cases aside."""
    for message in import_problems(change.after, change.around):
        yield CodeProblem("imports", message)
    yield from _undefined(change)
    yield from _access(change)
    yield from _beyond_before("isolation", change, lambda source: stores(source, _of(source, change)), _APART)
    yield from _beyond_before("comparison", change, _plainly(pretenders), _HONEST)
    yield from _beyond_before("endless", change, _plainly(ending_problems), "")
    yield from _beyond_before(
        "encoded", change, lambda source: encoded_problems(source, Literals(source)), _READABLE
    )
    outer = change.around.module.functions.keys() | change.around.module.imports.keys()
    yield from _beyond_before("access", change, _plainly(lambda source: word_problems(source, outer)), "")
    yield from _beyond_before("encoded", change, _plainly(_misused_prompts(change)), _ASKED)
    if change.before is not None:
        for message in signature_problems(change.before, change.after):
            yield CodeProblem("signature", message)
        for message in default_changes(change.before, change.after):
            yield CodeProblem("signature", message, blocks=False)


_ASKED = "a prompt is for the model to read, not for the code"

_SHARED = ("network access", "environment access")

_APART = "cases must not leave traces for each other: keep it in the function's own variables"

_HONEST = "outputs are compared by the tests as they are: return plain values"

_READABLE = "write a rule that a reader can check"


def as_sentences(source: FunctionSource) -> str:
    """All that the code says in words: its strings, its comments, and what its tables lead to."""
    literals = Literals(source)
    lines = [text.value for text in literals.texts]
    lines += [f"{left} -> {right}" for left, right in literals.tables() if left and right]
    lines += literals.comments()
    lines += [name for name in _names(source) if name.count("_") >= 3]
    return "\n".join(lines)


def _names(source: FunctionSource) -> Iterable[str]:
    return dict.fromkeys(node.id for node in source.scopes.names())


def _of(source: FunctionSource, change: CodeChange) -> CodeAccess:
    return CodeAccess(source, change.around)


def _misused_prompts(change: CodeChange) -> Callable[[FunctionSource], Iterator[str]]:
    return lambda source: misused_prompts(source, change.around)


def _of_file(change: CodeChange) -> CodeAccess:
    """Return the access of the whole file: its clients and its settings serve all of its functions."""
    module = change.around.module
    return CodeAccess(FunctionSource("", module.tree, change.after.function), change.around)


def _plainly(
    check: Callable[[FunctionSource], Iterator[str]],
) -> Callable[[FunctionSource], Iterator[tuple[str, str]]]:
    """A check whose messages are its keys, their lines aside."""
    return lambda source: ((_LINE.sub("", message), message) for message in check(source))


def _undefined(change: CodeChange) -> Iterator[CodeProblem]:
    known = {node.id for source in change.earlier for node in _of(source, change).undefined()}
    names = {node.id: node for node in _of(change.after, change).undefined() if node.id not in known}
    for name, node in sorted(names.items()):
        message = f"line {node.lineno}: {name} is not defined; define it, import it or pass it in"
        yield CodeProblem("syntax", message)


def _access(change: CodeChange) -> Iterator[CodeProblem]:
    known = {use.key for source in change.earlier for use in _of(source, change).uses}
    known |= {use.key for use in _of_file(change).uses if use.risk in _SHARED}
    reported: set[tuple[str, int]] = set()
    for use in _of(change.after, change).uses:
        key = (use.said.rpartition(".")[2], use.line)
        if use.key not in known and key not in reported:
            reported.add(key)
            message = f"line {use.line}: uses {use.said}, which it did not before ({use.risk}); do without it"
            yield CodeProblem("access", message)


def _beyond_before(
    check: str, change: CodeChange, find: Callable[[FunctionSource], Iterator[tuple[str, str]]], remedy: str
) -> Iterator[CodeProblem]:
    """Yield a check's problems in the new source that the old source did not have."""
    known = {key for source in change.earlier for key, _ in find(source)}
    found = {key: message for key, message in find(change.after) if key not in known}
    for message in dict.fromkeys(found.values()):
        yield CodeProblem(check, f"{message}; {remedy}" if remedy else message)
