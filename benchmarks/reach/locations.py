"""Figure: the locations of prompts that can be edited, of all that are in the tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.planted.table import Figure, share
from benchmarks.reach.data_edits import problems
from benchmarks.reach.data_table import LOCATIONS, REFUSED

MOST_REFUSED = 3
"""Locations that may be out of reach, each with a message that says what to do."""


def location_figure() -> Figure:
    """Take each row of the tables the whole way: listed, edited, written, read again, undone."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, row) in enumerate(LOCATIONS.items()):
            root = Path(folder, str(number))
            root.mkdir()
            try:
                missed += [f"{name}: {problem}" for problem in problems(root, row)][:1]
            except Exception as error:
                missed.append(f"{name}: {type(error).__name__}: {error}")
    refused = [f"{name}: refused, with what to do" for name in REFUSED]
    count = len(LOCATIONS) + len(REFUSED)
    return Figure(
        "locations of prompts that can be edited",
        f"all but at most {MOST_REFUSED}",
        share(len(LOCATIONS) - len(missed), count),
        not missed and len(refused) <= MOST_REFUSED,
        notes=[*missed, *refused],
    )
