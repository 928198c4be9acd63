"""All strangers' pipelines: those that everybody may look at, and those that are sealed until the end."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.strangers.spec import Stranger

SETS = ("open", "sealed", "sealed_second", "sealed_third", "sealed_fourth", "sealed_fifth")


def strangers(kind: str) -> list[Stranger]:
    """Return the pipelines of one of the sets, or none."""
    try:
        package = importlib.import_module(f"benchmarks.strangers.{kind}")
    except ModuleNotFoundError:
        return []
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    return [stranger for module in modules for stranger in module.STRANGERS]
