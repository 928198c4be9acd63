"""The words of code: its strings, its comments, and what its tables and branches lead to."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator


def code_as_text(source: str) -> str:
    """Return the code's words, one line for each string, comment, and entry of a table."""
    tree = ast.parse(source)
    lines = list(_strings(tree))
    lines += [f"{left} -> {right}" for left, right in _tables(tree) if left and right]
    lines += _comments(source)
    # A long name is a text, too.
    lines += {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.count("_") >= 3}
    return "\n".join(lines)


def _strings(tree: ast.AST) -> Iterator[str]:
    """Every string; the largest of those that are put together from written-out parts."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        value = _value(node) if isinstance(node, ast.expr) else None
        if value is not None:
            yield value
        else:
            waiting.extend(ast.iter_child_nodes(node))


def _value(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left), _value(node.right)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        return "".join(map(str, parts)) if len(parts) == len(node.values) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join":
        glue, given = _value(node.func.value), node.args[0] if len(node.args) == 1 else None
        if glue is not None and isinstance(given, (ast.List, ast.Tuple)):
            texts = [text for each in given.elts if (text := _value(each)) is not None]
            return glue.join(texts) if len(texts) == len(given.elts) else None
    return None


def _tables(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Keys and values: entries of dicts, pairs, keywords, branches with their results."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    yield _words(key), _words(value)
        elif isinstance(node, (ast.If, ast.IfExp)):
            body = node.body if isinstance(node.body, list) else [node.body]
            yield _words(node.test), " ".join(map(_words, body))
        elif isinstance(node, ast.match_case):
            yield _words(node.pattern), " ".join(map(_words, node.body))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield _words(node.elts[0]), _words(node.elts[1])
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, _value(node.value) or ""


def _words(node: ast.AST) -> str:
    return " ".join(_strings(node))


def _comments(source: str) -> Iterator[str]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string.lstrip("# ")
    except (tokenize.TokenError, IndentationError):
        return
