"""Whether a piece of source reads a parameter of a certain name."""

from __future__ import annotations

import ast
import re
from functools import lru_cache


def last_name(address: str) -> str:
    """The name or key that an address ends in."""
    return re.split(r"[.:]", address)[-1]


def reads(source: str, name: str) -> bool:
    """Whether source reads a name, an attribute or a key that is spelled like it, and not a variable or an
    argument of its own, which may be called so by chance.

    Args:
        source: of one function.
        name: of a constant or field, or a key.
    """
    names = _read_in(source)
    if names is None:
        return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None
    return name in names


@lru_cache(maxsize=1024)
def _read_in(source: str) -> frozenset[str] | None:
    """Free names, attributes and strings of a source; None where it does not parse."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return None
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    free = {node.id for node in nodes if isinstance(node, ast.Name)} - own
    fields = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    keys = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    dotted = {part for key in keys if re.fullmatch(r"[\w.-]+", key) for part in key.split(".")}
    return frozenset(free | fields | dotted)
