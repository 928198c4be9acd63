"""Four tasks of public data: intents of Banking77 and of CLINC, kinds of weakness, and a task of two steps.

- Banking77: PolyAI-LDN/task-specific-datasets, CC BY 4.0.
- CLINC150: clinc/oos-eval, `data_small.json`, CC BY 3.0.
- CTIBench-RCM 2021: xashru/cti-bench, CC BY-NC-SA 4.0, cut to six frequent weaknesses.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_fapo.core.record import Split

SIZES: dict[Split, int] = {"train": 24, "val": 16, "holdout": 12}

UNSEEN = 60

LONGEST = 500
"""Characters of a text; the model's context is small."""

Row = tuple[str, str]
"""Text and label."""


@dataclass(frozen=True)
class Cases:
    """One seed's cases."""

    splits: dict[Split, list[Row]]
    unseen: list[Row]

    @property
    def train(self) -> list[Row]:
        return self.splits["train"]

    @property
    def val(self) -> list[Row]:
        return [*self.splits["val"], *self.splits["holdout"]]


@dataclass(frozen=True)
class Task:
    """A classification of short texts."""

    name: str
    about: str
    prompt: str
    """The instruction, with the labels named."""
    labels: Sequence[str]
    files: Sequence[str]
    read: Callable[[Path], list[Row]]
    steps: int = 1
    """Two: the model first says in a few words what the text is about, then gives the label of that."""

    def cases(self, folder: Path, seed: int) -> Cases:
        """Draw a seed's cases, every label as often as the others."""
        rng = random.Random(seed)
        by_label: dict[str, list[Row]] = {label: [] for label in self.labels}
        for text, label in self.read(folder):
            if label in by_label and len(text) <= LONGEST:
                by_label[label].append((" ".join(text.split()), label))
        for rows in by_label.values():
            rows.sort()
            rng.shuffle(rows)
        drawn = {split: self._take(by_label, size) for split, size in SIZES.items()}
        unseen = self._take(by_label, UNSEEN)
        for rows in (*drawn.values(), unseen):
            rng.shuffle(rows)
        return Cases(drawn, unseen)

    def _take(self, by_label: dict[str, list[Row]], size: int) -> list[Row]:
        return [by_label[label].pop() for label in self.labels for _ in range(size // len(self.labels))]


def _prompt(what: str, labels: Sequence[str]) -> str:
    return f"Classify {what} into one of these topics: {', '.join(labels)}.\nAnswer with the topic alone."


def _banking(folder: Path) -> list[Row]:
    rows = []
    for name in ("banking77-train.csv", "banking77-test.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            rows += [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return rows


def _clinc(folder: Path) -> list[Row]:
    splits = json.loads((folder / "clinc-small.json").read_text(encoding="utf-8"))
    return [(text, label) for rows in splits.values() for text, label in rows]


def _weaknesses(folder: Path) -> list[Row]:
    with (folder / "cti-rcm-2021.tsv").open(encoding="utf-8", newline="") as file:
        return [(row["Description"], row["GT"].strip()) for row in csv.DictReader(file, delimiter="\t")]


_BANKING = ("card_arrival", "exchange_rate", "lost_or_stolen_card", "top_up_failed")
_CLINC = ("book_flight", "weather", "play_music", "translate", "alarm", "recipe")
_CWE = ("CWE-79", "CWE-787", "CWE-89", "CWE-125", "CWE-22", "CWE-416")
_BANKING_FILES = ("banking77-train.csv", "banking77-test.csv")

TASKS = (
    Task(
        "banking77",
        "4 intents of Banking77",
        _prompt("the customer's message", _BANKING),
        _BANKING,
        _BANKING_FILES,
        _banking,
    ),
    Task(
        "clinc",
        "6 intents of CLINC150",
        _prompt("the user's sentence", _CLINC),
        _CLINC,
        ("clinc-small.json",),
        _clinc,
    ),
    Task(
        "cwe",
        "six frequent weaknesses of CTIBench-RCM 2021",
        _prompt("the vulnerability", _CWE),
        _CWE,
        ("cti-rcm-2021.tsv",),
        _weaknesses,
    ),
    Task(
        "two-steps",
        "4 intents of Banking77, by way of a few words that say what the customer wants",
        _prompt("what the customer wants", _BANKING),
        _BANKING,
        _BANKING_FILES,
        _banking,
        steps=2,
    ),
)
