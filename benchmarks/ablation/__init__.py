"""`python -m benchmarks ablation`: what does each part of the product earn?

Every technique and parameter move of the playbook, operator, rule of the diagnosis and detector of leaks is
left out in turn; what loses nothing is dead. See docs/benchmarks.md.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ablation.judging import Reference, loss_without, tune_with_all
from benchmarks.ablation.memorized import loss_of_detector
from benchmarks.ablation.parts import KINDS, Kind, Part, all_parts
from benchmarks.ablation.subjects import (
    further_subjects,
    handmade_subjects,
    planted_subject,
    stranger_subjects,
)
from benchmarks.planted.pipelines import chosen
from benchmarks.planted.server import Server, serving
from benchmarks.planted.table import Figure, share, show

SIDE_BY_SIDE = 2
REPAIRED = 0.85
"""Of the planted faults of prompts and parameters, so that there is something to lose."""
_TITLES: dict[Kind, str] = {
    "technique": "techniques of the playbook",
    "parameter": "kinds of parameters",
    "operator": "operators",
    "rule": "rules of the diagnosis",
    "detector": "detectors of leaks",
}


@dataclass(frozen=True)
class Judged:
    """A part, and what is lost without it."""

    part: Part
    loss: str
    """Empty for a dead part."""


def run(check: bool, quick: bool, data: str = "", faults: str = "") -> int:
    """Leave out each part, and print one line for each.

    Args:
        check: a dead part is a failure.
        quick: three planted faults, and the proposals of the row `leaks` alone; nothing is called dead.
        data: folder of the public data, for the detectors.
        faults: folder of further small projects.

    Returns:
        the exit code.
    """
    started = time.monotonic()
    with serving() as server, tempfile.TemporaryDirectory(prefix="fapo-ablation-") as scratch:
        folder = Path(scratch)
        with workers() as pool:
            references = _references(pool, server, folder, quick, faults)
            judged = _judged(pool, references, folder, quick, data)
    figures = [_repaired(references), *(_figure(kind, judged, quick) for kind in KINDS)]
    show(figures)
    print(f"measured in {time.monotonic() - started:.0f} s")
    return 1 if check and not all(figure.holds for figure in figures) else 0


@contextmanager
def workers() -> Iterator[Executor]:
    """Processes that have the product loaded and share no thread with this one, so that they can fork."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.ablation.judging"])
    with ProcessPoolExecutor(SIDE_BY_SIDE, mp_context=context) as pool:
        yield pool


def _references(
    pool: Executor, server: Server, folder: Path, quick: bool, faults: str
) -> Sequence[Reference]:
    projects, evaluations = folder / "projects", folder / "evaluations"
    projects.mkdir()
    evaluations.mkdir()
    subjects = [planted_subject(planted, server, projects) for planted in chosen(quick)]
    if not quick:
        subjects += further_subjects(server, projects)
        subjects += stranger_subjects(server, projects)
    if faults and not quick:
        subjects += handmade_subjects(Path(faults), server, projects)
    return list(pool.map(tune_with_all, subjects, [evaluations] * len(subjects)))


def _judged(
    pool: Executor, references: Sequence[Reference], folder: Path, quick: bool, data: str
) -> list[Judged]:
    """Each part alone; then what seems dead together, one after the other, so that twins do not both go."""

    def jobs(parts: Sequence[Part], beside: Sequence[Part]) -> list[Any]:
        found = []
        for part in parts:
            if part.kind == "detector":
                found.append(pool.submit(loss_of_detector, [*beside, part], folder, quick, data))
            else:
                concerned = [each for each in references if each.concerns(part)]
                concerned.sort(key=lambda each: each.tuned.total)
                found.append(pool.submit(loss_without, [*beside, part], concerned, folder / "evaluations"))
        return found

    parts = all_parts()
    alone = {part: job.result() for part, job in zip(parts, jobs(parts, []), strict=True)}
    for kind in KINDS:
        dead: list[Part] = []
        for part in [each for each in parts if each.kind == kind and not alone[each]]:
            (together,) = jobs([part], dead) if dead and not quick else [None]
            lost = together.result() if together is not None else ""
            if lost:
                beside = ", ".join(each.name for each in dead)
                alone[part] = f"{lost} (where {beside} went before it)"
            else:
                dead.append(part)
    return [Judged(part, alone[part]) for part in parts]


def _repaired(references: Sequence[Reference]) -> Figure:
    """The condition of all that follows."""
    suited = [each for each in references if each.subject.fault and not each.subject.stranger]
    suited = [each for each in suited if each.subject.fault and each.subject.fault.level != "structure"]
    whole = [each for each in suited if each.repaired]
    notes = [
        f"{each.subject.name}: {len(each.tuned.passing)} of {each.tuned.total} items pass at the end"
        if each.tuned.total
        else f"{each.subject.name}: nothing fails there, or it does not run here"
        for each in references
        if not (each.repaired or each.subject.stranger)
    ]
    return Figure(
        "repaired with all parts (text, parameter)",
        f"≥ {REPAIRED:.0%}",
        share(len(whole), len(suited)),
        len(whole) >= REPAIRED * len(suited) > 0,
        notes=notes,
    )


def _figure(kind: Kind, judged: Sequence[Judged], quick: bool) -> Figure:
    mine = [each for each in judged if each.part.kind == kind]
    alive = [each for each in mine if each.loss]
    dead = (
        []
        if quick
        else [f"{each.part.name}: DEAD, nothing is lost without it" for each in mine if not each.loss]
    )
    notes = [*dead, *(f"{each.part.name}: {each.loss}" for each in alive)]
    return Figure(
        f"{_TITLES[kind]} that are needed",
        "any" if quick else "all",
        share(len(alive), len(mine)),
        quick or len(alive) == len(mine),
        notes=notes,
    )
