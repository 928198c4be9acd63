"""Shared helpers: functions such as `ask(prompt, text)` that several others call, each with texts of its own.

Known from the source of the user's modules that are loaded: a function is a shared helper if two places call
it with different constant texts for one of its parameters.
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import NamedTuple

from pytest_fapo.capture.user_code import is_users_file

_LoadedState = tuple[int, str, str | None]


class CallSite(NamedTuple):
    """A call in the user's source, with those of its arguments that are constant texts."""

    caller: str
    """Name of the function that the call is in; empty at the top of a module."""
    texts: dict[str, str]
    """Position or keyword to the argument's expression."""


class Helper(NamedTuple):
    """A function or class, as far as calls of it can be told from those of others that have its name."""

    name: str
    file: str
    """Its source file; another one calls it only where it names that module."""

    @property
    def module(self) -> str:
        """The last part of its module's name."""
        path = Path(self.file)
        return path.parent.name if path.stem == "__init__" else path.stem


def is_shared(helper: Helper) -> bool:
    """True if the function is a shared helper."""
    return _is_shared(helper, None, _loaded())


def calls_with_several_texts(caller: str, helper: Helper) -> bool:
    """True if one function calls a shared helper more than once, with different constant texts."""
    return _is_shared(helper, caller, _loaded())


@lru_cache(maxsize=1024)
def _is_shared(helper: Helper, caller: str | None, loaded: _LoadedState) -> bool:
    """True if calls differ, those of one function or all; looked up again when something else is loaded."""
    return _texts_differ([site for site in _sites(helper, loaded) if caller in (None, site.caller)])


def _texts_differ(sites: Sequence[CallSite]) -> bool:
    seen: dict[str, str] = {}
    return any(
        seen.setdefault(parameter, text) != text for site in sites for parameter, text in site.texts.items()
    )


def _loaded() -> _LoadedState:
    """Return the number of modules, the latest one and its file: cheap to compare."""
    while True:
        try:
            name = next(reversed(sys.modules))
            break
        except RuntimeError:  # another thread has just imported something
            continue
    return len(sys.modules), name, getattr(sys.modules.get(name), "__file__", None)


@lru_cache(maxsize=1024)
def _sites(helper: Helper, loaded: _LoadedState) -> tuple[CallSite, ...]:
    """The calls of a function in what is loaded."""
    files = [file for file in _users_files() if file == helper.file or helper.module in _source(file)]
    return tuple(site for file in files for site in _sites_in(file, helper.name))


def _users_files() -> list[str]:
    """Return the source files of the user's modules that are loaded, but for tests."""
    files = set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if isinstance(file, str) and file.endswith(".py") and is_users_file(file) and not _is_test(file):
            files.add(file)
    return sorted(files)


@lru_cache(maxsize=4096)
def _is_test(file: str) -> bool:
    path = Path(file)
    return path.name == "conftest.py" or path.name.startswith("test_") or path.name.endswith("_test.py")


@lru_cache(maxsize=4096)
def _source(file: str) -> str:
    try:
        with tokenize.open(file) as stream:
            return stream.read()
    except (OSError, SyntaxError, UnicodeError):
        return ""


_PARSING = Lock()
"""Before Python 3.13 two threads that parse at the same time fail with a SystemError."""

_TRIES = 3


@lru_cache(maxsize=256)
def _tree(file: str) -> ast.Module | None:
    for _ in range(_TRIES):
        try:
            return ast.parse(_source(file))
        except (SyntaxError, ValueError, RecursionError):
            return None
        except SystemError:
            continue
    return None


@lru_cache(maxsize=4096)
def _sites_in(file: str, function: str) -> tuple[CallSite, ...]:
    if function not in _source(file):
        return ()
    with _PARSING:
        tree = _tree(file)
    return tuple(_walk(tree, "", frozenset(), function)) if tree is not None else ()


def _walk(node: ast.AST, caller: str, local: frozenset[str], function: str) -> Iterator[CallSite]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child, child.name, local | _local_names(child), function)
            continue
        arguments = _arguments_to(function, child) if isinstance(child, ast.Call) else None
        if arguments is not None:
            texts = {name: ast.dump(value) for name, value in arguments if _is_constant_text(value, local)}
            yield CallSite(caller, texts)
        yield from _walk(child, caller, local, function)


def _arguments_to(function: str, call: ast.Call) -> list[tuple[str, ast.expr]] | None:
    """Return the arguments that a call gives to a function, itself or through `submit(function, ...)`,
    `partial(function, ...)`, `Thread(target=function, args=...)`; None if it is another function's call."""
    given = call.args
    keywords = [(each.arg, each.value) for each in call.keywords if each.arg is not None]
    if _last_name(call.func) != function:
        named = [_last_name(each) for each in call.args]
        if function in named:
            given = call.args[named.index(function) + 1 :]
        elif not any(_last_name(value) == function for _, value in keywords):
            return None
        given = [*given, *(value for name, value in keywords if name == "args")]
        given = [
            each for value in given for each in (value.elts if isinstance(value, ast.Tuple) else [value])
        ]
    return [*((str(place), value) for place, value in enumerate(given)), *keywords]


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """Return the parameters and variables of a function; `self` stands for what an object is made of."""
    parameters = function.args
    named = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    named += [each for each in (parameters.vararg, parameters.kwarg) if each is not None]
    bound = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and not _is_read(node)}
    return frozenset({each.arg for each in named} | bound) - {"self", "cls"}


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_constant_text(value: ast.expr, local: frozenset[str]) -> bool:
    """True for a literal, a constant's name, an entry of a table, a call of these: what no run changes."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    names = [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
    if not names and not any(isinstance(node, ast.Constant) for node in ast.walk(value)):
        return False
    return not any(name in local for name in names) and not isinstance(value, ast.Lambda)
