"""The parameters that a step was seen to use: in its source, its arguments, its requests, its output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_fapo.diagnose.links.functions import called_in
from pytest_fapo.diagnose.links.naming import last_name, reads
from pytest_fapo.diagnose.roles import role_of, snake
from pytest_fapo.models import Artifact
from pytest_fapo.reading import StepView, TraceView

MAX_VIEWS = 12


def params_of_step(
    step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact], functions: Sequence[Artifact]
) -> list[str]:
    """Addresses of the parameters that a step uses, those seen at work before those only named in its code.

    Args:
        step: the step's key.
        views: the traces of its pipeline.
        artifacts: of all levels.
        functions: the step's own function, its callers and what it calls.
    """
    params = [artifact for artifact in artifacts if artifact.level == "param"]
    if not params or not step:
        return []
    used = [found for view in views if (found := view.by_key(step)) is not None][:MAX_VIEWS]
    sources = _sources(step, functions)
    seen = [param for param in params if _at_work(param, used)]
    named = [param for param in params if param not in seen and _named(param, sources)]
    return [param.address for param in (*seen, *named)]


def _sources(step: str, functions: Sequence[Artifact]) -> list[str]:
    """The step's own function and what it calls; its callers' code is about other steps too."""
    name = step.partition("#")[0].rpartition(".")[2]
    own = [artifact for artifact in functions if artifact.name.rpartition(".")[2] == name]
    called = {each for artifact in own for each in called_in(artifact.text)}
    return [
        artifact.text
        for artifact in functions
        if artifact in own or artifact.name.rpartition(".")[2] in called
    ]


def _named(param: Artifact, sources: Iterable[str]) -> bool:
    return any(reads(source, last_name(param.address)) for source in sources)


def _at_work(param: Artifact, used: Sequence[StepView]) -> bool:
    """Whether the parameter's value shows under a name of its role in what the step was given or sent."""
    role, value = role_of(param.address), _value(param)
    if value is None or not used:
        return False
    if role is None:
        return any(_has_named(step.step.inputs, snake(last_name(param.address)), value) for step in used)
    if role == "model":
        return any(call.model == value for step in used for call in step.calls)
    if any(_has(step.step.inputs, role, value) for step in used):
        return True
    if any(_has(call.parameters, role, value) for step in used for call in step.calls):
        return True
    if role == "turns":
        return bool(max((len(step.calls) for step in used), default=0) == value)
    lists = [step.output for step in used if isinstance(step.output, list) and not step.calls]
    return role == "depth" and len(lists) >= 3 and {len(output) for output in lists} == {value}


def _has(given: Any, role: str, value: Any) -> bool:
    return isinstance(given, Mapping) and any(
        role_of(str(name)) == role and type(found) is type(value) and found == value
        for name, found in given.items()
    )


def _has_named(given: Any, name: str, value: Any) -> bool:
    """Whether an argument of a parameter's own name has its value."""
    return isinstance(given, Mapping) and any(
        snake(str(each)) == name and type(found) is type(value) and found == value
        for each, found in given.items()
    )


def _value(param: Artifact) -> Any:
    try:
        return json.loads(param.text)
    except ValueError:
        return None
