"""Units of work that frameworks name: a LangGraph node, an agent, a DSPy predictor, a Haystack component.

They are read from the frames of the frameworks' own functions, so that nothing is imported or patched, and so
that it works wherever their frames are on the logical stack.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple


class WorkUnit(NamedTuple):
    """A unit of work under way."""

    name: str
    key: Any = None
    """Equal for all calls of one execution of the unit; None if that is not known."""
    holds_functions: bool = False
    """True if the user's functions below are the unit's own work, as in a node; False if they are something
    else, as an agent's tools."""
    is_vague: bool = False
    """True if the name is the framework's own, given to every such unit: it counts if nothing else tells."""


Reader = Callable[[FrameType], WorkUnit | None]

_VAGUE_NODES = frozenset({"agent", "model", "tools", "call_model", "generate_structured_response"})
_UNTOLD = frozenset({"", "Agent", "LangGraph"})


def _node(frame: FrameType) -> WorkUnit | None:
    """LangGraph: `run_with_retry(task, ...)`."""
    task = frame.f_locals.get("task")
    name = _text(task, "name")
    if not name or name.startswith("__"):
        return None
    return WorkUnit(name, _text(task, "id") or None, holds_functions=True, is_vague=name in _VAGUE_NODES)


def _component(frame: FrameType) -> WorkUnit | None:
    """Haystack: `_run_component(component_name, ...)`."""
    name = frame.f_locals.get("component_name")
    return WorkUnit(name, holds_functions=True) if isinstance(name, str) and name else None


def _task(frame: FrameType) -> WorkUnit | None:
    """CrewAI: a task by its name, else by the role of the agent that works on it."""
    task = frame.f_locals.get("self")
    agent = frame.f_locals.get("agent") or getattr(task, "agent", None)
    name = _text(task, "name") or _text(agent, "role")
    return WorkUnit(name, key=task) if name else None


def _key_of_map(frame: FrameType) -> WorkUnit | None:
    """LangChain: one branch of a RunnableParallel or of `assign`."""
    key = frame.f_locals.get("key")
    return WorkUnit(key) if isinstance(key, str) else None


def _run_name(frame: FrameType) -> WorkUnit | None:
    """LangChain: `with_config(run_name=...)`."""
    config = frame.f_locals.get("config")
    name = config.get("run_name") if isinstance(config, dict) else None
    return WorkUnit(name) if isinstance(name, str) and name not in _UNTOLD else None


def _graph(frame: FrameType) -> WorkUnit | None:
    """LangGraph: a compiled graph that was given a name, as agents are."""
    name = _text(frame.f_locals.get("self"), "name")
    return WorkUnit(name) if name not in _UNTOLD else None


def _predictor(frame: FrameType) -> WorkUnit | None:
    """DSPy: the predictor's path in the outermost module around it, else the name of its signature; the turns
    of one ReAct are one execution."""
    predictor = frame.f_locals.get("self")
    name = getattr(getattr(predictor, "signature", None), "__name__", "")
    name, turns = "" if name == "StringSignature" else name, None
    around = frame.f_back
    while around is not None:
        if around.f_globals.get("__name__") in _DSPY_MODULES and around.f_code.co_name in _CALLS:
            module = around.f_locals.get("self")
            name = _name_inside(module, predictor) or name
            turns = around.f_locals.get("trajectory") if turns is None else turns
        around = around.f_back
    return WorkUnit(name, turns) if name else None


def _name_inside(module: Any, predictor: Any) -> str:
    """Return the path at which a DSPy module holds a predictor; a chain's inner `predict` is the chain
    itself.
    """
    try:
        held = module.named_predictors()
        path = str(next((name for name, each in held if each is predictor), ""))
    except Exception:
        return ""
    return "" if path in ("self", "predict") else path.removesuffix(".predict")


def _agent(frame: FrameType) -> WorkUnit | None:
    """Any framework's object of a class named `...Agent` that has a name."""
    values = frame.f_locals
    for variable in _AGENT_VARIABLES:
        agent = values.get(variable)
        if agent is None or not any(base.__name__.endswith("Agent") for base in type(agent).__mro__):
            continue
        name = _text(agent, "name")
        if name not in _UNTOLD:
            return WorkUnit(name)
    return None


def _text(owner: Any, attribute: str) -> str:
    try:
        value = getattr(owner, attribute, "")
    except Exception:  # a property of somebody else's
        return ""
    return value if isinstance(value, str) else ""


_AGENT_VARIABLES = ("current_agent", "execution_agent", "public_agent", "agent", "self")

_DSPY_MODULES = frozenset({"dspy.primitives.module", "dspy.predict.react"})
_CALLS = frozenset({"__call__", "acall", "forward", "aforward"})

_INVOKE = frozenset({"invoke", "ainvoke", "stream", "astream", "transform", "atransform"})

_READERS: tuple[tuple[str, frozenset[str], Reader], ...] = (
    ("langgraph.pregel", frozenset({"run_with_retry", "arun_with_retry"}), _node),
    ("langgraph.pregel", _INVOKE, _graph),
    ("langchain_core.runnables.base", frozenset({"_invoke_step", "_ainvoke_step"}), _key_of_map),
    ("langchain_core.runnables.base", _INVOKE, _run_name),
    ("langchain_core.language_models.chat_models", _INVOKE, _run_name),
    ("haystack.", frozenset({"_run_component", "_run_component_async"}), _component),
    ("crewai.task", frozenset({"_execute_core", "_aexecute_core"}), _task),
    ("dspy.predict.predict", frozenset({"forward", "aforward"}), _predictor),
)


def reader_of(frame: FrameType) -> Reader | None:
    """Return what reads the unit off the frames of this frame's function; None for most functions."""
    return _reader_for(frame.f_code, _module_of(frame))


def _module_of(frame: FrameType) -> str:
    """Return the module that a frame's code is in, by its file: CrewAI overwrites the names of its
    modules.
    """
    parts = PurePath(frame.f_code.co_filename).with_suffix("").parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts:
            return ".".join(parts[len(parts) - parts[::-1].index(folder) :])
    return str(frame.f_globals.get("__name__", ""))


def _reader_for(code: CodeType, module: str) -> Reader | None:
    for prefix, names, reader in _READERS:
        if module.startswith(prefix) and code.co_name in names:
            return reader
    return _agent if _may_hold_agent(code, module) else None


def _may_hold_agent(code: CodeType, module: str) -> bool:
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if any(name in arguments for name in _AGENT_VARIABLES[:-1]):
        return True
    return "agent" in module and arguments[:1] == ("self",)
