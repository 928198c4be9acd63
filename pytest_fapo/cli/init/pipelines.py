"""Which functions could be the pipeline, the likeliest first, and which functions are its steps."""

from __future__ import annotations

from pytest_fapo.cli.init.functions import CallGraph, Function

_LIKELY = ("pipeline", "answer", "handle", "process", "run", "ask", "respond", "reply", "chat", "generate")


def pipeline_candidates(graph: CallGraph) -> list[Function]:
    """The functions below which a model is asked, the likeliest first.

    That is one which no other work of the application calls, which case inputs fit, and below which most
    calls lie.
    """
    reaching = graph.reaching()
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
            not function.fits,
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

    A function that several of them use to ask (`llm.ask`) is no step of its own, or every failure would be
    blamed on it. Where such a one stands among the steps they are named one by one, else by their module.
    """
    way = way_to_models(graph, pipeline)
    helpers = {target for target in way if target != pipeline.target and _serves_several(graph, target, way)}
    steps = [graph.functions[target] for target in sorted(way - helpers)]
    apart = {_place(graph.functions[target]) for target in helpers}
    return sorted({step.target if _place(step) in apart else f"{_place(step)}*" for step in steps})


def way_to_models(graph: CallGraph, pipeline: Function) -> set[str]:
    """The pipeline, and all functions below it that lead to a model."""
    return (graph.below(pipeline.target) & set(graph.reaching())) | {pipeline.target}


def _serves_several(graph: CallGraph, target: str, way: set[str]) -> bool:
    callers = [caller for caller in way if target in graph.calls[caller]]
    return target in graph.asking and len(callers) > 1


def _place(function: Function) -> str:
    """What stands before a function's name in an entry: `app.pipeline:` or `app.pipeline:Bot.`."""
    return f"{function.module.name}:{function.owner}." if function.owner else f"{function.module.name}:"
