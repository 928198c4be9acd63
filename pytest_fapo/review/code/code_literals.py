"""The strings written in code, and where a string or a part of the input may choose a branch."""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from pytest_fapo.review.code.allowed_names import SENDING, safe_name
from pytest_fapo.review.code.code_access import CodeAccess
from pytest_fapo.review.code.code_context import Around, read_module
from pytest_fapo.review.code.code_strings import equals, string
from pytest_fapo.review.code.proposed_function import FunctionSource
from pytest_fapo.review.leakage.added_text import words_of

_DEEP = 12


class Inputs:
    """Follows values back to the parameters of a function.

    Args:
        source: the function.
        around: its file; helpers of it that ask a model give something new.
    """

    def __init__(self, source: FunctionSource, around: Around) -> None:
        self._scopes = source.scopes
        self._around = around
        self._known: dict[ast.AST, bool] = {}

    def reach(self, node: ast.AST, depth: int = 0) -> bool:
        """True if the value of `node` may hold text of the parameters; True where that is not sure."""
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
        """True if a helper of the file asks a model, by itself or by other helpers."""
        if self._scopes.bindings(func) is not None or func.id in self._around.created:
            return False
        return func.id in self._around.module.model_functions


SHORT = 6
"""A string of at most so many words may be what a condition looks for; longer ones are texts."""

_METHODS = """
startswith endswith find rfind index rindex count removeprefix removesuffix split rsplit partition rpartition
replace search match fullmatch findall finditer sub subn compile get_close_matches SequenceMatcher isdisjoint
contains intersection issubset issuperset setdefault add append extend update fromkeys
"""

_LOOKING = frozenset(_METHODS.split())

_CHOOSING = (
    *(ast.Compare, ast.MatchValue, ast.MatchMapping, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.arguments),
    *(
        ast.Yield,
        ast.Return,
        ast.Starred,
        ast.For,
        ast.comprehension,
        ast.Attribute,
        ast.Assign,
        ast.AnnAssign,
    ),
    *(ast.AugAssign, ast.NamedExpr, ast.Lambda),
)
"""The nodes directly around a string that may choose something."""

_SPLITTING = frozenset(("split", "splitlines", "rsplit", "partition"))


class CodeText(NamedTuple):
    """One string with the expression that makes it."""

    node: ast.AST
    value: str


class Literals:
    """All strings of one function's source.

    Args:
        source: the function.
        around: its file; without it every value counts as one of the inputs.
    """

    def __init__(self, source: FunctionSource, around: Around | None = None) -> None:
        self._source = source
        self._around = around or Around(read_module("", ""))
        self._inputs = Inputs(source, self._around)
        self._parents = source.scopes.parents

    @cached_property
    def texts(self) -> list[CodeText]:
        """Every string, the largest expression that makes it; parts of formatted strings one by one."""
        found: list[CodeText] = []
        waiting: list[ast.AST] = [self._source.tree]
        while waiting:
            node = waiting.pop()
            value = string(node, self._source.scopes) if not isinstance(node, ast.Name) else None
            if value is not None:
                found.append(CodeText(node, value))
            waiting.extend(ast.iter_child_nodes(node) if value is None else ())
        return found

    @cached_property
    def choosing(self) -> list[str]:
        """Short strings that stand where they may decide what happens."""
        found = [part for text in self._deciding() for part in self._parts(text)]
        found += [keyword.arg for keyword in self._named_values() if keyword.arg]
        found += self._fields()
        return [value for value in dict.fromkeys(found) if 0 < len(value.split()) <= SHORT]

    def _deciding(self) -> Iterator[CodeText]:
        """Strings in a place that chooses; a single word that only a model's answer is compared with may be
        any word."""
        for text in self.texts:
            if self._chooses(text.node):
                single = len(words_of(text.value)) < 2
                others = equals(text.node, self._source.scopes) if single else None
                if others is None or any(map(self._inputs.reach, others)):
                    yield text

    def conditions(self) -> Iterator[list[str]]:
        """Strings that are asked for together: the parts of `a in x and b in x`, nested conditions too."""
        for node in ast.walk(self._source.tree):
            tests = self._tests(node)
            if tests:
                above = self._above(node)
                for test in tests:
                    for group in _together(test):
                        yield [*dict.fromkeys([*group, *above])]

    def tables(self) -> Iterator[tuple[str, str]]:
        """Yield keys and values: entries of dicts, branches with their results."""
        for node in ast.walk(self._source.tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is not None and (left := _words(key)):
                        yield left, _words(value)
            elif isinstance(node, (ast.If, ast.IfExp)):
                body = node.body if isinstance(node.body, list) else [node.body]
                yield _words(node.test), " ".join(map(_words, body))
            elif isinstance(node, ast.match_case):
                yield _words(node.pattern), " ".join(map(_words, node.body))
            elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
                yield _words(node.elts[0]), _words(node.elts[1])
            elif isinstance(node, ast.keyword) and node.arg and string(node.value) is not None:
                yield node.arg, string(node.value) or ""

    def anchored(self) -> Iterator[tuple[str, str]]:
        """Yield the texts that `startswith` and `endswith` look for, each with the method's name."""
        for text in self.texts:
            call: ast.AST | None = self._parents.get(text.node)
            if isinstance(call, ast.Tuple):
                call = self._parents.get(call)
            name = getattr(call.func, "attr", "") if isinstance(call, ast.Call) else ""
            if name in ("startswith", "endswith"):
                yield name, text.value

    def comments(self) -> Iterator[str]:
        """Yield the texts after `#`."""
        try:
            for token in tokenize.generate_tokens(io.StringIO(self._source.text).readline):
                if token.type == tokenize.COMMENT:
                    yield token.string.lstrip("# ")
        except (tokenize.TokenError, IndentationError):
            return

    # --- where a string stands ------------------------------------------------------------------------

    def _chooses(self, node: ast.AST) -> bool:
        parent = self._parents.get(node)
        if isinstance(parent, _CHOOSING):
            return True
        if isinstance(parent, ast.Subscript):
            return not isinstance(parent.ctx, ast.Load) or isinstance(parent.value, ast.Dict)
        if isinstance(parent, ast.Call):
            return self._asks(parent)
        return isinstance(parent, ast.keyword) and self._is_own_call(self._parents.get(parent))

    def _asks(self, call: ast.Call) -> bool:
        """True if the call may look for the string: methods of text, modules for text, own functions."""
        func = call.func
        if isinstance(func, ast.Attribute):
            return func.attr in _LOOKING or isinstance(func.value, ast.Dict) or self._is_of_module(func)
        if isinstance(func, ast.Name) and self._is_of_module(func):
            return True
        name = getattr(func, "id", "")
        builtin = hasattr(builtins, name) and name != "print"
        return builtin or self._is_own_call(call) or name in _LOOKING

    def _is_of_module(self, func: ast.expr) -> bool:
        root = func
        while isinstance(root, ast.Attribute):
            root = root.value
        origins = CodeAccess(self._source, self._around).origins(root) if isinstance(root, ast.Name) else []
        return any(safe_name(dotted) for dotted in origins)

    def _is_own_call(self, call: ast.AST | None) -> bool:
        """True if what is called is a function (or a lambda) of this text, or `dict`."""
        if not isinstance(call, ast.Call):
            return False
        if not isinstance(call.func, ast.Name):
            return isinstance(call.func, ast.Lambda)
        return call.func.id == "dict" or self._source.scopes.bindings(call.func) is not None

    def _named_values(self) -> Iterator[ast.keyword]:
        for node in ast.walk(self._source.tree):
            if isinstance(node, ast.keyword) and self._is_own_call(self._parents.get(node)):
                yield node

    def _fields(self) -> Iterator[str]:
        """Names that classes inside the function give to their fields: code can list them."""
        for node in ast.walk(self._source.tree):
            for part in node.body if isinstance(node, ast.ClassDef) else ():
                for name in ast.walk(part):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                        yield name.id

    def _parts(self, text: CodeText) -> list[str]:
        parent = self._parents.get(text.node)
        split = isinstance(parent, ast.Attribute) and parent.attr in _SPLITTING
        if isinstance(parent, ast.Call):
            split = self._is_of_module(parent.func)
        return [text.value, *text.value.split()] if split else [text.value]

    def _tests(self, node: ast.AST) -> list[ast.expr]:
        if isinstance(node, (ast.If, ast.IfExp, ast.While, ast.Assert)):
            return [node.test]
        if isinstance(node, ast.comprehension):
            return node.ifs
        if isinstance(node, ast.match_case) and node.guard is not None:
            return [node.guard]
        parent = self._parents.get(node)
        if isinstance(node, ast.BoolOp) and not isinstance(
            parent, (ast.BoolOp, ast.If, ast.IfExp, ast.While)
        ):
            return [node]
        return []

    def _above(self, node: ast.AST) -> list[str]:
        """Strings of the conditions that must hold for `node` to be reached."""
        found: list[str] = []
        child, parent = node, self._parents.get(node)
        while parent is not None:
            inside = parent.body if isinstance(parent, (ast.If, ast.While)) else []
            if isinstance(parent, (ast.If, ast.While)) and child in inside:
                groups = list(_together(parent.test))
                found += groups[0] if len(groups) == 1 else []
            child, parent = parent, self._parents.get(parent)
        return found


def _together(test: ast.expr) -> Iterator[list[str]]:
    """One list of strings per way to make the test true, as far as `and`, `or` and `all` tell."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        for part in test.values:
            yield from _together(part)
    elif isinstance(test, ast.BoolOp):
        ways: list[list[str]] = [[]]
        for part in test.values:
            ways = [[*way, *more] for way in ways for more in _together(part)][:16]
        yield from ways
    elif _is_any(test):
        for text in _strings(test):
            yield [text]
    else:
        yield _strings(test)


def _is_any(test: ast.expr) -> bool:
    """`any(...)`, or membership in a list that is written out."""
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "any"
    return isinstance(test, ast.Compare) and isinstance(test.comparators[0], (ast.List, ast.Tuple, ast.Set))


def _strings(node: ast.AST) -> list[str]:
    value = string(node)
    if value is not None:
        return [value]
    return [text for child in ast.iter_child_nodes(node) for text in _strings(child)]


def _words(node: ast.AST) -> str:
    return " ".join(_strings(node))
