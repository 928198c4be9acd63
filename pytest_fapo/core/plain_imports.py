"""Keep pytest from rewriting the `assert` statements of our own modules, as it does for every plugin.

That takes a third of a second where the result cannot be kept, as with PYTHONDONTWRITEBYTECODE or in a fresh
container.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_PREFIX = "pytest_fapo."


class PlainImports:
    """Finds the modules of this package before pytest's finder does."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import protocol: the answer of the usual finder, for our own modules alone."""
        return PathFinder.find_spec(fullname, path, target) if fullname.startswith(_PREFIX) else None


def install() -> None:
    """From now on; safe to call twice."""
    if PlainImports not in sys.meta_path:
        sys.meta_path.insert(0, PlainImports)
