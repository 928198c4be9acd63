"""The plugin of a child that makes outputs and judges nothing: no test and no label is in its reach.

It sets up the pipelines' fixtures in one item of its own, then calls them with the inputs that its parent
sends, as many at once as are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from pytest_fapo.core.case import Case
from pytest_fapo.core.line_sockets import LineServer
from pytest_fapo.core.stash import SESSION_KEY
from pytest_fapo.session.case_items import BoundCase
from pytest_fapo.session.crossing import CannotCross, encode, encode_error
from pytest_fapo.session.execution import Execution, bound_to_thread
from pytest_fapo.session.executor import Executor
from pytest_fapo.session.fapo_session import FapoSession
from pytest_fapo.session.pipeline_fixture import pipeline_of
from pytest_fapo.shadow.child_plugin import ChildPlugin, neutralize

MODULE = """def test_fapo_produces(request):
    request.config.pluginmanager.get_plugin("fapo-child").serve(request)
"""
"""The one test module of such a child."""

ARGUMENTS = ["-o", "python_functions=test_fapo_*"]

_AT_ONCE = 256
"""Runs at once; who judges asks for no more than the project's settings allow."""


class ProducerPlugin(ChildPlugin):
    """Collects nothing but `MODULE`, and serves until its parent has had enough."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, Any]:
        neutralize(config.option)
        for name in ("keyword", "markexpr"):
            setattr(config.option, name, "")
        config.args = [self._asked["module"]]
        return (yield)

    @property
    def _asked(self) -> dict[str, Any]:
        asked: dict[str, Any] = self.spec["request"]["options"]["produce"]
        return asked

    def serve(self, request: pytest.FixtureRequest) -> None:
        """Set the pipelines up, and give outputs until the parent says that it was the last one."""
        config = request.config
        if config.pluginmanager.hasplugin("timeout"):
            config.hook.pytest_timeout_cancel_timer(item=request.node)
        pipelines = {name: pipeline_of(request, name) for name in self._asked["pipelines"]}
        session = config.stash.setdefault(SESSION_KEY, FapoSession(config))
        session.activate()
        executor, in_turn = Executor(_AT_ONCE), SimpleQueue[Execution | None]()

        def answer(question: Any) -> Any:
            if question is None:
                return in_turn.put(None)
            asked = (question, pipelines[question["pipeline"]], session, request.node)
            execution = _execution(*asked)
            executor.submit(execution)
            execution.done.wait()
            if bound_to_thread(execution):
                execution = _execution(*asked)
                in_turn.put(execution)
                execution.done.wait()
            return _produced(execution)

        server = LineServer(Path(self._asked["socket"]), answer)
        while (execution := in_turn.get()) is not None:
            executor.call_here(execution)
        server.close()
        executor.close()


def _execution(
    question: dict[str, Any], function: Callable[..., Any], session: FapoSession, item: pytest.Item
) -> Execution:
    case = Case(id="case", inputs=question["inputs"])
    bound = BoundCase(case, question["pipeline"], question["timeout"], "case", question["repeat"])
    recorder = session.recorder(item, bound, bound.pipeline)
    recorder.stage = question["stage"]
    return Execution(
        case=case,
        pipeline=bound.pipeline,
        function=function,
        recorder=recorder,
        trace_id="case",
        timeout=bound.timeout,
    )


def _produced(execution: Execution) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if execution.trace is not None:
        answer["trace"] = execution.trace.model_dump(mode="json")
    if execution.error is not None:
        return {**answer, "error": encode_error(execution.error)}
    try:
        return {**answer, "output": encode(execution.output)}
    except CannotCross as reason:
        said = f"the pipeline returns {reason}, which tests of outputs made elsewhere cannot be given"
        return {**answer, "error": {"class": "builtins:TypeError", "args": [said], "state": {}, "text": said}}
