"""Captures and recorders as a session has them, for tests of what happens at the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.llm_server import LLMServer

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_layers import layered_cache
from pytest_fapo.answers.shared_answers import SharedAnswers
from pytest_fapo.capture.exchange import Answers
from pytest_fapo.capture.http_capture import Capture
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.core.trace import LLMCall, Step


class Lab:
    """Installs captures on one cache folder and runs things inside a recorder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._current: ExitStack | None = None
        self.recorder = Recorder(pipeline="pipeline", case_id="case")

    def capture(
        self,
        mode: Any = "auto",
        *,
        cached: bool = True,
        files: Sequence[Path] = (),
        shared: str = "",
        **settings: Any,
    ) -> Capture:
        """Replace the installed capture by a new one, as a new session would.

        Args:
            mode: the cache's.
            cached: whether there is a local cache.
            files: exported caches below it.
            shared: URL of answers that machines share.
            settings: of `Capture`.
        """
        if self._current is not None:
            self._current.close()
        self._current = self._stack.enter_context(ExitStack())
        local = AnswerCache(self.folder) if cached else None
        answers = SharedAnswers(shared, writable=mode != "only") if shared else None
        cache: Answers | None = layered_cache(local, files, shared=answers) if files or shared else local
        if cache is not None:
            self._current.callback(cache.close)
        capture = Capture(cache=cache, mode=mode, **settings)
        capture.install()
        self._current.callback(capture.uninstall)
        return capture

    def run(self, function: Callable[[], Any], case_id: str = "case", **settings: Any) -> Any:
        """`function()` in a fresh recorder, which stays in `recorder`."""
        self.recorder = Recorder(pipeline="pipeline", case_id=case_id, **settings)
        with recording(self.recorder):
            return function()

    @property
    def calls(self) -> list[LLMCall]:
        return self.recorder.trace().llm_calls

    @property
    def steps(self) -> list[Step]:
        return self.recorder.trace().steps


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with ExitStack() as stack:
        made = Lab(tmp_path / "cache", stack)
        made.capture()
        yield made
