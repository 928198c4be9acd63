"""A small pipeline with a planted fault: its files, its cases, its model, and what is known of the fault."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.planted.talk import Ask, Say

Splits = Literal["train", "val", "holdout", "hidden"]
SEEN: tuple[Splits, ...] = ("train", "val", "holdout")
_DEAL: tuple[Splits, ...] = ("train", "val", "train", "holdout", "hidden", "train")


@dataclass(frozen=True)
class Row:
    """A labeled case, and what a model has to know to answer it."""

    inputs: dict[str, Any]
    expected: Any
    key: str
    """The piece of the inputs by which the model knows the case in any step."""
    kind: str = ""
    """The kind of case; the splits hold equal shares of every kind."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Any] = field(default_factory=dict)
    """Right outputs of steps, for pipelines whose cases have them."""


Mind = Callable[[Ask, "Row | None"], "Say | str"]
"""The model: a request and the case that it is about (None where it is about none)."""


@dataclass(frozen=True)
class Fault:
    """The planted fault, and the known facts about it."""

    step: str
    category: str
    """The category that a reader of the traces would name; informative, no figure rests on it."""
    level: Literal["prompt", "param", "structure"]
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Path to (piece of the clean file, what stands there instead)."""
    missing: tuple[str, ...] = ()
    """Files of the clean twin that the faulty pipeline does not have."""
    also: tuple[str, ...] = ()
    """Steps that may be named as well: where the fault shows, beside where it lies."""


@dataclass(frozen=True, eq=False)
class Planted:
    """One pipeline of the benchmark."""

    name: str
    shape: str
    files: Mapping[str, str]
    """The clean twin, without cases."""
    rows: Sequence[Row]
    mind: Mind
    fault: Fault
    fixes: Mapping[str, str]
    """Artifact address to the text that fixes it: what a helpful optimizer knows."""
    repeats: int = 1
    """The number of times that each case is run: more than once if the fault is noise."""

    @property
    def faulty(self) -> dict[str, str]:
        """The files with the fault."""
        files = {path: text for path, text in self.files.items() if path not in self.fault.missing}
        for path, (clean, planted) in self.fault.changes.items():
            if files[path].count(clean) != 1:
                raise ValueError(f"{self.name}: {clean!r} does not stand once in {path}")
            files[path] = files[path].replace(clean, planted)
        return files

    def cases(self) -> dict[Splits, list[dict[str, Any]]]:
        """The cases by split, in the form of a JSONL file; `hidden` is for the benchmark alone."""
        found: dict[Splits, list[dict[str, Any]]] = {"train": [], "val": [], "holdout": [], "hidden": []}
        kinds: dict[str, int] = defaultdict(int)
        for number, row in enumerate(self.rows, start=1):
            split = _DEAL[(kinds[row.kind] + len(row.kind)) % len(_DEAL)]
            kinds[row.kind] += 1
            case = {"id": f"{self.name}-{number:03}", "inputs": row.inputs, "expected": row.expected}
            if row.steps:
                case["expected_steps"] = dict(row.steps)
            found[split].append({**case, "split": split})
        return found

    def answer(self, ask: Ask) -> Say:
        """Return the answer of the pipeline's model."""
        text = ask.text
        found = [row for row in self.rows if row.key in text]
        last = max(found, key=lambda row: (text.rfind(row.key) + len(row.key), len(row.key)), default=None)
        said = self.mind(ask, last)
        say = Say(said) if isinstance(said, str) else said
        return say.within(ask.max_tokens)


def mixed(rows: Sequence[Row], seed: str) -> list[Row]:
    """The rows in an order that does not depend on how they were made."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    return shuffled


def rules_of(ask: Ask, row: Row | None) -> str:
    """Return the request's text beside the case itself."""
    return ask.text.replace(row.key, " ") if row is not None else ask.text
