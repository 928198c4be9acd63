"""Check what must not change: one function for each kind of comparison."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.truth.lab import RESUME, Project, Ran, Tally, available, interrupt, part_of
from benchmarks.truth.model import FAULTS, Model
from benchmarks.truth.shapes import RULE, SORT_PROMPT, Shape
from benchmarks.truth.ways import BY_NAME, STATED, WAYS, Way

SPOILED = "-1;"
"""Stands in the message of one case of each split."""
PATIENCE = 1.5
"""Seconds after which a shape's client gives a hanging answer up, where that is what is tried."""


@dataclass
class Bench:
    """One shape, its plain run, and room for copies.

    Args:
        folder: where the copies are made.
        shape: what is run.
        model: who answers.
        tally: where the comparisons are counted.
    """

    folder: Path
    shape: Shape
    model: Model
    tally: Tally

    def __post_init__(self) -> None:
        self._copies = 0
        self.recorded = self.fresh()
        self.plain: Ran = self.recorded.pytest()

    def fresh(self) -> Project:
        """Return the shape as a stranger finds it, with nothing recorded."""
        self._copies += 1
        return Project(self.folder / f"p{self._copies}", self.shape, self.model).write()

    def copy(self) -> Project:
        """Return it with the answers of the plain run on record."""
        self._copies += 1
        return self.recorded.copied(self.folder / f"p{self._copies}")

    def project(self, way: Way) -> Project:
        return self.copy() if way.recorded else self.fresh()

    def done(self, project: Project) -> None:
        """Drop a copy; what went wrong with it is told already."""
        shutil.rmtree(project.root, ignore_errors=True)

    def where(self, what: str) -> str:
        return f"{self.shape.name}, {what}"


def ways(bench: Bench, chosen: Iterable[Way] = WAYS) -> None:
    """Compare every test's verdict, in words too, in several ways of running them."""
    for way in chosen:
        if not available(way):
            continue
        project = bench.project(way)
        found = project.pytest(way=way).verdicts
        bench.tally.same(bench.where(way.name), part_of(way, bench.plain.verdicts), found)
        bench.done(project)


def alone(bench: Bench, count: int) -> None:
    """Compare some tests, each run by itself with nothing on record, with the same in the whole file."""
    names = sorted(bench.plain.verdicts)
    project = bench.fresh()
    for name in random.Random(bench.shape.name).sample(names, min(count, len(names))):
        found = project.pytest(name).verdicts
        bench.tally.same(bench.where("alone"), {name: bench.plain.verdicts[name]}, found)
    bench.done(project)


def statements(bench: Bench, chosen: tuple[str, ...] = STATED, *, optimize: bool = True) -> None:
    """Compare what diagnosis, baseline, gate and the main job say in several ways of running them."""
    expected = _said(bench.copy(), None, optimize)
    _known_truths(bench, expected, optimize)
    for name in chosen:
        way = BY_NAME[name]
        if available(way):
            project = bench.project(way)
            bench.tally.same(bench.where(name), expected, _said(project, way, optimize))
            bench.done(project)


def _said(project: Project, way: Way | None, optimize: bool) -> dict[str, object]:
    said = {**project.diagnosis(way), **project.baseline(way), **project.gate(way)}
    if optimize:
        said |= project.optimized(way=way)
    project.edit("app/prompts/sort.md", "- shipping\n", "")
    return said | project.gate(way, name="gate of a worse prompt")


def _known_truths(bench: Bench, said: dict[str, object], optimize: bool) -> None:
    """Compare with what is known of every shape: it has failing cases, a fix, and can get worse."""
    tally = bench.tally
    tally.equal(bench.where("baseline: exit code"), 0, said["baseline: exit code"])
    tally.equal(bench.where("gate of the same tree"), 0, said["gate: exit code"])
    tally.equal(bench.where("gate of a worse prompt"), 10, said["gate of a worse prompt: exit code"])
    if optimize:
        patch = str(said.get("optimize: patch"))
        added = [line for line in patch.splitlines() if line.startswith("+") and not line.startswith("+++")]
        tally.equal(bench.where("what optimize adds"), ["+" + RULE.strip()], added)


def faults(bench: Bench, chosen: tuple[str, ...] = tuple(FAULTS)) -> None:
    """Spoil the answers of one case a split: no baseline, no verdict of the gate, nothing false on record."""
    reference = bench.copy()
    expected = reference.baseline()
    for fault in chosen:
        where = bench.where(f"{fault} while the baseline is recorded")
        project = bench.fresh()
        bench.model.plant(fault, SPOILED)
        try:
            ran = project.pytest("--fapo-update-baseline", patience=_patience(fault))
        finally:
            bench.model.heal()
        bench.tally.equal(f"{where}: exit code", 11, ran.code)
        bench.tally.equal(f"{where}: files written", {}, project.committed())
        bench.tally.same(where, _untouched(bench.plain), _untouched(ran))
        bench.tally.same(bench.where(f"{fault}, healed"), expected, project.baseline())
        bench.done(project)
        _faulty_gate(bench, reference, fault)


def _faulty_gate(bench: Bench, reference: Project, fault: str) -> None:
    bench._copies += 1
    project = reference.copied(bench.folder / f"p{bench._copies}")
    shutil.rmtree(project.folder / ".fapo")
    bench.model.plant(fault, SPOILED)
    try:
        ran = project.pytest("--fapo-gate", patience=_patience(fault))
    finally:
        bench.model.heal()
    bench.tally.equal(bench.where(f"gate under {fault}: exit code"), 11, ran.code)
    bench.done(project)


def _untouched(ran: Ran) -> dict[str, list[object]]:
    """The verdicts on other cases; while a baseline is recorded pytest shows failing ones as expected."""
    found = {name: verdict for name, verdict in ran.verdicts.items() if "-1" not in name}
    shown = {"xskipped": "failed", "xpassed": "passed"}
    return {name: [shown.get(str(outcome), outcome), *rest] for name, (outcome, *rest) in found.items()}


def _patience(fault: str) -> float:
    return PATIENCE if fault == "hang" else 20


def interrupted(bench: Bench, fault: str, moments: int) -> None:
    """Kill the main job now and then, let a provider fail within it, and resume: it ends as if left alone."""
    expected = bench.copy()
    optimized = expected.optimized()
    for where, project in _spoiled_runs(bench, fault, moments):
        found = project.optimized(*RESUME)
        bench.tally.same(bench.where(f"resumed after {where}"), optimized, found)
        bench.done(project)
    bench.done(expected)


def _spoiled_runs(bench: Bench, fault: str, moments: int) -> Iterator[tuple[str, Project]]:
    project = bench.copy()
    dice = random.Random(f"{bench.shape.name} {fault}")
    kills = sum(interrupt(project, dice.uniform(0.5, 6)) for _ in range(moments))
    if kills and any((project.folder / ".fapo" / "runs").glob("*/journal.jsonl")):
        yield f"{kills} kills", project
    project = bench.copy()
    bench.model.plant(fault, RULE.strip())
    try:
        ran = project.pytest("--fapo-optimize", *RESUME[1:], patience=_patience(fault))
    finally:
        bench.model.heal()
    bench.tally.equal(bench.where(f"{fault} under a candidate: exit code"), 1, ran.code)
    unwritten = (project.folder / "app/prompts/sort.md").read_text(encoding="utf-8") == SORT_PROMPT
    bench.tally.equal(bench.where(f"{fault} under a candidate: files untouched"), True, unwritten)
    yield f"{fault} under a candidate", project
