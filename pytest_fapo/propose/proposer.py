"""The protocol of proposers, and the error that one raises if it cannot propose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from pytest_fapo.core.candidate import Candidate, Review
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evidence import Evidence, Repair


class ProposalFailed(FapoError):
    """A proposer could not propose: its model answered garbage, or its provider failed.

    Raised by `propose`, `revise` and `repair`. It is a failed attempt, not the end of a run: record the
    message and go on with the next proposer. The message is one sentence without a traceback and without any
    secret.
    """

    def __init__(
        self,
        message: str,
        *,
        proposer: str,
        again: bool = True,
        repeated: bool = False,
        unanswered: bool = False,
    ) -> None:
        super().__init__(message)
        self.proposer = proposer
        """Name of the proposer, as in the setting `optimizer`."""
        self.again = again
        """False where a further request would fail alike (wrong key, unknown model): ask it no more."""
        self.repeated = repeated
        """True where it had nothing but what was tried before."""
        self.unanswered = unanswered
        """True if its own model gave no answer: this says nothing of what is left to propose."""


class Proposer(Protocol):
    """Turns evidence into candidates; all see the same evidence and pass the same review and gate.

    A proposer may have two methods more, which `ProposerDefaults` gives to those that have no use for them:
    `begin` and `repair`.
    """

    @property
    def name(self) -> str:
        """As in the setting `optimizer`."""
        ...

    def check(self) -> None:
        """Find out, before any test is run and without a request, whether this proposer can be used.

        Raises:
            ConfigError: it cannot; the message names the setting (and the environment variable) to set.
        """
        ...

    def propose(self, evidence: Evidence) -> Iterator[Candidate]:
        """Return the candidates for the evidence's cluster, best first, made lazily as they are asked for.

        `id` is left empty; `parent` is the evidence's. A candidate whose digest is in the evidence's
        memory is left out.

        Raises:
            ProposalFailed: while iterating; candidates given before it stay good.
            BudgetExceeded: the next request would go past a budget.
        """
        ...

    def revise(self, candidate: Candidate, review: Review, evidence: Evidence) -> Candidate | None:
        """Return a better version of a blocked candidate, or None where this proposer has none.

        Raises:
            ProposalFailed: as in `propose`.
            BudgetExceeded: as in `propose`.
        """
        ...


class ProposerDefaults:
    """The optional methods of a proposer beyond `Proposer`; the loop calls those that exist."""

    def begin(self, cases: Sequence[Case]) -> None:
        """Called once, before the first `propose`, with the cases of all splits.

        For proposers that must keep val and held-out cases from somebody; never for what they propose.
        """

    def repair(self, repair: Repair, evidence: Evidence) -> Candidate | None:
        """Return a better version of a candidate that won but broke something, or None where there is none.

        It builds on the same texts as the candidate did, those of the evidence. Asked once for a candidate.

        Args:
            repair: the candidate, the train cases that it broke, and of the other splits a count and a bit.
            evidence: as of now; the candidate is in its memory.

        Raises:
            ProposalFailed: as in `propose`.
            BudgetExceeded: as in `propose`.
        """
        return None
