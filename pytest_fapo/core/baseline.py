"""The record in `fapo-baseline.json`: the results of each case at the last baseline update."""

from __future__ import annotations

import re

from pydantic import Field

from pytest_fapo.core.record import Record, Split


class CaseBaseline(Record):
    """One case: its verdicts, and enough of its run to say where a later one first differs."""

    items: dict[str, str] = Field(default_factory=dict)
    """Node id (of the first repeat) to `passed`, `failed`, `error`, `skipped`, `xfailed`, `xpassed`, or with
    repeats `2 of 3`: so many of them passed."""
    scores: dict[str, float] = Field(default_factory=dict)
    """Graded metric to its mean over items and repeats."""
    tags: list[str] = Field(default_factory=list)
    weight: float = 1.0
    calls: int = 0
    """LLM calls of its run; 0 also where an earlier version did not count them."""
    output: str = ""
    """The pipeline's output as JSON, shortened; for messages only."""
    output_digest: str = ""
    """Of the whole output where `output` is cut; else empty."""
    steps: list[list[str]] = Field(default_factory=list)
    """Step key and digest of its output, a step after those inside it: the first that differs from a later
    run's is then the innermost."""


class PipelineBaseline(Record):
    """All cases of one pipeline."""

    models: list[str] = Field(default_factory=list)
    """Names of the models that answered, sorted."""
    calls: str = ""
    """Digest over the cache keys of all LLM calls: equal as long as the same questions are asked. Kept once,
    so that a changed prompt changes the lines of those cases only that came out otherwise."""
    repeats: int = 1
    scores: dict[Split, float] = Field(default_factory=dict)
    """Weighted share of passing items per split, 0 to 1."""
    cases: dict[Split, dict[str, CaseBaseline]] = Field(default_factory=dict)
    """By split and case id."""


class Baseline(Record):
    """The whole file."""

    format: int
    """`baseline.FORMAT` of the version that wrote it."""
    plugin: str
    """Version of pytest-fapo that wrote it."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Address to digest of every artifact in `[tool.fapo.scope]` as it was evaluated."""
    pipelines: dict[str, PipelineBaseline] = Field(default_factory=dict)


def passed_share(result: str) -> float | None:
    """Return the share of an item's repeats that passed, 0 to 1; None for a result that takes part in no
    score.

    Args:
        result: a value of `CaseBaseline.items`.

    Raises:
        ValueError: it is none of the words.
    """
    repeated = re.fullmatch(r"(\d+) of ([1-9]\d*)", result)
    if repeated:
        return min(1.0, int(repeated[1]) / int(repeated[2]))
    known = {"passed": 1.0, "xpassed": 1.0, "failed": 0.0, "error": 0.0, "skipped": None, "xfailed": None}
    if result not in known:
        raise ValueError(f"{result!r} is none of {', '.join(known)} or '2 of 3'")
    return known[result]


def fixture_of(pipeline: str) -> str:
    """Name of the fixture in a pipeline's name: `pipeline` of `pipeline[large] (shop)`."""
    return re.split(r"\[| \(", pipeline, maxsplit=1)[0]
