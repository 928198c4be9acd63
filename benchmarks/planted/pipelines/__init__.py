"""All pipelines, by shape."""

from __future__ import annotations

from collections.abc import Sequence

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

QUICK = ("intents", "orders", "amounts")
"""Of every level: what `--quick` looks at."""
HARMED = ("intents", "invoices", "orders", "policies", "scouts", "library", "minutes", "amounts")
"""One of most shapes: where destructive, useless and flaky optimizers are let loose."""


def named(names: Sequence[str]) -> list[Planted]:
    """Some of the pipelines."""
    return [planted for planted in PLANTED if planted.name in names]


def chosen(quick: bool) -> list[Planted]:
    """The pipelines of a run."""
    return named(QUICK) if quick else list(PLANTED)
