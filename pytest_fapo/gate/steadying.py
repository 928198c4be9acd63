"""A gain that shows in no single case: answers that varied before and do not any more."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.gate.metrics import pass_differences
from pytest_fapo.gate.statistics import sign_flip_test
from pytest_fapo.gate.units import Unit, of

CHANCE = 0.001
"""Small, since a run asks this of many candidates; fresh runs have to confirm it (`confirm`)."""


def steadied(found: Sequence[Unit]) -> bool:
    """Whether tests that passed only sometimes before pass more often now, by more than chance explains.

    All train cases are weighed, not those alone that varied: what was picked for its bad luck looks better
    the next time anyway.
    """
    train = of(found, "train")
    if not any(unit.flaky and unit.difference > 0 for unit in train):
        return False
    return sign_flip_test(pass_differences(train)) <= CHANCE
