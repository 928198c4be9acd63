"""The contract with a function's callers: its signature, and that it ends."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_fapo.review.code.proposed_function import Function, FunctionSource

_ENDLESS = frozenset(("count", "cycle", "repeat"))

_HUGE = 1_000_000


def falls_through(body: Sequence[ast.stmt]) -> bool:
    """True if control may reach the end of these statements."""
    return not any(_ends(statement) for statement in body)


def ending_problems(source: FunctionSource) -> Iterator[str]:
    """Loops without an end, huge constants, and handlers that swallow more than errors."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.While) and _always(node.test) and not _leaves(node.body):
            yield f"line {node.lineno}: the loop has no break, return or raise"
        elif isinstance(node, (ast.For, ast.AsyncFor)) and _is_endless(node.iter) and not _leaves(node.body):
            yield f"line {node.lineno}: the loop over {ast.unparse(node.iter)[:40]} has no end"
        elif isinstance(node, ast.BinOp) and _is_huge(node):
            yield f"line {node.lineno}: {ast.unparse(node)[:40]} makes something huge"
        elif isinstance(node, ast.Call) and _is_huge_range(node):
            yield f"line {node.lineno}: {ast.unparse(node)[:40]} goes over a million rounds"
        elif isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield (
                f"line {node.lineno}: the handler would also swallow Ctrl-C and a used-up budget; "
                f"catch Exception (or a narrower class)"
            )


def _ends(statement: ast.stmt) -> bool:
    """True if control never gets past the statement."""
    if isinstance(statement, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
        return True
    if isinstance(statement, ast.If):
        return (
            bool(statement.orelse)
            and not falls_through(statement.body)
            and not falls_through(statement.orelse)
        )
    if isinstance(statement, ast.While):
        return _always(statement.test) and not _breaks(statement.body)
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return not falls_through(statement.body)
    if isinstance(statement, ast.Try) or type(statement).__name__ == "TryStar":
        return _try_ends(statement)
    if isinstance(statement, ast.Match):
        last = statement.cases[-1]
        catches = (
            isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        )
        return catches and not any(falls_through(case.body) for case in statement.cases)
    return isinstance(statement, ast.Assert) and _is_false(statement.test)


def _try_ends(statement: ast.stmt) -> bool:
    body: list[ast.stmt] = getattr(statement, "body", [])
    handlers: list[ast.ExceptHandler] = getattr(statement, "handlers", [])
    if not falls_through(getattr(statement, "finalbody", [])):
        return True
    tried = not falls_through(body) or not falls_through(getattr(statement, "orelse", []))
    return tried and not any(falls_through(handler.body) for handler in handlers)


def _always(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _is_false(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and not test.value


def _own(body: Sequence[ast.AST], *stops: type[ast.AST]) -> Iterator[ast.AST]:
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *stops)):
            waiting.extend(ast.iter_child_nodes(node))


def _breaks(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Break) for node in _own(body, ast.For, ast.AsyncFor, ast.While))


def _leaves(body: Sequence[ast.stmt]) -> bool:
    return _breaks(body) or any(
        isinstance(node, (ast.Return, ast.Raise, ast.Yield, ast.YieldFrom)) for node in _own(body)
    )


def _is_endless(iterated: ast.expr) -> bool:
    if isinstance(iterated, ast.Call):
        func = iterated.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        return name in _ENDLESS and not (name == "repeat" and len(iterated.args) > 1)
    return False


def _is_huge(node: ast.BinOp) -> bool:
    right = node.right.value if isinstance(node.right, ast.Constant) else None
    left = node.left.value if isinstance(node.left, ast.Constant) else None
    if isinstance(node.op, ast.Pow):
        return isinstance(node.right, ast.BinOp) or (isinstance(right, int) and right > 1000)
    if isinstance(node.op, (ast.Mult, ast.LShift)):
        sized = isinstance(left, (str, bytes)) or isinstance(node.left, (ast.List, ast.Tuple))
        return (
            isinstance(right, int)
            and right > (_HUGE if not isinstance(node.op, ast.LShift) else 1000)
            and sized
        )
    return False


def _is_huge_range(node: ast.Call) -> bool:
    if not (isinstance(node.func, ast.Name) and node.func.id == "range"):
        return False
    numbers = [_number(each) for each in node.args]
    return any(number is not None and abs(number) > _HUGE for number in numbers)


def _number(node: ast.expr) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, power = _number(node.left), _number(node.right)
        if base is not None and power is not None:
            return base**power if power < 20 else float("inf")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _number(node.left), _number(node.right)
        return left * right if left is not None and right is not None else None
    return None


def _swallows(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    wide = any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in ("BaseException", "BaseExceptionGroup"))
        for kind in kinds
    )
    return wide and not any(isinstance(node, ast.Raise) for node in _own(handler.body))


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: ast.expr | None


def signature_problems(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Yield the changes of a function that break its callers."""
    old, new = before.function, after.function
    if isinstance(old, ast.AsyncFunctionDef) != isinstance(new, ast.AsyncFunctionDef):
        now, was = ("async", "plain") if isinstance(new, ast.AsyncFunctionDef) else ("plain", "async")
        yield f"becomes {now} where it was {was}; its callers would break"
    if _yields(before) != _yields(after):
        yield "becomes a generator" if _yields(after) else "is no generator any more"
    yield from _decorators(old, new)
    yield from _parameters(old, new)
    if not _yields(before):
        yield from _returns(before, after)


def default_changes(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    """Parameters whose default differs: callers that leave them out get another value."""
    new = {parameter.name: parameter for parameter in _listed(after.function)}
    for old in _listed(before.function):
        now = new.get(old.name)
        if old.default is not None and now is not None and now.default is not None:
            was, becomes = ast.unparse(old.default), ast.unparse(now.default)
            if was != becomes:
                yield f"changes the default of {old.name} from {was} to {becomes}"


def _yields(source: FunctionSource) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in source.own_nodes)


def _decorators(old: Function, new: Function) -> Iterator[str]:
    kept = [_decorator(node) for node in new.decorator_list]
    for name in map(_decorator, old.decorator_list):
        if name in kept:
            kept.remove(name)
        else:
            yield f"drops the decorator @{name}; keep it"
    for name in kept:
        if name.rpartition(".")[2] in (
            "staticmethod",
            "classmethod",
            "property",
            "contextmanager",
            "overload",
        ):
            yield f"adds the decorator @{name}, which changes how the function is called"


def _decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)


def _parameters(old: Function, new: Function) -> Iterator[str]:
    now = {parameter.name: parameter for parameter in _listed(new)}
    for parameter in _listed(old):
        same = now.get(parameter.name)
        if same is None:
            yield f"drops the parameter {parameter.name}; its callers give it"
        elif not _takes(same.kind, parameter.kind):
            yield f"makes the parameter {parameter.name} {same.kind} where it was {parameter.kind}"
        elif parameter.default is not None and same.default is None:
            yield f"takes away the default of the parameter {parameter.name}"
    known = [parameter.name for parameter in _listed(old)]
    for parameter in _listed(new):
        if parameter.name not in known and parameter.default is None and not parameter.kind.startswith("*"):
            yield f"asks for a new parameter {parameter.name}; give it a default"
    before, after = _positional(old), _positional(new)
    if set(before) <= set(after) and after[: len(before)] != before:
        yield f"changes the order of its parameters ({', '.join(after)} where it was {', '.join(before)})"


def _takes(now: str, before: str) -> bool:
    return now == before or (now == "positional or keyword" and before in ("positional", "keyword"))


def _listed(function: Function) -> list[_Parameter]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    bare: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    found = [
        _Parameter(
            each.arg, "positional" if each in arguments.posonlyargs else "positional or keyword", default
        )
        for each, default in zip(positional, [*bare, *arguments.defaults], strict=True)
    ]
    found += [
        _Parameter(each.arg, "keyword", default)
        for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.vararg is not None:
        found.append(_Parameter(arguments.vararg.arg, "*", None))
    if arguments.kwarg is not None:
        found.append(_Parameter(arguments.kwarg.arg, "**", None))
    return found


def _positional(function: Function) -> list[str]:
    return [each.arg for each in (*function.args.posonlyargs, *function.args.args)]


def _returns(before: FunctionSource, after: FunctionSource) -> Iterator[str]:
    if not _returns_value(before):
        return
    if not _returns_value(after):
        yield "no longer returns anything"
    elif not falls_through(before.function.body) and falls_through(after.function.body):
        yield "may end without a return, where it always returned before"


def _returns_value(source: FunctionSource) -> bool:
    return any(isinstance(node, ast.Return) and node.value is not None for node in source.own_nodes)
