"""Where code ends: functions that fall through, loops that never end, waits, and swallowed interruptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from pytest_fapo.review.code.source import Source

_ENDLESS = frozenset(("count", "cycle", "repeat"))
_HUGE = 1_000_000


def falls_through(body: Sequence[ast.stmt]) -> bool:
    """Whether control may reach the end of these statements."""
    return not any(_ends(statement) for statement in body)


def ending_problems(source: Source) -> Iterator[str]:
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
    """Whether control never gets past the statement."""
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
