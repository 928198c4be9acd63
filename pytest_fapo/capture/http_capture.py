"""Capture of LLM calls at the HTTP transports of httpx and httpx2, also with aiohttp below them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from pytest_fapo.capture.cache_key import read_question
from pytest_fapo.capture.endpoints import api_of, plausible
from pytest_fapo.capture.exchange import Answers, AnswerSource, Exchange, Ledger, StandIn
from pytest_fapo.capture.http_transport import AIOHTTP_NAMES, NAMES, HttpLibrary, transports_of
from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.library_caches import library_caches_off
from pytest_fapo.capture.recorder import current_recorder
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.capture.thread_context import propagating
from pytest_fapo.core.settings import CacheMode

_CAPTURED: ContextVar[bool] = ContextVar("pytest_fapo_captured", default=False)
"""Set while a captured request is being sent, so that a second capture around it lets it pass."""


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

    def install(self) -> None:
        """Patch the transports that are loaded, and the others when they are imported."""
        if self._installed is None:
            self._installed = ExitStack()
            self._installed.enter_context(propagating())
            self._installed.enter_context(library_caches_off())
            hook = AfterImport([*NAMES, *AIOHTTP_NAMES], self._patch)
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
        for httpx, owner, name in transports_of(module):
            make = self._sync_handler if name == "handle_request" else self._async_handler
            original = getattr(owner, name)
            patched = make(HttpLibrary(httpx), original)
            setattr(owner, name, patched)
            self._installed.callback(_restore_transport, owner, name, patched, original)

    def _sync_handler(self, library: HttpLibrary, original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(transport: Any, request: Any) -> Any:
            api = self._api(request)
            if api is None:
                return original(transport, request)
            request.read()
            exchange = self._exchange(api, request)
            if exchange is None:
                return original(transport, request)

            def send() -> Any:
                token = _CAPTURED.set(True)
                try:
                    return original(transport, request)
                finally:
                    _CAPTURED.reset(token)

            return library.send(exchange, request, send)

        return handle_request

    def _async_handler(self, library: HttpLibrary, original: Callable[..., Any]) -> Callable[..., Any]:
        async def handle_async_request(transport: Any, request: Any) -> Any:
            api = self._api(request)
            if api is None:
                return await original(transport, request)
            await request.aread()
            exchange = self._exchange(api, request)
            if exchange is None:
                return await original(transport, request)

            async def send() -> Any:
                token = _CAPTURED.set(True)
                try:
                    return await original(transport, request)
                finally:
                    _CAPTURED.reset(token)

            return await library.send_async(exchange, request, send)

        return handle_async_request

    def _api(self, request: Any) -> str | None:
        """The API of a request that is to be captured; None for all others."""
        if current_recorder() is None or _CAPTURED.get():
            return None
        return api_of(request.method, request.url.path, self._endpoints)

    def _exchange(self, api: str, request: Any) -> Exchange | None:
        recorder = current_recorder()
        question = read_question(api, request.method, str(request.url), request.headers, request.content)
        if recorder is None or not plausible(api, question.body):
            return None
        if self._redactor is not None:
            for secret in question.secrets:
                self._redactor.add_secret(secret)
        return Exchange(self._source, recorder, question)


def _restore_transport(owner: type, name: str, patched: Any, original: Any) -> None:
    # Somebody else may have patched on top of us: then ours stays below, and finds no recorder.
    if getattr(owner, name) is patched:
        setattr(owner, name, original)
