"""All pipelines, by shape."""

from __future__ import annotations

from benchmarks.planted.pipelines import agents, classify, extract, hops, retrieval, routing, writing
from benchmarks.planted.spec import Planted

PLANTED: tuple[Planted, ...] = (
    *classify.PLANTED,
    *extract.PLANTED,
    *retrieval.PLANTED,
    *hops.PLANTED,
    *agents.PLANTED,
    *routing.PLANTED,
    *writing.PLANTED,
)

QUICK = ("intents", "invoices", "orders", "policies", "scouts", "library", "minutes", "amounts")
"""One of most shapes and of every level: what `--quick` looks at."""


def chosen(quick: bool) -> list[Planted]:
    """The pipelines of a run."""
    return [planted for planted in PLANTED if not quick or planted.name in QUICK]
