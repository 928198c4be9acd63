"""Parameters of the application that a run could tune: known names that hold a plain value."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from pytest_fapo.cli.init.sources import SourceModule

_DOMAINS = (
    (re.compile(r"(?:^|_)temperature$", re.I), "0..1"),
    (re.compile(r"(?:^|_)top_p$", re.I), "0..1"),
    (re.compile(r"(?:^|_)(?:top_k|k|n_results|num_results|retrieval_k|limit_docs)$", re.I), "1..20"),
    (re.compile(r"(?:^|_)max_(?:output_|completion_)?tokens$", re.I), "64..4096"),
)


def find_params(modules: Sequence[SourceModule]) -> list[str]:
    """Entries for the scope's `params`, each with bounds that the present value lies in."""
    found = []
    for module in modules:
        for constant in module.constants.values():
            value = _number(constant.expression)
            domain = next((bounds for name, bounds in _DOMAINS if name.search(constant.name)), None)
            if value is not None and domain is not None and _within(value, domain):
                found.append(f"{module.path}::{constant.name} = {domain}")
    return found


def _number(expression: ast.expr | None) -> float | None:
    if isinstance(expression, ast.Constant) and type(expression.value) in (int, float):
        return float(expression.value)  # type: ignore[arg-type]  # as was just asked
    return None


def _within(value: float, domain: str) -> bool:
    low, high = domain.split("..")
    return float(low) <= value <= float(high)
