"""On whose behalf LLM calls are made: a case's run, or the optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple, Protocol

from pytest_fapo.models import LLMCall
from pytest_fapo.trace import Recorder, recording


class Ledger(Protocol):
    """Keeps the budget. Where it also has `admit(*, model, api) -> bool`, requests made on an event loop ask
    that instead of `before_call`, and again shortly after a False."""

    def before_call(self, *, model: str, api: str) -> None:
        """A request is about to be sent.

        Raises:
            BudgetExceeded: it must not be.
        """

    def after_call(self, call: LLMCall) -> None:
        """A request that `before_call` let through has ended, or an answer came without sending
        (`call.cache_hit`)."""


class OptimizerScope(NamedTuple):
    """The calls in this context are the optimizer's own."""

    ledger: Ledger | None


OPTIMIZER: ContextVar[OptimizerScope | None] = ContextVar("pytest_fapo_optimizer", default=None)


@contextmanager
def optimizer_calls(ledger: Ledger | None = None) -> Iterator[Recorder]:
    """Capture the LLM calls of the body as the optimizer's: cached and counted like any, but by `ledger`, and
    never answered by the project's offline model.

    Yields:
        the recorder of these calls.
    """
    recorder = Recorder(pipeline="", case_id="optimizer", step_functions=False)
    token = OPTIMIZER.set(OptimizerScope(ledger))
    try:
        with recording(recorder):
            yield recorder
    finally:
        OPTIMIZER.reset(token)
