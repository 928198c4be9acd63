"""Figure: the locations of prompts that can be edited, of all that are in the tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.planted.table import Figure, share
from benchmarks.reach import data_table, python_table
from benchmarks.reach.data_edits import problems
from benchmarks.reach.data_table import REFUSED
from benchmarks.reach.python_edits import edit_all, problem_in

MOST_REFUSED = 3
"""Locations that may be out of reach, each with a message that says what to do."""


def location_figure() -> Figure:
    """Take each row of the tables the whole way: listed, edited, written, run or read again, undone."""
    with tempfile.TemporaryDirectory() as folder:
        found = {**_python_problems(Path(folder)), **_data_problems(Path(folder))}
    missed = [f"{name}: {problem}" for name, problem in found.items() if problem]
    refused = [f"{name}: refused, with what to do" for name in REFUSED]
    return Figure(
        "locations of prompts that can be edited",
        f"all but at most {MOST_REFUSED}",
        share(len(found) - len(missed), len(found) + len(refused)),
        not missed and len(refused) <= MOST_REFUSED,
        notes=[*missed, *refused],
    )


def _python_problems(folder: Path) -> dict[str, str]:
    try:
        result = edit_all(folder)
    except Exception as error:
        return {f"Python: {name}": f"{type(error).__name__}: {error}" for name in python_table.LOCATIONS}
    return {f"Python: {name}": problem_in(result, name) for name in python_table.LOCATIONS}


def _data_problems(folder: Path) -> dict[str, str]:
    found = {}
    for number, (name, row) in enumerate(data_table.LOCATIONS.items()):
        root = folder / str(number)
        root.mkdir()
        try:
            found[name] = next(problems(root, row), "")
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found
