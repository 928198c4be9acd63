"""Runs whose outputs another process makes: this one judges them, and runs no line of what is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core.errors import PipelineError
from pytest_fapo.core.line_sockets import LineClient
from pytest_fapo.session.capturing import child_request
from pytest_fapo.session.crossing import CannotCross, decode, decode_error
from pytest_fapo.session.execution import Execution

if TYPE_CHECKING:
    from pytest_fapo.core.trace import Trace
    from pytest_fapo.session.case_items import BoundCase
    from pytest_fapo.session.fixture_closure import Closure


@dataclass(eq=False)
class ProducedExecution(Execution):
    """A run that was made elsewhere: its trace is the one that was recorded there."""

    crossed: list[Trace] = field(default_factory=list)

    def _recorded(self) -> Trace:
        return self.crossed[0] if self.crossed else super()._recorded()


class ProducedRuns:
    """The runs of one judging process.

    Args:
        socket: where it asks for outputs.
        items: node ids of the items whose outputs it asks for.
    """

    def __init__(self, socket: str, items: list[str]) -> None:
        self.items = frozenset(items)
        self._client = LineClient(socket)

    def execution(self, item: pytest.Item, bound: BoundCase, **fields: Any) -> Execution:
        """Return a run that asks for its output.

        Args:
            item: it is for.
            bound: its case.
            fields: of the execution, but for the function.
        """
        crossed: list[Trace] = []
        question = {
            "folder": str(Path(item.path).parent),
            "pipeline": bound.pipeline,
            "inputs": bound.case.inputs,
            "repeat": bound.repeat,
            "timeout": fields["timeout"],
            "stage": fields["recorder"].stage,
        }

        def produced(*_arguments: Any, **_keywords: Any) -> Any:
            from pytest_fapo.core.trace import Trace

            try:
                answer = self._client.ask(question)
            except (OSError, ValueError) as error:
                raise PipelineError(f"the process that makes the outputs does not answer: {error}") from None
            if "trace" in answer:
                trace = Trace.model_validate(answer["trace"])
                said = {"pipeline": fields["pipeline"], "case_id": bound.case.id}
                crossed.append(trace.model_copy(update=said))
            if "error" in answer:
                raise decode_error(answer["error"])
            try:
                return decode(answer["output"], frozenset(answer.get("new", ())))
            except CannotCross as error:
                raise PipelineError(f"the pipeline returns {error}") from None

        return ProducedExecution(function=produced, crossed=crossed, **fields)


def produced_runs(config: pytest.Config) -> ProducedRuns | None:
    """Return those of a child that judges outputs made elsewhere; None in any other process."""
    request = child_request(config)
    asked: Mapping[str, Any] | None = request["options"].get("produced") if request is not None else None
    return ProducedRuns(asked["socket"], asked["items"]) if asked else None


def producible_in(item: Any, bound: BoundCase, closure: Closure) -> str:
    """Return the folder in which the run of this item can be made apart from its test; empty where it cannot.

    That is so where nothing but the pipeline's fixture and fixtures of the whole session surround the run,
    all of them from conftest files and plugins, and the test does not take the pipeline itself.
    """
    asks = item._fixtureinfo.argnames
    if closure.feeds_fixtures or closure.surroundings() or closure.parameters() or bound.pipeline in asks:
        return ""
    places = [each.baseid for definitions in closure.definitions.values() for each in definitions]
    if any("::" in place or place.endswith(".py") for place in places):
        return ""
    return str(Path(item.path).parent)
