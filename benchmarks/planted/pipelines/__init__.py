"""All pipelines, by shape."""

from __future__ import annotations

from benchmarks.planted.pipelines import (
    agents,
    classify,
    coding,
    extract,
    grading,
    hops,
    ranking,
    retrieval,
    routing,
    services,
    summaries,
    unseen,
)
from benchmarks.planted.spec import Planted

_SHAPES = (
    classify,
    grading,
    extract,
    retrieval,
    ranking,
    hops,
    agents,
    services,
    routing,
    summaries,
    coding,
    unseen,
)
PLANTED: tuple[Planted, ...] = tuple(planted for shape in _SHAPES for planted in shape.PLANTED)

QUICK = ("intents", "invoices", "orders", "policies", "scouts", "library", "minutes", "amounts")
"""One of most shapes and of every level: what `--quick` looks at."""


def chosen(quick: bool) -> list[Planted]:
    """The pipelines of a run."""
    return [planted for planted in PLANTED if not quick or planted.name in QUICK]
