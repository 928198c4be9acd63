"""`python -m benchmarks leaks --data FOLDER`: the leak check on public data, its false alarms and its cost.

The folder has `banking77-train.csv` (PolyAI-LDN/task-specific-datasets, CC BY 4.0) and `clinc-small.json`
(clinc/oos-eval, its `data/data_small.json`, CC BY 3.0); nothing of them is kept.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.planted.table import Figure, share, show
from pytest_fapo.core.candidate import Candidate, Edit
from pytest_fapo.core.case import Case
from pytest_fapo.core.record import Split
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.review.leakage.added_text import words_of
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

PASSING = 0.98
"""Of the definitions."""
CAUGHT = 0.98
"""Of the copied messages."""
GROWTH = 3.3
"""Times that 10,000 cases may take of what 3,333 do."""
SIZES = (20, 60, 200, 600, 2_000, 10_000)
COPIES = 100
FORMS = (
    "{label}: the message is about {name}",
    "- {label}: questions about {name}.",
    'Use "{label}" when somebody asks about {name}.',
    "{label} - everything that has to do with {name}, in whatever words it is asked",
)
"""Definitions made of nothing but the label's name."""
_PROMPT = "Sort the message.\n\n{text}\n\nAnswer with one label and nothing else.\n"
_FILES = ("banking77-train.csv", "clinc-small.json")
_SPLITS: tuple[Split, ...] = ("train", "val", "holdout")

Rows = list[tuple[str, str]]


def run(check: bool, quick: bool, data: str = "") -> int:
    """Measure, and print the table.

    Args:
        check: whether a missed bar is a failure.
        quick: two sizes, and no growth.
        data: the folder with the public data.

    Returns:
        the exit code; 2 where there is no data to measure on.
    """
    folder = Path(data)
    missing = [name for name in _FILES if not data or not (folder / name).is_file()]
    if missing:
        where = folder if data else "--data FOLDER"
        print(f"leaks: not measured, for want of {' and '.join(missing)} in {where} (see docs/benchmarks.md)")
        return 2 if check else 0
    figures = leaks_figures(folder, SIZES[2:4] if quick else SIZES)
    if not quick:
        figures.append(_growth(_banking(folder / _FILES[0])))
    show(figures)
    return 1 if check and not all(figure.holds for figure in figures) else 0


def leaks_figures(folder: Path, sizes: Sequence[int]) -> list[Figure]:
    """The rows of definitions and copies, beside so many cases."""
    figures = []
    sets = {"Banking77": _banking(folder / _FILES[0]), "CLINC150": _clinc(folder / _FILES[1])}
    for name, rows in sets.items():
        figures.append(_definitions(name, rows, sizes))
        figures.append(_copies(name, rows, sizes))
    return figures


def _banking(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return _mixed([(row["text"], row["category"]) for row in csv.DictReader(file)])


def _clinc(path: Path) -> Rows:
    splits: Mapping[str, list[tuple[str, str]]] = json.loads(path.read_text(encoding="utf-8"))
    return _mixed([(text, label) for name in ("train", "val", "test") for text, label in splits[name]])


def _mixed(rows: Rows) -> Rows:
    random.Random("leaks").shuffle(rows)
    return rows


class _Project:
    """One prompt and some cases; `flagged` reviews lines that are added to it."""

    def __init__(self, rows: Rows) -> None:
        self.cases = [
            Case(id=f"row-{n}", inputs={"text": text}, expected=label, split=_SPLITS[n % 3])
            for n, (text, label) in enumerate(rows)
        ]
        self._settings = Settings(max_prompt_chars=10_000_000)

    def flagged(self, lines: Sequence[str]) -> set[int]:
        """Numbers of the added lines that the review objects to, 0 for the first.

        Raises:
            RuntimeError: it objects to something else.
        """
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "p.md").write_text(_PROMPT, encoding="utf-8")
            store = ArtifactStore(Path(folder), Scope(prompts=["p.md"]))
            edit = Edit(address="p.md", before=_PROMPT, after=_PROMPT + "\n".join(lines) + "\n")
            candidate = Candidate(edits=[edit], hypothesis="", proposer="benchmark", technique="lines")
            problems = review(candidate, store=store, cases=self.cases, settings=self._settings).problems
        if any(problem.check != "leakage" or not problem.lines for problem in problems):
            raise RuntimeError(f"not about a line: {problems}")
        first = _PROMPT.count("\n") + 1
        return {number - first for problem in problems for number in problem.lines}


def _definitions(name: str, rows: Rows, sizes: Sequence[int]) -> Figure:
    """Definitions of all labels, one edit each form; lines objected to are taken out until it passes."""
    labels = sorted({label for _, label in rows})
    worst, notes = 1.0, []
    for size in sizes:
        project, passed = _Project(rows[:size]), 0
        for form in FORMS:
            left = [form.format(label=label, name=label.replace("_", " ")) for label in labels]
            while bad := project.flagged(left):
                left = [line for number, line in enumerate(left) if number not in bad]
            passed += len(left)
        worst = min(worst, passed / (len(labels) * len(FORMS)))
        notes.append(f"{min(size, len(rows))} cases: {share(passed, len(labels) * len(FORMS))}")
    title = f"{name}: definitions from names pass"
    return Figure(title, f"{PASSING:.0%}", f"{worst:.1%} at worst", worst >= PASSING, notes=notes)


def _copies(name: str, rows: Rows, sizes: Sequence[int]) -> Figure:
    """Messages of ten words and more as examples: each is a leak (shorter ones may be turns of phrase)."""
    worst, notes = 1.0, []
    for size in sizes:
        long = [text for text, _ in rows[:size] if len(text.split()) >= 10][:COPIES]
        caught = len(_Project(rows[:size]).flagged([f"Example: {text.strip()}" for text in long]))
        worst = min(worst, caught / len(long))
        notes.append(f"{min(size, len(rows))} cases: {share(caught, len(long))}")
    title = f"{name}: copied messages caught"
    return Figure(title, f"{CAUGHT:.0%}", f"{worst:.1%} at worst", worst >= CAUGHT, notes=notes)


def _growth(rows: Rows) -> Figure:
    """The time of one review in processor seconds, the fastest of three."""
    labels = sorted({label for _, label in rows})
    lines = [FORMS[0].format(label=label, name=label.replace("_", " ")) for label in labels]
    few, many = (min(_seconds(rows[:size], lines) for _ in range(3)) for size in (3_333, 9_999))
    return Figure(
        "time of 9,999 cases, of 3,333",
        f"{GROWTH} x",
        f"{many / few:.2f} x",
        many <= GROWTH * few,
        notes=[f"{few:.2f} and {many:.2f} s of processor time"],
    )


def _seconds(rows: Rows, lines: Sequence[str]) -> float:
    """Processor time of the first review beside these cases: later ones know their words already."""
    project = _Project(rows)
    words_of.cache_clear()
    start = time.process_time()
    project.flagged(lines)
    return time.process_time() - start
