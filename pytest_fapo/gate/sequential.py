"""Sequential exact tests on fresh pairs: does a gain come again, does a loss?

A *pair* is one more run of a case on each of two trees, with fresh answers. It *confirms* a gain where the
edited tree passes and its parent does not. Where the edit does not help the case, the edited tree passes with
a probability p' that is at most the parent's p, the two runs are independent (given what both share), and so

    P(pair confirms) = p' (1 - p) <= p (1 - p) <= 1/4,

whatever p is: luck of 5, 20 or 50 % makes no difference. `Evidence` bets against that 1/4. Its wealth starts
at 1 and is multiplied by q / (1/4) where a pair confirms and by (1 - q) / (3/4) where it does not, with a q
that is fixed before the pair is seen. Without a true gain the wealth is a nonnegative supermartingale, so it
ever reaches 1/a with probability at most a, however often one looks, whichever case is asked next, and
whenever one stops (Ville 1939; Wald 1945 for fixed q; Ramdas, Gruenwald, Vovk and Shafer, Statistical Science
38, 2023).

Over a run: the k-th candidate whose gains are asked again has to reach 1/a_k, a_k = RUN_ERROR / (k (k + 1)).
These add up to at most RUN_ERROR, so in a run in which no edit helps any case the expected number of
acceptances, and with it the probability of one, is at most RUN_ERROR, over all candidates and all looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log
from typing import Literal

RUN_ERROR = 1 / 40
"""Bound on the expected number of candidates that a whole run accepts although they help no case."""
CHANCE = 1 / 4
"""A pair confirms a gain that is none with at most this probability."""


def error_of(number: int) -> float:
    """The part of `RUN_ERROR` that the `number`-th candidate (from 1) may use up."""
    return RUN_ERROR / (number * (number + 1))


@dataclass
class Pairs:
    """What the pairs of one case have shown."""

    confirmed: int = 0
    others: int = 0

    @property
    def lead(self) -> int:
        return self.confirmed - self.others

    def add(self, confirms: bool) -> None:
        if confirms:
            self.confirmed += 1
        else:
            self.others += 1


@dataclass
class Evidence:
    """The wealth of a bet that some of a candidate's gains are real.

    Args:
        error: the probability of wrongly deciding for a gain, over all looks.
    """

    error: float
    wealth: float = 1.0
    _first: Pairs = field(default_factory=Pairs)
    """First pairs of all cases: what to expect of a case that was not asked yet."""

    def add(self, case: Pairs, confirms: bool) -> None:
        """Take in one pair of a case; the bet on it follows from earlier pairs alone."""
        expected = self._expected(case)
        if expected > CHANCE:
            self.wealth *= expected / CHANCE if confirms else (1 - expected) / (1 - CHANCE)
        if not case.confirmed + case.others:
            self._first.add(confirms)
        case.add(confirms)

    @property
    def decided(self) -> bool:
        """True where the gain is real."""
        return self.wealth >= 1 / self.error

    @property
    def missing(self) -> int:
        """How many confirming pairs in a row are about enough to decide."""
        return max(0, ceil(log(1 / (self.error * self.wealth)) / log(0.9 / CHANCE)))

    def _expected(self, case: Pairs) -> float:
        seen = case.confirmed + case.others
        if seen:
            return (case.confirmed + 0.75) / (seen + 1)
        first = self._first
        return (first.confirmed + 1.5) / (first.confirmed + first.others + 2)


LossState = Literal["real", "chance", "open"]


def loss_state(pairs: Pairs, *, varied: bool) -> LossState:
    """What a lost case's pairs say: the parent passes and the edited tree does not, or it was chance.

    Args:
        pairs: a pair confirms the loss where the parent passes and the edited tree does not.
        varied: whether any pair of this candidate's losses has come out otherwise than first seen.

    Returns:
        `real` where the loss came three times more often than not, or twice while nothing varied at all;
        `chance` where it failed to come three times more often than it came. A loss that is none (a pair
        confirms it with at most 1/4) is called real with probability at most 1/27; a true one of a case that
        passes 9 of 10 times before and 1 of 10 after is called chance with 1.2 %.
    """
    if pairs.lead >= (3 if varied else 2):
        return "real"
    return "chance" if pairs.lead <= -3 else "open"
