"""Find answers hidden in tables, codes and lengths, and inputs distinguished by numbers."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterator

from pytest_fapo.review.code.code_literals import Literals
from pytest_fapo.review.code.proposed_function import FunctionSource

_TOKEN = re.compile(r"[A-Za-z0-9+/=]{24,}|\d{10,}|(?:[0-9a-fA-F]{2}[ :,]?){12,}")

_ORDERED = ("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789", "0123456789" * 2, "9876543210")

_CODECS = frozenset(
    (
        "utf-8",
        "utf8",
        "utf_8",
        "ascii",
        "latin-1",
        "utf-8-sig",
        "ignore",
        "replace",
        "strict",
        "nfkc",
        "nfc",
        "nfkd",
    )
)

_CONVERSIONS = frozenset(("to_bytes", "from_bytes", "fromhex", "hex", "bit_count", "bit_length"))

_COMPUTING = frozenset(
    ("sub", "subn", "filter", "reversed", "translate", "substitute", "format_map", "unescape", "normalize")
)

_NUMBERS = 12

_LONG_LENGTH = 12


def encoded_problems(source: FunctionSource, literals: Literals) -> Iterator[tuple[str, str]]:
    """Suspicious constructions: a key that compares two versions, and what it is."""
    for text in literals.texts:
        token = _TOKEN.search(text.value)
        if token and not _is_ordered(token[0]):
            yield f"token {token[0]}", f"holds {token[0][:24]!r}, which no reader understands"
    for node in ast.walk(source.tree):
        for check in _CHECKS:
            for what in check(node, source):
                yield f"{what}: {ast.unparse(node)}", f"line {getattr(node, 'lineno', 0)}: {what}"
    yield from _many(source)
    yield from _spelled(source)


def _is_ordered(token: str) -> bool:
    return token.casefold() in _ORDERED[0] or any(token in text for text in _ORDERED)


def _constants(node: ast.AST, source: FunctionSource) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and len(node.value) > 8:
        yield "holds bytes that no reader understands"
    if isinstance(node, ast.Constant) and type(node.value) is int and abs(node.value) >= 2**40:
        yield "holds a number so large that it may hold answers"
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)) and sum(map(_is_number, node.elts)) >= _NUMBERS:
        yield f"holds a table of {len(node.elts)} numbers"
    if isinstance(node, ast.Dict) and sum(map(_is_number, filter(None, node.keys))) >= 6:
        yield "holds a table from numbers to answers"


def _calls(node: ast.AST, source: FunctionSource) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    func, parent = node.func, source.scopes.parents.get(node)
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    if name == "ord" and not _is_offset(parent):
        yield "tells inputs apart by character codes"
    elif name in _COMPUTING and _is_constant(node):
        yield "makes text out of constants"
    elif name == "chr" and not _is_letter(node):
        yield "makes text out of numbers"
    elif name == "int" and len(node.args) == 2 and _value(node.args[1]) not in (0, 2, 8, 10):
        yield "reads a number in an unusual base"
    elif name in ("maketrans", "translate") and not _only_deletes(node):
        yield "translates letters into others"
    elif name in ("encode", "decode") and isinstance(func, ast.Attribute):
        if name == "encode" and not _is_undone(node, source):
            yield "turns text into numbers"
        given = [_value(each) for each in (*node.args, *(keyword.value for keyword in node.keywords))]
        if not all(isinstance(each, str) and each.lower() in _CODECS for each in given):
            yield "decodes text by an unusual codec"


def _is_constant(call: ast.Call) -> bool:
    """True if a call works on nothing but what is written there, a word of some length among it."""
    given: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Constant):
        given.append(call.func.value)
    nodes = [node for part in given for node in ast.walk(part)]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    texts = [node for node in nodes if isinstance(node, ast.Constant) and len(str(node.value)) >= 6]
    return bool(texts) and all(hasattr(builtins, node.id) for node in names)


def _only_deletes(node: ast.Call) -> bool:
    """`str.maketrans("", "", punctuation)`, and what is translated by it."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "translate":
        return len(node.args) == 1 and not isinstance(node.args[0], (ast.Dict, ast.DictComp))
    return len(node.args) == 3 and all(_value(each) == "" for each in node.args[:2])


def _is_undone(node: ast.Call, source: FunctionSource) -> bool:
    """True if encoded text is decoded, cut or measured at once."""
    parent = source.scopes.parents.get(node)
    if isinstance(parent, ast.Call):
        return isinstance(parent.func, ast.Name) and parent.func.id == "len"
    return isinstance(parent, ast.Subscript) or (
        isinstance(parent, ast.Attribute) and parent.attr == "decode"
    )


def _values(node: ast.AST, source: FunctionSource) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and node.attr in _CONVERSIONS:
        yield "turns text into numbers or back"
    if isinstance(node, ast.Name) and node.id in ("chr", "ord") and source.scopes.bindings(node) is None:
        parent = source.scopes.parents.get(node)
        if not (isinstance(parent, ast.Call) and parent.func is node):
            yield "makes text out of numbers or back"


def _lengths(node: ast.AST, source: FunctionSource) -> Iterator[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.BitXor, ast.BitAnd)):
        apart = _asks_length(node.left, source) and _is_number(node.right)
        yield from ["tells inputs apart by their length"] if apart else []
    if (
        isinstance(node, ast.Compare)
        and _asks_length(node.left, source)
        and isinstance(node.ops[0], (ast.In, ast.NotIn))
    ):
        yield "tells inputs apart by their length"
    if isinstance(node, ast.Subscript) and isinstance(
        node.value, (ast.Dict, ast.Constant, ast.List, ast.Tuple)
    ):
        yield from ["looks an answer up by a length"] if _asks_length(node.slice, source) else []


def _orders(node: ast.AST, source: FunctionSource) -> Iterator[str]:
    if not isinstance(node, ast.Compare):
        return
    sides = [node.left, *node.comparators]
    letters = any(
        isinstance(_value(side), str) and re.search("[A-Za-z]", str(_value(side))) for side in sides
    )
    if letters and any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in node.ops):
        yield "tells inputs apart by their place in the alphabet"


_CHECKS: tuple[Callable[[ast.AST, FunctionSource], Iterator[str]], ...] = (
    _constants,
    _calls,
    _values,
    _lengths,
    _orders,
)


def _many(source: FunctionSource) -> Iterator[tuple[str, str]]:
    """Yield the constructs that are harmless once and a table in large numbers."""
    lengths, places = [], []
    numbers: set[int] = set()
    exact: set[int] = set()
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        values = [value for side in sides if isinstance(value := _value(side), int) and value is not True]
        if any(_asks_length(side, source) for side in sides) and any(
            value > _LONG_LENGTH for value in values
        ):
            lengths.append(node)
            exact.update(values if isinstance(node.ops[0], ast.Eq) else [])
        if any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
            numbers.update(values)
            if any(map(_is_place, sides)):
                places.append(node)
    if len(lengths) >= 3 or len(exact) >= 2 or any(len(node.ops) > 1 for node in lengths):
        yield "many lengths", "tells inputs apart by their length"
    if len(places) + len(exact) >= 2:
        yield "many places", "tells inputs apart by single characters"
    large = [number for number in numbers if number > _LONG_LENGTH and not 200 <= number < 600]
    if len(numbers) >= 6 or len(large) >= 2:
        yield "many numbers", f"compares with {len(numbers)} different numbers, as a table would"


def exact_lengths(source: FunctionSource) -> set[int]:
    """Lengths that a condition asks for exactly."""
    found: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
            sides = [node.left, *node.comparators]
            if any(_asks_length(side, source) for side in sides):
                numbers = [value for side in sides if isinstance(value := _value(side), int)]
                found.update(number for number in numbers if number > _LONG_LENGTH)
    return found


def _spelled(source: FunctionSource) -> Iterator[tuple[str, str]]:
    """Words put together from pieces too short to be seen."""
    pieces = [
        node for node in ast.walk(source.tree) if isinstance(node, ast.AugAssign) and _is_piece(node.value)
    ]
    lists = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, (ast.List, ast.Tuple)) and sum(map(_is_piece, node.elts)) >= 6
    ]
    if len(pieces) >= 3 or lists:
        yield "spelled", "spells words letter by letter"


def _is_piece(node: ast.expr) -> bool:
    value = _value(node)
    return isinstance(value, str) and len(value) <= 2 and value.isalpha()


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and node.value is not True


def _value(node: ast.expr) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _asks_length(node: ast.AST, source: FunctionSource) -> bool:
    for each in ast.walk(node):
        values = (source.scopes.bindings(each) or []) if isinstance(each, ast.Name) else [each]
        if any(
            isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "len"
            for value in values
        ):
            return True
    return False


def _is_offset(parent: ast.AST | None) -> bool:
    """`ord(letter) - ord("A")`, `ord("A") + number`."""
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, (ast.Add, ast.Sub))


def _is_letter(call: ast.Call) -> bool:
    """`chr(65 + i)`, `chr(ord("A") + i)`."""
    given = call.args[0] if len(call.args) == 1 else None
    if not isinstance(given, ast.BinOp) or not isinstance(given.op, ast.Add):
        return False
    sides = [ast.unparse(side) for side in (given.left, given.right)]
    return any(side in ("65", "97", "ord('A')", "ord('a')") for side in sides)


def _is_place(node: ast.expr) -> bool:
    """One character (or a run of them) at a fixed place inside, or how often a character comes."""
    if isinstance(node, ast.Subscript):
        index = node.slice
        if isinstance(index, ast.Slice):
            return any(part is not None for part in (index.lower,))
        one_letter = isinstance(_value(index), str) and len(str(_value(index))) == 1
        return one_letter or (type(_value(index)) is int and _value(index) != 0)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "count"
