"""Banking77's test questions from the official file, read where FAPO_DATA says; nothing of it is kept."""

from __future__ import annotations

import csv
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_fapo.core.errors import CaseError

QUESTIONS = "banking77-test.csv"
SOME = "card_arrival,exchange_rate,lost_or_stolen_card"
"""Three of the 77 intents, 40 questions each."""


def folder() -> Path:
    """The folder with the official file."""
    given = os.environ.get("FAPO_DATA", "")
    path = Path(given).expanduser().resolve()
    if not given or not (path / QUESTIONS).is_file():
        raise CaseError(
            f"set FAPO_DATA to the folder that holds {QUESTIONS} (see README.md); "
            + (f"it is not in {path}" if given else "it is not set")
        )
    os.environ["FAPO_DATA"] = str(path)  # absolute, for a run of the tests in another folder
    return path


def questions() -> list[dict[str, Any]]:
    """The questions of the intents that BANKING_INTENTS names, as cases."""
    with (folder() / QUESTIONS).open(encoding="utf-8", newline="") as file:
        rows = list(enumerate(csv.DictReader(file), start=1))
    wanted = _wanted({row["category"] for _, row in rows})
    return [
        {
            "id": f"question-{number:04}",
            "inputs": {"question": row["text"].strip()},
            "expected": {"intent": row["category"]},
        }
        for number, row in rows
        if row["category"] in wanted
    ]


def _wanted(known: set[str]) -> set[str]:
    named = os.environ.get("BANKING_INTENTS") or SOME
    if named == "all":
        return known
    names = {name.strip() for name in named.split(",") if name.strip()}
    for name in sorted(names - known):
        near = get_close_matches(name, sorted(known), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise CaseError(f"BANKING_INTENTS: there is no intent {name!r}{hint}")
    return names
