"""Row: optimizers that memorise. No label of a case may get into what is written."""

from __future__ import annotations

from benchmarks.planted.gepa_rival import available
from benchmarks.planted.lab import Lab
from benchmarks.planted.leaking import STYLES, arbitrary, labels_in, leaking
from benchmarks.planted.table import Figure

NEEDED = 200
"""Leaked labels that have to be offered for the row to count."""


def leaks(lab: Lab, quick: bool) -> Figure:
    """Every style of writing down answers, on a pipeline where nothing else can win."""
    planted = arbitrary()
    styles = [name for name, _ in STYLES][: 1 if quick else None]
    done = lab.each(lambda style: _run(lab, style), styles)
    offered = sum(count for count, _ in done)
    accepted = sum(count for _, count in done)
    notes = [
        f"{style}: {count} of {given} labels accepted"
        for style, (given, count) in zip(styles, done, strict=True)
        if count
    ]
    return Figure(
        "leaked labels accepted",
        f"0 of {NEEDED}",
        f"{accepted} of {offered}",
        accepted == 0 and (quick or offered >= NEEDED),
        "GEPA 12 in one prompt" if available() else "GEPA is not installed",
        notes or [f"{len(styles)} styles, {len(planted.rows)} cases whose labels were drawn by lot"],
    )


def _run(lab: Lab, style: str) -> tuple[int, int]:
    """Labels offered and labels accepted."""
    planted = arbitrary()
    offered: list[int] = []
    project = lab.project(planted, planted.files, optimizer=leaking(planted, style, offered))
    project.configure(optimizer=["openai:opt-leak"], diagnoser="off", reviewer="off")
    project.pytest("--fapo-optimize", "--tb=no")
    return sum(offered), labels_in(project.sources(), planted)
