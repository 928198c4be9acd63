"""One captured request from its cache key to its record: replayed, joined to an identical one, or sent.

Knows neither HTTP libraries nor the difference of sync and async. What it needs of `answers` are
protocols: `Answers` (a cache), `Ledger` (a budget) and `StandIn` (answers without a provider).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from pytest_fapo.capture.answer_reading import CUT, answer_flaw, read_http_answer
from pytest_fapo.capture.answer_writing import text_of, written_answer
from pytest_fapo.capture.cache_key import Question
from pytest_fapo.capture.descriptions import descriptions_of
from pytest_fapo.capture.endpoints import messages_of, offered_tools, output_tools, parameters_of
from pytest_fapo.capture.http_answer import LONGEST_WAIT, RecordedAnswer
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.single_flight import Flight, Flights, RemoteFlight
from pytest_fapo.core.errors import CacheMiss, CallStopped, FapoError
from pytest_fapo.core.settings import CacheMode
from pytest_fapo.core.trace import LLMCall, Usage


class Answers(Protocol):
    """Recorded answers by key: a cache, or several as one. One that other processes share has also
    `claim(key) -> bool`, False while another one asks for that answer, and `release(key)`."""

    def get(self, key: str) -> RecordedAnswer | None:
        """Return the answer under `key`; None where there is none that can be used."""

    def put(self, key: str, recorded: RecordedAnswer) -> None:
        """Keep an answer."""

    def keys(self) -> list[str]:
        """Return all keys, sorted."""

    def close(self) -> None:
        """Let go of all files."""


class Ledger(Protocol):
    """Keeps the budget. Where it also has `admit(*, model, api) -> bool`, requests made on an event loop ask
    that instead of `before_call`, and again shortly after a False. Where it has `put_off(url, seconds)` and
    `put_off_until(url)`, a provider's `retry-after` holds for all that share the budget."""

    def before_call(self, *, model: str, api: str) -> None:
        """A request is about to be sent.

        Raises:
            BudgetExceeded: it must not be.
        """

    def after_call(self, call: LLMCall) -> None:
        """A request that `before_call` let through has ended, or an answer came without sending
        (`call.cache_hit`)."""


class StandIn(Protocol):
    """Answers in the provider's place; see `pytest_fapo.answers.offline`."""

    @property
    def fingerprint(self) -> str:
        """Changes when the stand-in does; a part of the cache key of its answers."""

    def answer(self, question: Question) -> RecordedAnswer:
        """Its answer as an HTTP answer."""


class OptimizerScope(NamedTuple):
    """The calls in this context are the optimizer's own."""

    ledger: Ledger | None


OPTIMIZER: ContextVar[OptimizerScope | None] = ContextVar("pytest_fapo_optimizer", default=None)


@contextmanager
def optimizer_calls(ledger: Ledger | None = None, stage: str = "") -> Iterator[Recorder]:
    """Capture the LLM calls of the body as the optimizer's: cached and counted like any, but by `ledger`, and
    never answered by the project's offline model.

    Yields:
        the recorder of these calls.
    """
    recorder = Recorder(pipeline="", case_id="optimizer", step_functions=False)
    recorder.stage = stage
    token = OPTIMIZER.set(OptimizerScope(ledger))
    try:
        with recording(recorder):
            yield recorder
    finally:
        OPTIMIZER.reset(token)


_COME_AGAIN = (429, 503, 529)
"""Statuses of a provider that has too much to do."""

_MESSAGE_CHARACTERS = 80

_NO_TOKENS = Usage()


def _is_flat(message: Any) -> bool:
    """True for a message of texts alone."""
    return type(message) is dict and all(type(part) is str for part in message.values())


@dataclass
class AnswerSource:
    """The state shared by all requests of one process."""

    cache: Answers | None
    mode: CacheMode
    offline: StandIn | None = None
    ledger: Ledger | None = None
    remedy: str = "Run once with --fapo-cache=auto to record it."
    """The advice for a question without a recorded answer under `only`."""
    flights: Flights = field(default_factory=Flights)
    refreshed: set[str] = field(default_factory=set)
    """Keys asked again in this session under `refresh`."""
    problems: list[str] = field(default_factory=list)
    """The problems with the cache, as text; calls go on without it."""
    put_off: dict[str, float] = field(default_factory=dict)
    """Host to the epoch seconds before which it wants no request (`retry-after`)."""

    def look_up(self, key: str, *, own: bool = False) -> RecordedAnswer | None:
        """Return the recorded answer; with `own`, only one that was recorded here and came in no file."""
        if self.cache is None or self.mode == "off" or (self.mode == "refresh" and key not in self.refreshed):
            return None
        try:
            found = self.cache.get(key)
            return None if found is not None and found.imported and own else found
        except (FapoError, OSError, sqlite3.Error) as error:
            self._complain(error)
            return None

    def keep(self, key: str, answer: RecordedAnswer) -> None:
        if self.cache is None or self.mode == "off":
            return
        try:
            self.cache.put(key, answer)
            self.refreshed.add(key)
        except (FapoError, OSError, sqlite3.Error) as error:
            self._complain(error)

    def claim(self, key: str) -> bool:
        """False while another process asks for this answer; else it is ours to ask for until `release`."""
        ask = getattr(self.cache, "claim", None)
        return ask is None or self.mode == "refresh" or bool(ask(key))

    def release(self, key: str) -> None:
        """Let other processes ask for this answer."""
        let = getattr(self.cache, "release", None)
        if let is not None:
            let(key)

    def _complain(self, error: Exception) -> None:
        message = str(error) if isinstance(error, FapoError) else f"{type(error).__name__}: {error}"
        if message not in self.problems:
            self.problems.append(message)


class Exchange:
    """The life of one request.

    Its driver calls `next_move` until it knows what to do, and ends it by `replayed`, `finish` or `fail`.
    """

    def __init__(self, source: AnswerSource, recorder: Recorder, question: Question) -> None:
        self.source = source
        self.recorder = recorder
        self.question = question
        scope = OPTIMIZER.get()
        self.ledger = scope.ledger if scope is not None else source.ledger
        self.offline = source.offline if scope is None else None
        # What the optimizer is told may become code: nobody's file may answer in its place.
        self._own = scope is not None
        self.occurrence = recorder.occurrence(question.digest)
        fingerprint = self.offline.fingerprint if self.offline else ""
        # What is embedded is data: it says nothing of who asks.
        said = messages_of(question.api, question.body) if "embed" not in question.api else []
        place = recorder.locate_call(said)
        self._sample = recorder.sample(place)
        self.key = question.key(self.occurrence, fingerprint, self._sample)
        for secret in question.secrets:
            recorder.redactor.add_secret(secret)
        self._asked = self._describe_request()
        self._index = recorder.begin_call(self._asked, question.digest, place)
        self._given = recorder.replaced_answer(self._index)
        self._took: float | None = None
        """Seconds that the live call took, where the answer is a replay that has them on record."""
        self._flight: Flight | None = None
        self._claimed = False
        self._admitted = False
        self.finished = False
        self._lock = Lock()

    def next_move(self, waited: Flight | None, *, alone: bool = False) -> RecordedAnswer | Flight | None:
        """Return the next action: replay an answer, wait for a flight, or (None) send the request as its
        leader.

        Args:
            waited: the flight that the driver has just waited for.
            alone: the flight cannot be waited for; send without joining it.

        Raises:
            CacheMiss: nothing is recorded and nothing may be sent.
        """
        if self.recorder.stopped is not None:
            raise self.recorder.stopped
        if waited is not None and waited.answer is not None:
            return waited.answer
        if self._given is not None:
            return written_answer(self.question.api, self.question.body, self._given, self.question.url)
        found = self._recorded()
        if found is not None:
            return found
        if self.source.mode == "only":
            raise CacheMiss(self._miss_message())
        if alone or self.source.mode == "off":
            return None
        if self._flight is None:
            flight, leads = self.source.flights.join(self.key)
            if not leads:
                return flight
            self._flight = flight
        if not self._claimed and not self._claim():
            return RemoteFlight(self._look_up, self._claim)
        # It may have been answered between the look into the cache and here.
        return self._look_up()

    def _look_up(self) -> RecordedAnswer | None:
        return self.source.look_up(self.key, own=self._own)

    def _claim(self) -> bool:
        """True if no other process is at it; what costs nothing, or only we may answer, is nobody else's."""
        self._claimed = self._own or self.offline is not None or self.source.claim(self.key)
        return self._claimed

    def _recorded(self) -> RecordedAnswer | None:
        """Return the recorded answer; under `only` also what the provider said before the stand-in had to
        answer.
        """
        found = self._look_up()
        if found is None and self.source.mode == "only" and self.offline is not None:
            key = self.question.key(self.occurrence, "", self._sample)
            found = self.source.look_up(key)
            if found is not None:
                self.key = key
                self._asked = self._asked.model_copy(update={"key": key})
        return found

    def admit(self) -> None:
        """Ask the budget; to be called right before sending.

        Raises:
            BudgetExceeded: the request must not be sent.
        """
        if self.ledger is not None:
            self.ledger.before_call(model=self.question.model, api=self.question.api)
        self._admitted = True

    def put_off(self) -> bool:
        """True while the provider wants no request, as it told whoever asked it last.

        Raises:
            CallStopped: the run has ended meanwhile.
        """
        if self.recorder.stopped is not None:
            raise self.recorder.stopped
        until = self.source.put_off.get(urlsplit(self.question.url).netloc, 0.0)
        shared = getattr(self.ledger, "put_off_until", None)
        until = max(until, shared(self.question.url) if shared is not None else 0.0)
        return 0 < until - time.time() <= LONGEST_WAIT  # longer only where the clock was set back

    def try_admit(self) -> bool:
        """As `admit`, without blocking where the ledger can do so: False asks to come again."""
        ask = getattr(self.ledger, "admit", None)
        if ask is None:
            self.admit()
        elif not ask(model=self.question.model, api=self.question.api):
            return False
        self._admitted = True
        return True

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Record any exception raised in the body as the end of the request."""
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise

    def replayed(self, answer: RecordedAnswer) -> None:
        """The request was answered without being sent."""
        self._took = answer.duration
        self._finish(answer, self._read(answer, cache_hit=True), keep=False)

    def finish(self, answer: RecordedAnswer, *, exhausted: bool, error: BaseException | None = None) -> None:
        """The answer to the sent request came in, whole or not.

        Args:
            answer: what came in.
            exhausted: whether the body was read to its end.
            error: what broke the body off.
        """
        good = 200 <= answer.status < 300
        if answer.status in _COME_AGAIN and answer.retry_after:
            self._put_off(answer.retry_after)
        why = (
            answer_flaw(self.question.api, answer, exhausted=exhausted, asked=self.question.body)
            if good
            else ""
        )
        whole = good and not why
        call = self._read(answer, cache_hit=False)
        # Who stops reading early has no whole answer either, but the provider is not to blame.
        if why and call.error is None and (error is not None or exhausted or why != CUT):
            words = self.recorder.describe(error) if error is not None else why
            call = call.model_copy(update={"error": words})
        self._finish(answer if whole else None, call, keep=True)

    def _put_off(self, seconds: float) -> None:
        """Let nobody ask this provider for so long."""
        self.source.put_off[urlsplit(self.question.url).netloc] = time.time() + seconds
        share = getattr(self.ledger, "put_off", None)
        if share is not None:
            share(self.question.url, seconds)

    def fail(self, error: BaseException) -> None:
        """No answer came."""
        if isinstance(error, CallStopped):
            self.recorder.violations.append(error)
        call = self._asked.model_copy(update={"error": self.recorder.describe(error)})
        self._finish(None, call, keep=False)

    def _finish(self, answer: RecordedAnswer | None, call: LLMCall, *, keep: bool) -> None:
        with self._lock:
            if self.finished:
                return
            self.finished = True
        if answer is not None and keep:
            # The live time stays with the answer: a replay is no faster than the model was.
            self._took = self.recorder.elapsed(self._index)
            answer = answer.with_duration(self._took)
            self.source.keep(self.key, answer)
        if answer is None:
            self.recorder.release(self.question.digest, self.occurrence)
        if self._flight is not None:
            self.source.flights.land(self.key, self._flight, answer)
        if self._claimed:
            self.source.release(self.key)
        ended = self.recorder.end_call(self._index, call, duration=self._took)
        if self.ledger is not None and (self._admitted or ended.cache_hit):
            self.ledger.after_call(ended)

    def _describe_request(self) -> LLMCall:
        question = self.question
        json = self.recorder.json
        as_it_is = self.recorder.keeps(question.content)
        return LLMCall.of_valid(
            key=self.key,
            api=question.api,
            url=self.recorder.redactor(question.url),
            model=question.model,
            messages=[
                message.copy() if as_it_is and _is_flat(message) else json(message)
                for message in messages_of(question.api, question.body)
            ],
            parameters={name: json(value) for name, value in parameters_of(question.body).items()},
            offered=offered_tools(question.body),
            descriptions=[str(json(text)) for text in descriptions_of(question.body)],
            streamed=question.streams,
            usage=_NO_TOKENS,
        )

    def _read(self, answer: RecordedAnswer, *, cache_hit: bool) -> LLMCall:
        reading = read_http_answer(self.question.api, answer)
        redact = self.recorder.redactor
        error = reading.error
        if answer.status >= 300 or error:
            error = redact(f"HTTP {answer.status}: {error}" if error else f"HTTP {answer.status}")
        said = reading.answer
        if said is None and len(reading.tool_calls) == 1:
            (call,) = reading.tool_calls
            if call.name in output_tools(self.question.body):
                said = text_of(call.arguments)
        return self._asked.updated(
            answer=None if said is None else str(self.recorder.json(said)),
            tool_calls=[
                call.model_copy(update={"arguments": self.recorder.json(call.arguments)})
                for call in reading.tool_calls
            ],
            finish_reason=reading.finish_reason,
            refusal=None if reading.refusal is None else redact(reading.refusal),
            usage=reading.usage,
            cache_hit=cache_hit,
            offline=answer.offline,
            status=answer.status,
            error=error or None,
        )

    def _miss_message(self) -> str:
        question = self.question
        messages = messages_of(question.api, question.body)
        last = messages[-1] if messages else ""
        content = last.get("content") if isinstance(last, dict) else last
        words = " ".join(str(self.recorder.json(content)).split())
        words = (
            words
            if len(words) <= _MESSAGE_CHARACTERS
            else words[:_MESSAGE_CHARACTERS].rsplit(" ", 1)[0] + " …"
        )
        sample = f", asked for the {self.occurrence}. time" if self.occurrence > 1 else ""
        return (
            f"--fapo-cache=only: no recorded answer to {question.method} {question.path}"
            f" (model {question.model or 'not named'}{sample}): {words!r}."
            f" {self.source.remedy}"
        )
