"""`--fapo-min-score`: what to score, and the least that it may be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_fapo.errors import ConfigError

ALL = "*"
_KINDS = ("pipeline", "split", "tag", "metric")


@dataclass(frozen=True)
class Floor:
    """One floor. It holds in each pipeline that has what it names."""

    name: str
    """`*` (every pipeline), a pipeline, a split, `pipeline:<name>`, `split:<name>`, `tag:<name>` or
    `metric:<name>`."""
    share: float
    """0 to 1; for a metric in its own unit."""

    @property
    def kind(self) -> str:
        """`pipeline`, `split`, `tag` or `metric` where the name says it; else empty."""
        kind, mark, _ = self.name.partition(":")
        return kind if mark and kind in _KINDS else ""

    @property
    def subject(self) -> str:
        return self.name.partition(":")[2] if self.kind else self.name


def floors_of(settings: Mapping[str, float], options: Sequence[str] | None = None) -> list[Floor]:
    """The floors of `[tool.fapo] min_score` and of `--fapo-min-score`; an option replaces the setting of its
    name.

    Args:
        settings: name to floor.
        options: each `SHARE` or `NAME=SHARE`.

    Raises:
        ConfigError: one is no number, or no share; names it.
    """
    found = {}
    for name, value in settings.items():
        found[name] = _floor(name, value, f"tool.fapo.min_score: {name!r}")
    for text in options or ():
        name, mark, number = text.rpartition("=")
        key = f"--fapo-min-score={text}"
        if mark and not name.strip():
            raise ConfigError(f"{key}: there is no name before '='")
        found[name.strip() or ALL] = _floor(name.strip() or ALL, _number(number, key), key)
    return list(found.values())


def _number(text: str, key: str) -> float:
    match = re.fullmatch(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+))\s*(%?)\s*", text)
    if not match:
        raise ConfigError(f"{key}: expected a share such as 0.9 or 90%, got {text!r}")
    return float(match[1]) / (100 if match[2] else 1)


def _floor(name: str, value: float, key: str) -> Floor:
    floor = Floor(name, float(value))
    if not floor.subject:
        raise ConfigError(f"{key}: there is no name behind ':'")
    if floor.kind == "metric":
        if not math.isfinite(floor.share):
            raise ConfigError(f"{key}: expected a number, got {value!r}")
    elif not 0 <= floor.share <= 1:
        raise ConfigError(f"{key}: expected a share from 0 to 1 (or 0% to 100%), got {value!r}")
    return floor
