"""Budgets: checked before each request is sent, updated after it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import JsonValue

from pytest_fapo.answers.prices import call_cost, has_list_price, list_price
from pytest_fapo.answers.spend_file import ModelSpending, OnBehalfOf, SpendFile, SpendTotals
from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.capture.single_flight import running_loop
from pytest_fapo.core.errors import BudgetExceeded
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import LLMCall

_ROOM_POLL = (
    0.01  # seconds between two looks while other calls may still use the budget up or leave some of it
)

_ROOM_PATIENCE = 30.0  # seconds of waiting for them; a stream that nobody reads to its end never ends


class SpendLedger:
    """Enforces the limits on what is in one spend file, and writes each call there.

    Args:
        path: the spend file; what it holds already counts.
        max_calls: requests, sent by whomever shares the file (`--fapo-max-calls`).
        max_cost: USD (`--fapo-budget`). As a call's price is known only after it, one may be sent while
            the sum, the mean price for each call in flight and the highest price so far for the new one
            stay within; a model's first call goes alone, and is the only one that can go past the limit.
        deadline: by `time.monotonic` (`--fapo-time-limit`).
        who: on whose behalf the calls are made.
        stage: what they are for, where the recorder of the running code does not say.
        case_id: gives the id of the case that is running, as the recorder of the running code knows it.
        warn: is told in a sentence of each model for which `max_cost` cannot hold, before it is asked.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_calls: int | None = None,
        max_cost: float | None = None,
        deadline: float | None = None,
        who: OnBehalfOf = "pipeline",
        stage: str = "",
        case_id: Callable[[], str] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.max_calls = max_calls
        self.max_cost = max_cost
        self.deadline = deadline
        self.who = who
        self.stage = stage
        self._case_id = case_id or _running_case
        self._warn = warn
        self._priced: set[str] = set()
        self._file = SpendFile(path)
        self._lock = threading.Lock()
        self._own: dict[str, tuple[str, str]] = {}
        self._sent = 0

    def before_call(self, *, model: str, api: str) -> None:
        """Count a request that is about to be sent. May wait for calls in flight, never on an event loop.

        Raises:
            BudgetExceeded: it must not be sent; the message has the figures and the option.
        """
        patient_until = 0.0 if running_loop() is not None else time.monotonic() + _ROOM_PATIENCE
        while not self.admit(model=model, api=api, wait=time.monotonic() < patient_until):
            time.sleep(_ROOM_POLL)

    def admit(self, *, model: str, api: str, wait: bool = True) -> bool:
        """Like `before_call` without blocking: False asks to come again shortly, nothing was counted.

        Args:
            model: the model asked.
            api: as in `LLMCall.api`.
            wait: False where the caller cannot come again: then a budget that calls in flight may use
                up is decided on their expected price.

        Raises:
            BudgetExceeded: as in `before_call`.
        """
        with self._lock, self._file.locked():
            totals = self._file.read()
            self._check_price(model, api)
            try:
                self._check_time()
                self._check_calls(totals)
                if not self._cost_allows(totals, model, wait=wait):
                    return False
            except BudgetExceeded as error:
                self._file.append({"event": "refused", **self._origin(), "reason": str(error)})
                raise
            self._sent += 1
            name = f"{os.getpid()}-{id(self):x}-{self._sent}"
            self._own[name] = (model, api)
            self._file.append(
                {
                    "event": "sent",
                    "id": name,
                    "time": time.time(),
                    **self._origin(),
                    "model": model,
                    "api": api,
                }
            )
            return True

    def after_call(self, call: LLMCall) -> None:
        """Write down how a request ended, or that an answer came from the cache."""
        if call.cache_hit:
            self._file.append({"event": "hit", **self._origin()})
            return
        with self._lock:
            name = self._take(call)
            self._file.append(
                {
                    "event": "done",
                    "id": name,
                    "time": time.time(),
                    **self._origin(),
                    "case": self._case_id(),
                    "model": call.model,
                    "api": call.api,
                    "status": call.status,
                    "answered": call.status is not None and 200 <= call.status < 300,
                    "usage": call.usage.model_dump(),
                    "cost": call_cost(call),
                    "budgeted": list_price(call),
                }
            )

    def put_off(self, url: str, seconds: float) -> None:
        """The host of a URL wants no request for so long, from nobody who shares the file."""
        until = time.time() + seconds
        self._file.append({"event": "put off", **self._origin(), "host": _host(url), "until": until})

    def put_off_until(self, url: str) -> float:
        """Return the epoch seconds before which the host of a URL wants no request."""
        with self._lock:
            return self._file.read().put_off.get(_host(url), 0.0)

    def spending(self) -> Spending:
        """Return the spending in the file so far, of everybody who shares it."""
        with self._lock:
            return self._file.read().spending()

    def _origin(self) -> dict[str, JsonValue]:
        """Return on whose behalf the running code asks, and for what."""
        recorder = current_recorder()
        by_test = recorder is not None and recorder.by_test
        stage = recorder.stage if recorder is not None else ""
        return {
            "who": "test" if by_test and self.who == "pipeline" else self.who,
            "stage": stage or self.stage,
        }

    def _take(self, call: LLMCall) -> str:
        """Return the id that the call was counted under; an answer may name the model more exactly."""
        wanted = (call.model, call.api)
        names = [name for name, asked in self._own.items() if asked == wanted]
        names += [name for name, asked in self._own.items() if asked[1] == call.api]
        name = names[0] if names else next(iter(self._own), "")
        self._own.pop(name, None)
        return name

    def _check_price(self, model: str, api: str) -> None:
        """Say once of each model that its price is not known, before money is spent on it."""
        if self.max_cost is None or self._warn is None or model in self._priced:
            return
        self._priced.add(model)
        if not has_list_price(model, api):
            self._warn(
                f"--fapo-budget cannot hold for the model {model or 'that is not named'}: its price is not "
                f"known; --fapo-max-calls holds for every model"
            )

    def _check_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise BudgetExceeded(
                "LLM call not sent: the time allowed by --fapo-time-limit is over", limit="--fapo-time-limit"
            )

    def _check_calls(self, totals: SpendTotals) -> None:
        if self.max_calls is not None and totals.calls >= self.max_calls:
            one = self.max_calls == 1
            made = "the one call allowed" if one else f"all {self.max_calls} calls allowed"
            raise BudgetExceeded(
                f"LLM call not sent: {made} by --fapo-max-calls {'is' if one else 'are'} made",
                limit="--fapo-max-calls",
            )

    def _cost_allows(self, totals: SpendTotals, model: str, *, wait: bool) -> bool:
        """True if a call may be sent now; False where it depends on own calls in flight."""
        if self.max_cost is None:
            return True
        if totals.budgeted < self.max_cost:
            spent = totals.models.get(model)
            if spent is None:
                same = any(asked == model for asked, _ in self._own.values())
                return not (wait and same)
            if totals.budgeted + _reserved(totals) + spent.highest <= self.max_cost:
                return True
            if wait and self._own:
                return False
        highest = totals.models.get(model, ModelSpending()).highest
        raise BudgetExceeded(
            f"LLM call not sent: {_usd(totals.budgeted)} of {_usd(self.max_cost)} (--fapo-budget) are spent "
            f"at list prices and another call of {model or 'this model'} may cost {_usd(highest)}",
            limit="--fapo-budget",
        )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _running_case() -> str:
    recorder = current_recorder()
    return recorder.case_id if recorder is not None else ""


def _reserved(totals: SpendTotals) -> float:
    """Return the estimated cost of the calls in flight, each at its model's mean."""
    models = totals.models
    return sum(models[model].mean for model in totals.in_flight.values() if model in models)


def _usd(amount: float) -> str:
    """`$2.50`, `$0.000041`."""
    if amount >= 0.1:
        return f"${amount:.2f}"
    return "$" + f"{amount:.6f}".rstrip("0").rstrip(".")
