"""Which functions could be the pipeline, the likeliest first, and which functions are its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pytest_fapo.cli.init.fixture import subject_of
from pytest_fapo.cli.init.functions import CallGraph, Function
from pytest_fapo.cli.init.sources import SourceModule

_CLIENTS = re.compile(r"llm|client|model|provider|openai|anthropic|completion|gateway|backend", re.I)
_LIKELY = ("pipeline", "answer", "handle", "process", "run", "ask", "respond", "reply", "chat", "generate")


def pipeline_candidates(graph: CallGraph, modules: Mapping[str, SourceModule]) -> list[Function]:
    """The functions below which a model is asked, the likeliest first.

    That is one which case inputs fit, which no other work of the application calls, and below which most
    calls lie.

    Args:
        graph: the application's functions.
        modules: its modules by name.
    """
    reaching = graph.reaching
    called = {
        target
        for caller in reaching
        if not graph.functions[caller].is_entry and graph.functions[caller].takes
        for target in graph.calls[caller]
    }
    candidates = [
        graph.functions[target]
        for target in reaching
        if not graph.functions[target].node.name.startswith("__") or target.endswith(".__call__")
    ]
    return sorted(
        candidates,
        key=lambda function: (
            bool(subject_of(function, modules).left_to_do),
            function.is_entry,
            function.target in called,
            function.is_private,
            -len(reaching[function.target]),
            -len(graph.below(function.target) & set(reaching)),
            not any(word in function.node.name for word in _LIKELY),
            function.target,
        ),
    )


def step_patterns(graph: CallGraph, pipeline: Function) -> list[str]:
    """Entries of the setting `steps`: the pipeline and what it calls on the way to a model.

    What they only use to ask (`llm.ask`) is no step of its own, or every failure would be blamed on it. Where
    such a one stands among the steps they are named one by one, else by their module.
    """
    way = way_to_models(graph, pipeline)
    helpers = {target for target in way if target != pipeline.target and _only_asks(graph, target)}
    steps = [graph.functions[target] for target in sorted(way - helpers)]
    apart = {_place(graph.functions[target]) for target in helpers}
    return sorted({step.target if _place(step) in apart else f"{_place(step)}*" for step in steps})


def way_to_models(graph: CallGraph, pipeline: Function) -> set[str]:
    """The pipeline, and all functions below it that lead to a model."""
    return (graph.below(pipeline.target) & set(graph.reaching)) | {pipeline.target}


def _only_asks(graph: CallGraph, target: str) -> bool:
    """Whether a function asks a model for whoever calls it, and so is no piece of work by itself."""
    callers = [caller for caller, called in graph.calls.items() if target in called]
    module = graph.functions[target].module.name.rpartition(".")[2]
    return target in graph.asking and (len(callers) > 1 or bool(_CLIENTS.search(module)))


def _place(function: Function) -> str:
    """What stands before a function's name in an entry: `app.pipeline:` or `app.pipeline:Bot.`."""
    return f"{function.module.name}:{function.owner}." if function.owner else f"{function.module.name}:"
