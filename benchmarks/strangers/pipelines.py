"""All strangers' pipelines: those that everybody may look at, and those that are sealed until the end."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from benchmarks.strangers.spec import Stranger

HERE = Path(__file__).parent


def strangers(kind: str) -> list[Stranger]:
    """Return the pipelines of a kind, `open` or `sealed`; none where the folder is not there."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(HERE / kind)]))
    modules = [importlib.import_module(f"benchmarks.strangers.{kind}.{name}") for name in names]
    return [stranger for module in modules for stranger in module.STRANGERS]
