"""The setting `steps`: wrap functions of the user's modules as steps without editing them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from inspect import getattr_static, unwrap
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pytest_fapo.capture.call_stack import SEEN_FUNCTIONS, WATCHED_FUNCTIONS
from pytest_fapo.capture.definition_hook import StepPattern, Transformed, execute_transformed
from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.steps import MARK, Switch, is_traced, traced
from pytest_fapo.capture.user_code import is_users_file
from pytest_fapo.core.project_file import read_toml


class StepTracer:
    """Traces the functions that its patterns stand for: where they are defined when their module is imported,
    by replacing them in a module that is loaded already.

    Args:
        patterns: `module:function`, `module:Class.method`; the part after the colon may hold `fnmatch`
            wildcards. `module:*` means the functions defined in the module, `module:Class.*` the methods
            defined in the class; wildcards leave special names (`__init__`) out, but for `__call__`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [StepPattern(pattern) for pattern in patterns]
        self._matched: set[StepPattern] = set()
        self._seen: set[str] = set()
        self._undo: list[Callable[[], None]] = []
        self._wrappers: dict[int, tuple[Any, Any]] = {}
        self._transformed: dict[str, Transformed] = {}
        self._replaced: dict[CodeType, tuple[StepPattern, Any]] = {}
        """Functions that were replaced after their module was executed, by their code."""
        self._switch = Switch()
        self._hook = self._new_hook()

    def _new_hook(self) -> AfterImport:
        modules = [pattern.module for pattern in self._patterns]
        return AfterImport(modules, self._wrap_module, self._execute)

    def extend(self, patterns: Sequence[str]) -> None:
        """Trace further functions, as soon as it is installed again."""
        known = {pattern.text for pattern in self._patterns}
        added = [StepPattern(pattern) for pattern in patterns if pattern not in known]
        if added:
            self._hook.uninstall()
            self._patterns += added
            self._hook = self._new_hook()

    def install(self) -> None:
        """Trace what is imported already and watch the import of the rest; may be called again, for modules
        that came in on another way than by import."""
        self._switch.is_on = True
        self._hook.install()

    def uninstall(self) -> None:
        """Put the original functions back; what was traced at its definition is no longer recorded."""
        self._hook.uninstall()
        self._switch.is_on = False
        WATCHED_FUNCTIONS.difference_update(self._replaced)
        while self._undo:
            self._undo.pop()()
        self._wrappers.clear()

    def unmatched(self) -> list[str]:
        """Patterns that matched no function although their module was imported, in the given order."""
        return [
            pattern.text
            for pattern in self._patterns
            if pattern.module in self._seen and pattern not in self._matched
        ]

    def bypassed(self) -> list[tuple[str, str]]:
        """Pattern and function of each function that ran untraced, because somebody had taken it before."""
        return [
            (pattern.text, function.__qualname__)
            for code, (pattern, function) in self._replaced.items()
            if code in SEEN_FUNCTIONS and id(function) not in self._switch.recorded
        ]

    def _execute(self, loader: Any, module: ModuleType) -> bool:
        patterns = [pattern for pattern in self._patterns if pattern.module == module.__name__]
        found = execute_transformed(loader, module, patterns, self._decorator)
        if found is None:
            self._transformed.pop(module.__name__, None)
            return False
        self._transformed[module.__name__] = found
        self._matched |= found.matched
        return True

    def _decorator(self, is_broad: bool, name: str | None) -> Callable[[Any], Any]:
        def decorate(function: Any) -> Any:
            traced_one = traced(function, name=name, is_broad=is_broad, switch=self._switch)
            if name is not None:
                traced_one.__name__ = name
            return traced_one

        return decorate

    def _wrap_module(self, module: ModuleType) -> None:
        self._seen.add(module.__name__)
        for pattern in self._patterns:
            if pattern.module == module.__name__:
                for owner in _owners(module, pattern.owner):
                    self._wrap_members(pattern, owner, module.__name__)
        self._replace_references(module)

    def _wrap_members(self, pattern: StepPattern, owner: ModuleType | type, module: str) -> None:
        transformed = self._transformed.get(module, Transformed())
        for name, member in list(vars(owner).items()):
            if not pattern.names(name) or not _is_function_of(member, module):
                continue
            self._matched.add(pattern)
            path = f"{owner.__qualname__}.{name}" if isinstance(owner, type) else name
            if path in transformed.left and pattern.is_broad:
                continue
            if path in transformed.paths and not _is_decorated(member):
                continue
            replacement = self._wrapped_member(pattern, member)
            if replacement is member:
                continue
            self._set(owner, name, member, replacement)
            if isinstance(owner, ModuleType):
                self._wrappers[id(member)] = (member, replacement)

    def _wrapped_member(self, pattern: StepPattern, member: Any) -> Any:
        if isinstance(member, staticmethod | classmethod):
            inner = self._wrapped_member(pattern, member.__func__)
            return member if inner is member.__func__ else type(member)(inner)
        if is_traced(member):
            return member
        code = getattr(unwrap(member), "__code__", None)
        if code is not None and getattr(member, MARK, None) is None:
            self._replaced[code] = (pattern, member)
            WATCHED_FUNCTIONS.add(code)
        return traced(member, is_broad=pattern.is_broad, switch=self._switch)

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


def early_tracer(pyproject: Path) -> StepTracer:
    """Return an installed tracer of the `steps` that a file of settings names; whether they are valid is said
    when the settings are read."""
    try:
        named = read_toml(pyproject).get("tool", {}).get("fapo", {}).get("steps")
    except ValueError:
        named = None  # pytest itself reports a broken file
    patterns = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    tracer = StepTracer(patterns)
    tracer.install()
    return tracer


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


def _is_decorated(member: Any) -> bool:
    """True for what a decorator made of a function that was traced at its definition."""
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    return getattr_static(member, MARK, None) is not None and not is_traced(member)
