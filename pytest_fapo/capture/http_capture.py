"""Capture of LLM calls at the HTTP transports of the libraries that make them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import ModuleType
from typing import Any

from pytest_fapo.capture.cache_key import read_question
from pytest_fapo.capture.endpoints import api_of, is_own_endpoint, plausible
from pytest_fapo.capture.exchange import Answers, AnswerSource, Exchange, Ledger, StandIn
from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.library_caches import library_caches_off
from pytest_fapo.capture.mcp_tools import mcp_tools_as_steps
from pytest_fapo.capture.otel_spans import spans_as_steps
from pytest_fapo.capture.recorder import Recorder, current_recorder, recorded_now
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.capture.single_flight import Flights
from pytest_fapo.capture.thread_context import propagating
from pytest_fapo.capture.transports import (
    aiohttp_transport,
    httpx_transport,
    lm15_transport,
    stdlib_http,
    urllib3_transport,
)
from pytest_fapo.capture.transports.transport import Patch, is_sending
from pytest_fapo.core.settings import CacheMode

_TRANSPORTS = (httpx_transport, stdlib_http, urllib3_transport, aiohttp_transport, lm15_transport)

MODULES = {name: transport for transport in _TRANSPORTS for name in transport.MODULES}
"""The modules at whose import their library is patched."""


class Capture:
    """Traces, caches and counts the LLM calls of this process. Install one at a time.

    Args:
        cache: where answers are kept; None keeps none.
        mode: `auto` answers from the cache and records misses, `refresh` asks each question again once,
            `only` never sends anything, `off` neither reads nor writes.
        endpoints: further URL path endings that are LLM endpoints.
        offline: answers what would otherwise be sent.
        ledger: the budget of the pipelines' calls.
        redactor: learns the credentials that requests carry, beside the recorder's own.
        remedy: what to do about a question without an answer under `only`, a sentence.
    """

    def __init__(
        self,
        *,
        cache: Answers | None,
        mode: CacheMode,
        endpoints: Sequence[str] = (),
        offline: StandIn | None = None,
        ledger: Ledger | None = None,
        redactor: Redactor | None = None,
        remedy: str | None = None,
    ) -> None:
        self._source = AnswerSource(cache=cache, mode=mode, offline=offline, ledger=ledger)
        self._source.remedy = remedy or self._source.remedy
        self._endpoints = tuple(endpoints)
        self._redactor = redactor
        self._installed: ExitStack | None = None

    @property
    def problems(self) -> list[str]:
        """The problems with the cache, as text; the calls went on without it."""
        return list(dict.fromkeys([*self._source.problems, *getattr(self._source.cache, "problems", ())]))

    def renew(self, cache: Answers | None, ledger: Ledger | None) -> None:
        """Go on in a fork: with other connections to the cache, and no other thread's request under way."""
        self._inherited = self._source  # closing what belongs to another process would harm it
        self._source = replace(self._source, cache=cache, ledger=ledger, flights=Flights())

    def install(self) -> None:
        """Patch the transports that are loaded, and the others when they are imported."""
        if self._installed is None:
            self._installed = ExitStack()
            self._installed.enter_context(propagating())
            self._installed.enter_context(library_caches_off())
            self._installed.enter_context(spans_as_steps())
            self._installed.enter_context(mcp_tools_as_steps())
            hook = AfterImport(list(MODULES), self._patch)
            self._installed.callback(hook.uninstall)
            hook.install()

    def uninstall(self) -> None:
        """Put the transports back as they were."""
        installed, self._installed = self._installed, None
        if installed is not None:
            installed.close()

    def _patch(self, module: ModuleType) -> None:
        if self._installed is None:
            return
        for patch in MODULES[module.__name__].patches(module, self):
            original = getattr(patch.owner, patch.name)
            setattr(patch.owner, patch.name, patch.replacement)
            self._installed.callback(_restore, patch, original)

    def api(self, method: str, path: str) -> str | None:
        """See `Gate.api`."""
        if is_sending() or not may_belong_to_run():
            return None
        return api_of(method, path, self._endpoints)

    def exchange(
        self, api: str, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> Exchange | None:
        """See `Gate.exchange`."""
        question = read_question(api, method, url, headers, content)
        recorder = run_of_request(question.body)
        if recorder is None:
            return None
        if not plausible(api, question.body):
            if not is_own_endpoint(question.path, self._endpoints):
                return None
            question = replace(question, api="other")
        if self._redactor is not None:
            for secret in question.secrets:
                self._redactor.add_secret(secret)
        return Exchange(self._source, recorder, question)


def _restore(patch: Patch, original: Any) -> None:
    # Somebody else may have patched on top of us: then ours stays below, and finds no recorder.
    if getattr(patch.owner, patch.name) is patch.replacement:
        setattr(patch.owner, patch.name, original)


_QUOTABLE = 8
"""Characters of an input that is no other text's by chance."""


def may_belong_to_run() -> bool:
    """True if a request of the calling code may belong to a run."""
    if current_recorder() is not None:
        return True
    return threading.current_thread() is not threading.main_thread() and bool(recorded_now())


def run_of_request(body: Any) -> Recorder | None:
    """Return the recorder of the run that a request belongs to; None outside of every run.

    A thread that outlives its run, or that is older than all, works for the run under way whose inputs the
    request quotes.

    Args:
        body: of the request, as data.
    """
    current, under_way = current_recorder(), recorded_now()
    if not under_way or current in under_way or (current is not None and current.stopped is not None):
        return current
    said = "\n".join(_texts_in(body))
    if current is not None and _quotes(said, current):
        return current
    quoted = [recorder for recorder in under_way if _quotes(said, recorder)]
    if len(quoted) == 1:
        return quoted[0]
    return under_way[0] if current is not None and len(under_way) == 1 else current


def _quotes(said: str, recorder: Recorder) -> bool:
    """True if a request holds one of the texts that the case gives."""
    return any(len(text) >= _QUOTABLE and text in said for text in _texts_in(recorder.inputs))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts_in(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts_in(each))
