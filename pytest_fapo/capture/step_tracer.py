"""The setting `steps`: wrap functions of the user's modules as steps without editing them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from inspect import getattr_static
from types import FunctionType, ModuleType
from typing import Any

from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.steps import MARK, traced
from pytest_fapo.capture.user_code import is_users_file


class StepTracer:
    """Wraps the functions that match its patterns, now or when their module is imported.

    Args:
        patterns: `module:function`, `module:Class.method`; the part after the colon may hold `fnmatch`
            wildcards. `module:*` means the functions defined in the module, `module:Class.*` the methods
            defined in the class; wildcards leave special names (`__init__`) out.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [(pattern, *_split_pattern(pattern)) for pattern in patterns]
        self._matched: set[str] = set()
        self._seen: set[str] = set()
        self._undo: list[Callable[[], None]] = []
        self._wrappers: dict[int, tuple[Any, Any]] = {}
        self._hook = AfterImport([module for _, module, _ in self._patterns], self._wrap_module)

    def install(self) -> None:
        """Wrap what is imported already and watch the import of the rest; may be called again, for modules
        that came in on another way than by import."""
        self._hook.install()

    def uninstall(self) -> None:
        """Put the original functions back."""
        self._hook.uninstall()
        while self._undo:
            self._undo.pop()()
        self._wrappers.clear()

    def unmatched(self) -> list[str]:
        """Patterns that matched no function although their module was imported, in the given order."""
        return [
            pattern
            for pattern, module, _ in self._patterns
            if module in self._seen and pattern not in self._matched
        ]

    def _wrap_module(self, module: ModuleType) -> None:
        self._seen.add(module.__name__)
        for pattern, name, wanted in self._patterns:
            if name == module.__name__:
                class_part, _, function_part = wanted.rpartition(".")
                for owner in _owners(module, class_part):
                    self._wrap_members(pattern, owner, function_part, module.__name__)
        self._replace_references(module)

    def _wrap_members(self, pattern: str, owner: ModuleType | type, wanted: str, module: str) -> None:
        for name, member in list(vars(owner).items()):
            if not _matches_name(name, wanted) or not _is_function_of(member, module):
                continue
            self._matched.add(pattern)
            replacement = _wrapped_member(member)
            if replacement is member:
                continue
            self._set(owner, name, member, replacement)
            if isinstance(owner, ModuleType):
                self._wrappers[id(member)] = (member, replacement)

    def _set(self, owner: Any, name: str, old: Any, new: Any) -> None:
        def undo() -> None:
            if vars(owner).get(name) is new:
                setattr(owner, name, old)

        setattr(owner, name, new)
        self._undo.append(undo)

    def _replace_references(self, defining: ModuleType) -> None:
        """Other names for the wrapped functions: `from m import f` done earlier, and the tables of functions
        (`STEPS = [f, g]`) of the defining module."""
        for module in list(sys.modules.values()):
            if not isinstance(module, ModuleType):
                continue
            if module is not defining and not is_users_file(vars(module).get("__file__") or "<"):
                continue
            for name, value in list(vars(module).items()):
                known = self._wrappers.get(id(value))
                if known is not None and known[0] is value:
                    self._set(module, name, value, known[1])
                elif type(value) in (list, dict):
                    self._replace_items(value)

    def _replace_items(self, table: list[Any] | dict[Any, Any]) -> None:
        entries = list(table.items() if isinstance(table, dict) else enumerate(table))
        for place, value in entries:
            known = self._wrappers.get(id(value))
            if known is not None and known[0] is value:
                table[place] = known[1]
                self._undo.append(lambda place=place, value=value: table.__setitem__(place, value))  # type: ignore[misc]


def _split_pattern(pattern: str) -> tuple[str, str]:
    module, _, wanted = pattern.partition(":")
    return module, wanted


def _matches_name(name: str, wanted: str) -> bool:
    if name.startswith("__") and name.endswith("__") and name != wanted:
        return False
    return fnmatchcase(name, wanted)


def _owners(module: ModuleType, class_part: str) -> Iterator[ModuleType | type]:
    if not class_part:
        yield module
        return
    for name, value in list(vars(module).items()):
        if isinstance(value, type) and value.__module__ == module.__name__ and fnmatchcase(name, class_part):
            yield value


def _is_function_of(member: Any, module: str) -> bool:
    """True if `member` is a function or method defined in `module`, decorated or not."""
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    if isinstance(member, FunctionType):
        return member.__module__ == module
    # Looked up without running code of the object: a module may hold proxies and lazy objects.
    decorated = not isinstance(member, type) and getattr_static(member, "__wrapped__", None) is not None
    return decorated and callable(member) and getattr_static(member, "__module__", "") == module


def _wrapped_member(member: Any) -> Any:
    if isinstance(member, staticmethod | classmethod):
        inner = traced(member.__func__)
        return member if inner is member.__func__ else type(member)(inner)
    return member if hasattr(member, MARK) else traced(member)
