"""`python -m benchmarks truth`: does anything change a verdict that must not?

Twelve small projects are run in many ways, and whatever is said of them is compared with one plain run; see
docs/benchmarks.md.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.figures import report
from benchmarks.truth import checks
from benchmarks.truth.checks import Bench
from benchmarks.truth.lab import Tally
from benchmarks.truth.model import FAULTS, serving
from benchmarks.truth.shapes import SHAPES, Shape
from benchmarks.truth.ways import STATED

COMPARED = 2_000
"""The least number of comparisons in a whole run."""
QUICK = ("parametrized", "several tests")
SIDE_BY_SIDE = 2


def run(check: bool, quick: bool) -> int:
    """Compare, and print one line a shape, every difference, and the two figures.

    Args:
        check: a difference, or too few comparisons, is a failure.
        quick: two shapes, without the main job.

    Returns:
        the exit code.
    """
    started = time.monotonic()
    chosen = [shape for shape in SHAPES if not quick or shape.name in QUICK]
    total = Tally()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for shape, tally in zip(chosen, pool.map(lambda shape: measure(shape, quick), chosen), strict=True):
            different = len(tally.differences)
            print(f"{shape.name:20} {tally.compared:5} compared, {different} different", flush=True)
            for difference in tally.differences:
                print(f"  {difference}", flush=True)
            total.compared += tally.compared
            total.differences += tally.differences
    print(f"measured in {time.monotonic() - started:.0f} s")
    least = COMPARED // 10 if quick else COMPARED
    return max(
        report("compared", total.compared, least, "verdicts", higher_is_better=True, check=check),
        report("different", len(total.differences), 0, "verdicts", higher_is_better=False, check=check),
    )


def measure(shape: Shape, quick: bool) -> Tally:
    """Compare everything that is said of one shape; with `quick`, without the main job."""
    tally = Tally()
    names = tuple(FAULTS)
    number = SHAPES.index(shape)
    turn = [names[(number + step) % len(names)] for step in range(1 if quick else 4)]
    with tempfile.TemporaryDirectory(prefix="fapo-truth-") as folder, serving() as model:
        bench = Bench(Path(folder), shape, model, tally)
        checks.ways(bench)
        checks.alone(bench, 2 if quick else 8)
        checks.statements(bench, ("reversed",) if quick else STATED, optimize=not quick)
        checks.faults(bench, tuple(turn))
        if not quick:
            checks.interrupted(bench, turn[0], moments=2)
    return tally
