"""Call back right after a module has been imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from threading import local
from types import ModuleType
from typing import Any

ImportCallback = Callable[[ModuleType], None]
Execute = Callable[[Any, ModuleType], bool]


class AfterImport:
    """An import hook that calls `callback(module)` for each of the named modules: at once for those that are
    loaded already, right after its execution for any other.

    Args:
        names: full module names.
        callback: must not raise; what it raises would reach the importing code.
        execute: `execute(loader, module)` executes a module in its loader's place; False leaves it to the
            loader.
    """

    def __init__(
        self, names: Sequence[str], callback: ImportCallback, execute: Execute | None = None
    ) -> None:
        self.names = frozenset(names)
        self.callback = callback
        self.execute = execute
        self._finding = local()

    def install(self) -> None:
        """Watch imports; safe to call twice."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        for name in sorted(self.names):
            module = sys.modules.get(name)
            if module is not None and not getattr(module.__spec__, "_initializing", False):
                self.callback(module)

    def uninstall(self) -> None:
        """Stop watching; what the callback did stays done."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import protocol: the other finders' answer, with a loader that reports to us."""
        if fullname not in self.names or getattr(self._finding, "busy", False):
            return None
        self._finding.busy = True
        try:
            spec = self._find_spec_elsewhere(fullname, path, target)
        finally:
            self._finding.busy = False
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        spec.loader = _ReportingLoader(spec.loader, self)  # type: ignore[assignment]
        return spec

    def _find_spec_elsewhere(self, fullname: str, path: Any, target: Any) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                return spec
        return None


class _ReportingLoader:
    """Stands in for a module's own loader during the import, then gives way to it."""

    def __init__(self, loader: Any, hook: AfterImport) -> None:
        self._loader = loader
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        create = getattr(self._loader, "create_module", None)
        return create(spec) if create is not None else None

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        if self._hook.execute is None or not self._hook.execute(self._loader, module):
            self._loader.exec_module(module)
        # The module may have put another object in its own place.
        self._hook.callback(sys.modules.get(module.__name__, module))
