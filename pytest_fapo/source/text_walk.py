"""The walk over a module's tree that finds its texts and names them by the expression that reaches each.

Several texts may come out under one name; `python_texts.py` tells them apart.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal, NamedTuple

from pytest_fapo.core.errors import ArtifactError
from pytest_fapo.source.python_module import PythonModule, line_before
from pytest_fapo.source.text_expressions import TextExpression, is_literal, read_text
from pytest_fapo.source.tidying_calls import docstring

TextKind = Literal["constant", "attribute", "local", "entry", "argument", "default", "docstring", "result"]

_ROLES = frozenset(("system", "human", "user", "ai", "assistant", "developer", "tool", "function", "model"))
"""The first entry of a pair in a list of messages: `("system", "Be brief.")`."""

_NO_TEXTS = frozenset(
    (
        *("re", "regex", "logging", "warnings", "struct", "datetime"),
        *("time", "pathlib", "glob", "subprocess", "sqlite3"),
    )
)
"""Modules whose functions take patterns, names and commands, but nothing that a model reads."""

_BARE_KEY = re.compile(r"[\w$-]+")


class PythonText(NamedTuple):
    """A text of a module, or a name that could be one: then `reason` says why it cannot be edited."""

    name: str
    kind: TextKind
    line: int = 0
    expression: TextExpression | None = None
    reason: str = ""
    bound: bool = False
    """True if it is all that a name of a module or class body is bound to."""

    @property
    def value(self) -> str:
        """The text; empty if `reason` is set."""
        return self.expression.value if self.expression and not self.reason else ""


class Binding(NamedTuple):
    """A statement of a module or class body that binds a name to an expression."""

    name: str
    expression: ast.expr | None
    statement: ast.stmt
    reason: str = ""


_Function = ast.FunctionDef | ast.AsyncFunctionDef

_SKIPPED = (ast.Compare, ast.Constant, ast.FormattedValue)
"""Expressions whose literals are no texts of their own: labels to compare with, fields of f-strings."""


class _Scope(NamedTuple):
    """The body that is being walked."""

    kind: Literal["module", "class", "function"]
    prefix: str = ""
    receiver: str = ""
    """The first argument of `__init__`: its attributes are the object's."""
    owner: str = ""
    """The prefix of the class that such an attribute belongs to."""


class TextWalk:
    """Finds the texts of a module; names may occur several times."""

    def __init__(self, module: PythonModule) -> None:
        self.module = module
        self.found: list[PythonText] = []
        self.unreadable: list[PythonText] = []
        self.bindings: list[Binding] = []
        self.scope = _Scope("module")

    @contextmanager
    def _inside(self, scope: _Scope) -> Iterator[None]:
        outer, self.scope = self.scope, scope
        yield
        self.scope = outer

    # Statements.

    def statements(self, body: Sequence[ast.stmt]) -> None:
        """Walk the statements of a body in the present scope."""
        for statement in body:
            visit = getattr(self, f"_visit_{type(statement).__name__.lower()}", None)
            if visit is not None:
                visit(statement)
            elif not isinstance(statement, (ast.Raise, ast.Assert)):
                self._compound(statement)

    def _compound(self, statement: ast.stmt) -> None:
        for field in ("test", "subject"):
            if isinstance(part := getattr(statement, field, None), ast.expr):
                self._unbound(part)
        for item in getattr(statement, "items", ()):
            self._with_target(item.optional_vars, item.context_expr)
        self.statements(getattr(statement, "body", ()))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            self.statements(part.body)
        for field in ("orelse", "finalbody"):
            self.statements(getattr(statement, field, ()))

    def _with_target(self, target: ast.expr | None, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._value(self.scope.prefix + target.id, value, "local")
        else:
            self._unbound(value)

    def _visit_for(self, statement: ast.For) -> None:
        self._with_target(statement.target, statement.iter)
        self.statements([*statement.body, *statement.orelse])

    def _visit_asyncfor(self, statement: ast.For) -> None:
        self._visit_for(statement)

    def _visit_functiondef(self, node: _Function) -> None:
        name = self.scope.prefix + node.name
        with self._inside(_Scope("function", f"{name}.")):
            for decorator in node.decorator_list:
                self._unbound(decorator)
            self._arguments(name, node.args)
            if node.returns is not None:
                self._annotation(f"{name}.return", node.returns)
        first = node.args.args[0].arg if node.args.args else ""
        initial = self.scope.kind == "class" and node.name in ("__init__", "__post_init__")
        owner = self.scope.prefix
        with self._inside(_Scope("function", f"{name}.", first if initial else "", owner)):
            self._docstring(f"{name}.__doc__", node.body)
            self.statements(node.body)

    def _visit_asyncfunctiondef(self, node: _Function) -> None:
        self._visit_functiondef(node)

    def _visit_classdef(self, node: ast.ClassDef) -> None:
        name = self.scope.prefix + node.name
        with self._inside(_Scope("class", f"{name}.")):
            for decorator in (*node.decorator_list, *node.bases):
                self._unbound(decorator)
            for keyword in node.keywords:
                self._value(f"{name}.{keyword.arg}" if keyword.arg else name, keyword.value, "argument")
            self._docstring(f"{name}.__doc__", node.body)
            for field, text in pairwise(node.body):
                target = field.targets[0] if isinstance(field, ast.Assign) else getattr(field, "target", None)
                if isinstance(target, ast.Name):
                    self._docstring(f"{name}.{target.id}.__doc__", [text])
            self.statements(node.body)

    def _docstring(self, name: str, body: Sequence[ast.stmt]) -> None:
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and is_literal(first.value):
            expression = read_text(self.module, first.value)
            if expression is not None:
                before = line_before(self.module.source.text, expression.parts[0].start)
                indent = before[: len(before) - len(before.lstrip())] + "    " * bool(before.strip())
                wrapped = expression._replace(wrappers=(docstring(indent),))
                self.found.append(PythonText(name, "docstring", first.lineno, wrapped))

    def _visit_assign(self, statement: ast.Assign) -> None:
        first, *others = statement.targets
        if not others and isinstance(first, (ast.Tuple, ast.List)) and self._unpacked(first, statement):
            return
        if not others and isinstance(first, ast.Name):
            self._bind(first.id, statement.value, statement)
            return
        names = [
            node.id
            for target in statement.targets
            for node in ast.walk(target)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        for name in names:
            rest = ", ".join(other for other in names if other != name) or "another target"
            self._bind(name, None, statement, f"it is assigned together with {rest}")
        self._value(self._target(first), statement.value, self._kind())

    def _unpacked(self, targets: ast.Tuple | ast.List, statement: ast.Assign) -> bool:
        values = statement.value.elts if isinstance(statement.value, (ast.Tuple, ast.List)) else []
        starred = any(isinstance(node, ast.Starred) for node in (*targets.elts, *values))
        if len(values) != len(targets.elts) or starred:
            return False
        joint = [node.id for node in targets.elts if isinstance(node, ast.Name)]
        for target, value in zip(targets.elts, values, strict=True):
            if isinstance(target, ast.Name):
                rest = ", ".join(other for other in joint if other != target.id) or "another target"
                self._bind(target.id, None, statement, f"it is assigned together with {rest}")
            self._value(self._target(target), value, self._kind())
        return True

    def _visit_annassign(self, statement: ast.AnnAssign) -> None:
        name = self._target(statement.target)
        self._annotation(name, statement.annotation)
        if isinstance(statement.target, ast.Name):
            if statement.value is not None:
                self._bind(statement.target.id, statement.value, statement)
        elif statement.value is not None:
            self._value(name, statement.value, "attribute")

    def _visit_augassign(self, statement: ast.AugAssign) -> None:
        if isinstance(statement.target, ast.Name):
            reason = "it is changed by an augmented assignment"
            self._bind(statement.target.id, None, statement, reason)
        self._value(self._target(statement.target), statement.value, self._kind(), bound=self._is_body())

    def _visit_return(self, statement: ast.Return) -> None:
        if statement.value is not None:
            self._unbound(statement.value, "return")

    def _visit_expr(self, statement: ast.Expr) -> None:
        if not isinstance(statement.value, ast.Constant):
            self._unbound(statement.value)

    # Names.

    def _is_body(self) -> bool:
        return self.scope.kind != "function"

    def _kind(self) -> TextKind:
        return "constant" if self._is_body() else "local"

    def _bind(self, name: str, value: ast.expr | None, statement: ast.stmt, reason: str = "") -> None:
        if self._is_body():
            self.bindings.append(Binding(self.scope.prefix + name, value, statement, reason))
        if value is not None:
            self._value(self.scope.prefix + name, value, self._kind(), bound=self._is_body())

    def _target(self, target: ast.expr) -> str:
        """Return the name of what an assignment sets: a name, an attribute, an entry."""
        if isinstance(target, ast.Name):
            return self.scope.prefix + target.id
        if isinstance(target, ast.Attribute):
            if isinstance(target.value, ast.Name) and target.value.id in (self.scope.receiver, "self"):
                return (self.scope.owner if self.scope.receiver else self.scope.prefix) + target.attr
            return f"{self._target(target.value)}.{target.attr}"
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            key = target.slice.value
            base = self._target(target.value)
            return f"{base}[{key}]" if isinstance(key, int) else f"{base}.{key_name(str(key))}"
        if isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            return self._target(target.elts[0])
        inner = getattr(target, "value", None)
        return self._target(inner) if isinstance(inner, ast.expr) else self.scope.prefix + "value"

    # Expressions.

    def _value(self, name: str, node: ast.expr, kind: TextKind, bound: bool = False) -> None:
        """Find the texts of an expression that is known by a name."""
        expression = self._text(name, node, kind, bound)
        if expression is not None:
            return
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                self._value(f"{name}.{_key_of(key)}" if key else name, value, "entry")
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            for number, element in enumerate(node.elts):
                self._value(f"{name}[{number}]", _message_text(element), "entry")
        elif isinstance(node, ast.Call):
            self._call(name, node)
        elif isinstance(node, ast.Lambda):
            self._arguments(name, node.args)
            self._value(name, node.body, "result")
        elif isinstance(node, ast.NamedExpr):
            self._value(self._target(node.target), node.value, "local")
        elif not isinstance(node, _SKIPPED):
            for child in _children(node):
                self._value(name, child, kind)

    def _text(self, name: str, node: ast.expr, kind: TextKind, bound: bool = False) -> TextExpression | None:
        """Note the text that an expression gives, and those beside it; None where it gives none."""
        try:
            expression = read_text(self.module, node)
        except ArtifactError as error:
            self.unreadable.append(PythonText(name, kind, node.lineno, reason=str(error)))
            return TextExpression(())
        if expression is not None:
            self.found.append(PythonText(name, kind, node.lineno, expression, bound=bound))
            for suffix, beside in expression.beside:
                self._value(name + suffix, beside, kind)
        return expression

    def _takes_texts(self, call: ast.Call) -> bool:
        root = call.func
        while isinstance(root, ast.Attribute):
            root = root.value
        origin = self.module.imports.get(root.id, "") if isinstance(root, ast.Name) else ""
        return origin.partition(".")[0] not in _NO_TEXTS

    def _call(self, name: str, call: ast.Call) -> None:
        if not self._takes_texts(call):
            return
        if isinstance(call.func, ast.Attribute) and not is_literal(call.func.value):
            self._value(name, call.func.value, "argument")
        elif isinstance(call.func, ast.Call):
            self._value(name, call.func, "argument")
        for number, argument in enumerate(_positional(call)):
            self._value(f"{name}[{number}]", _message_text(argument), "argument")
        for keyword in call.keywords:
            self._value(f"{name}.{keyword.arg}" if keyword.arg else name, keyword.value, "argument")

    def _unbound(self, node: ast.expr, role: str = "") -> None:
        """Find the texts of an expression without a name: a result, a call that stands alone."""
        prefix = self.scope.prefix
        if is_text(self.module, node):
            fields = self._shown_fields(node)
            name = f"{prefix[:-1]}{fields}" if fields else prefix + (role or "text")
            self._text(name, node, "result")
        elif isinstance(node, ast.Call):
            self._unbound_call(node)
        elif isinstance(node, (ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Lambda, ast.NamedExpr)):
            self._value(prefix + (role or "value"), node, "result")
        elif not isinstance(node, _SKIPPED):
            for child in _children(node):
                self._unbound(child, role)

    def _unbound_call(self, call: ast.Call) -> None:
        if not self._takes_texts(call):
            return
        base = self.scope.prefix + _call_name(call.func)
        if isinstance(call.func, ast.Attribute):
            self._unbound(call.func.value)
        elif isinstance(call.func, ast.Call):
            self._unbound(call.func)
        for number, argument in enumerate(_positional(call)):
            call_without_text = isinstance(argument, ast.Call) and not is_text(self.module, argument)
            if call_without_text or self._shown_fields(argument):
                self._unbound(argument)
            else:
                self._value(f"{base}[{number}]", _message_text(argument), "argument")
        for keyword in call.keywords:
            self._value(f"{base}.{keyword.arg}" if keyword.arg else base, keyword.value, "argument")

    def _shown_fields(self, node: ast.expr) -> str:
        """`{text}` of an f-string in a function; empty for anything else."""
        expression = read_text_safely(self.module, node) if self.scope.kind == "function" else None
        names = [field[1:-1] for field in dict.fromkeys(expression.shown_fields)] if expression else []
        return "{" + ",".join(names) + "}" if names else ""

    def _arguments(self, name: str, arguments: ast.arguments) -> None:
        positional = [*arguments.posonlyargs, *arguments.args]
        late = positional[len(positional) - len(arguments.defaults) :]
        pairs = [*zip(late, arguments.defaults, strict=True)]
        pairs += [
            (arg, default)
            for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default
        ]
        for argument, default in pairs:
            self._value(f"{name}({argument.arg})", default, "default")
        for argument in (*positional, *arguments.kwonlyargs):
            if argument.annotation is not None:
                self._annotation(f"{name}({argument.arg})", argument.annotation)

    def _annotation(self, name: str, node: ast.expr) -> None:
        """The texts in `Annotated[str, Field(description="…")]`; other annotations hold types."""
        for each in ast.walk(node):
            if isinstance(each, ast.Subscript) and ast.unparse(each.value).rpartition(".")[2] == "Annotated":
                elements = each.slice.elts[1:] if isinstance(each.slice, ast.Tuple) else []
                for element in elements:
                    self._value(f"{name}.annotation" if is_literal(element) else name, element, "argument")


def read_text_safely(module: PythonModule, node: ast.expr) -> TextExpression | None:
    """As `read_text`; a text that cannot be taken apart counts as one."""
    try:
        return read_text(module, node)
    except ArtifactError:
        return TextExpression(())


def is_text(module: PythonModule, node: ast.expr) -> bool:
    """True if the expression gives a text that is here."""
    return read_text_safely(module, node) is not None


def _children(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the parts of an expression in which texts may stand; not the keys that something is looked
    up by.
    """
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.DictComp):
        yield from (node.value, *(each.iter for each in node.generators))
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        yield from (node.elt, *(each.iter for each in node.generators))
    else:
        yield from (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def _positional(call: ast.Call) -> list[ast.expr]:
    """Return the positional arguments; the elements of a list that is the only one."""
    if len(call.args) == 1 and isinstance(call.args[0], (ast.List, ast.Tuple)):
        return call.args[0].elts
    return call.args


def _message_text(node: ast.expr) -> ast.expr:
    """Return the text of a pair `("system", "Be brief.")`; any other expression itself."""
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        role = node.elts[0]
        if isinstance(role, ast.Constant) and role.value in _ROLES:
            return node.elts[1]
    return node


def _key_of(key: ast.expr) -> str:
    text = str(key.value) if isinstance(key, ast.Constant) else ast.unparse(key)
    return key_name(text)


def _call_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    if isinstance(function, ast.Name):
        return function.id
    inner = getattr(function, "func", None) or getattr(function, "value", None)
    return _call_name(inner) if isinstance(inner, ast.expr) else "call"


def key_name(key: str) -> str:
    """Return a dict's key as a part of a name; quoted where it holds more than letters, digits, `_`, `$` and
    `-`.
    """
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
