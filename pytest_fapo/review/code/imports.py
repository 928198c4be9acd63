"""Which import statements rewritten code may hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pytest_fapo.review.code.allowed import is_safe_module, is_standard, names_of, risk_of, safe_name
from pytest_fapo.review.code.around import Around
from pytest_fapo.review.code.module import absolute
from pytest_fapo.review.code.source import Source

_NEVER = frozenset(("pytest", "_pytest", "unittest", "conftest", "tests"))
_CHECKED_WHERE_USED = frozenset(("pathlib",))


def import_problems(source: Source, around: Around) -> Iterator[str]:
    """Imports beyond the safe list, the file's own, the settings' and those of the project's scope."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not _may_import(alias.name, around):
                    yield _message(alias.name, around)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, around)


def _from(node: ast.ImportFrom, around: Around) -> Iterator[str]:
    module = absolute(node, around.module.path)
    for alias in node.names:
        whole = f"{module}.{alias.name}" if module else alias.name
        if alias.name == "*":
            yield f"imports * from {module}; import the names that are needed"
        elif not _may_take(module, whole, around):
            yield _message(whole, around)


def _may_take(module: str, whole: str, around: Around) -> bool:
    """Whether `from module import name` may stand there: also a name may be a module."""
    known = whole in around.module.modules or whole in around.module.imports.values()
    if is_standard(module.partition(".")[0]) and safe_name(whole) is not True:
        return known or around.is_allowed(module) or module in _CHECKED_WHERE_USED
    if around.project(whole) is not None:
        return known or _may_import(whole, around)
    return _may_import(module, around, whole)


def _may_import(module: str, around: Around, whole: str = "") -> bool:
    if module.partition(".")[0] in _NEVER or module.rpartition(".")[2].startswith("test_"):
        return False
    if module in around.module.modules or module in _CHECKED_WHERE_USED or around.is_allowed(module):
        return True
    if is_safe_module(module):
        return safe_name(whole or module) is True
    found = around.project(module)
    return found is not None and (around.editable(found.path) or found.path.endswith("/__init__.py"))


def _message(name: str, around: Around) -> str:
    if names_of(name.rpartition(".")[0]) is not None:
        return f"imports {name}, which is not on the list of names that code may use from its module"
    if around.project(name) is not None:
        return f"imports {name}, a module of the project outside of [tool.fapo.scope]"
    parts = name.split(".")
    return (
        f"imports {name} ({risk_of(parts[0], *reversed(parts))}); code may import what its file imports, "
        f"harmless modules of the standard library, and what [tool.fapo] imports names"
    )
