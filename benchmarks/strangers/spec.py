"""A stranger's pipeline: a planted one, of whose labels some may be wrong, and which was written before the
rules of the diagnosis were known to its writer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.planted.spec import SEEN, Planted, Row, Splits

_WRONG = 10
"""Of so many cases of a split one has a wrong label, where the pipeline has wrong labels."""


@dataclass(frozen=True, eq=False)
class Stranger(Planted):
    """One pipeline. What is wrong with it, and which labels are wrong, serves to judge and nothing else."""

    wrong: Callable[[Row], Any] | None = None
    """Gives the wrong label of a case; None where all labels are right."""

    def wrong_ids(self) -> frozenset[str]:
        """Ids of the cases with a wrong label: one of ten in every split that an optimizer may look at."""
        if self.wrong is None:
            return frozenset()
        cases = super().cases()
        return frozenset(
            case["id"]
            for split in SEEN
            for case in sorted(cases[split], key=_lot)[: -(-len(cases[split]) // _WRONG)]
        )

    def cases(self) -> dict[Splits, list[dict[str, Any]]]:
        """The cases by split; those of `hidden` all have their right label."""
        found, wrong = super().cases(), self.wrong_ids()
        for case in (case for listed in found.values() for case in listed):
            if case["id"] in wrong and self.wrong is not None:
                case["expected"] = self.wrong(self.rows[int(case["id"].rpartition("-")[2]) - 1])
        return found


def _lot(case: dict[str, Any]) -> str:
    return hashlib.sha256(f"wrong {case['id']}".encode()).hexdigest()


def asks(text: str, *ideas: str) -> bool:
    """True if a prompt speaks of every idea; each is a pattern with the words that people use for it."""
    return all(re.search(idea, text, re.I) for idea in ideas)


BARE = (
    r"\b(only|just|solely|exactly|nothing (else|but)|no (other|extra|additional|explanation|prose|sentence)"
    r"|without (any )?(explanation|other|further|additional|prose|words)|bare|single word|one word)\b"
)
"""The idea that the answer is to be given alone."""
