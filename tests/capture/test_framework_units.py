"""Steps take their names from frameworks where these tell: stand-ins with the frameworks' own frames.

The frameworks themselves are driven in `tests/frameworks`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

LIBRARIES = {
    "langgraph/pregel/_retry.py": """
def run_with_retry(task): return task.proc()
class Task:
    def __init__(self, name, id, proc): self.name, self.id, self.proc = name, id, proc
""",
    "langgraph/pregel/main.py": """
from langgraph.pregel._retry import Task, run_with_retry
class Pregel:
    def __init__(self, nodes, name="LangGraph"): self.nodes, self.name, self.runs = nodes, name, 0
    def invoke(self):
        self.runs += 1
        return [run_with_retry(Task(n, f"{id(self)}-{self.runs}-{n}", f)) for n, f in self.nodes.items()]
""",
    "agents/run.py": """
class Agent:
    def __init__(self, name, model, tools=()): self.name, self.model, self.tools = name, model, tools
def run_single_turn(agent, said): return agent.model(said)
def run(starting_agent, said):
    current_agent = starting_agent
    run_single_turn(current_agent, said)
    for tool in current_agent.tools:
        result = {"role": "tool", "tool_call_id": "1", "content": str(tool())}
        call = {"id": "1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
        said = [*said, {"role": "assistant", "content": None, "tool_calls": [call]}, result]
        run_single_turn(current_agent, said)
""",
    "dspy/predict/predict.py": """
class Predict:
    def __init__(self, signature, ask): self.signature, self.ask = signature, ask
    def forward(self, **inputs): return self.ask()
    def named_predictors(self): return [("self", self)]
""",
    "dspy/primitives/module.py": """
from dspy.predict.predict import Predict
class Module:
    def __call__(self, **inputs): return self.forward(**inputs)
    def named_predictors(self):
        for name, value in vars(self).items():
            if isinstance(value, Predict): yield name, value
            elif isinstance(value, Module):
                for inner, each in value.named_predictors(): yield f"{name}.{inner}", each
class ChainOfThought(Module):
    def __init__(self, predict): self.predict = predict
    def forward(self, **inputs): return self.predict.forward(**inputs)
""",
    "haystack/core/pipeline/pipeline.py": """
def _run_component(component_name, component): return component()
def run(components): return [_run_component(name, each) for name, each in components.items()]
""",
    "crewai/task.py": """
class Task:
    def __init__(self, name, work): self.name, self.work = name, work
    def _execute_core(self, agent=None): return self.work()
__name__ = "crewai.agents.core"  # as CrewAI does it to its modules
""",
    "langchain_core/runnables/base.py": """
def parallel(steps):
    def _invoke_step(step, key): return step()
    return {key: _invoke_step(step, key) for key, step in steps.items()}
class RunnableSequence:
    def __init__(self, work): self.work = work
    def invoke(self, value, config=None): return self.work()
""",
}

SUPPORT = """
import os, openai
client = openai.OpenAI(base_url=os.environ["LOOPBACK"], api_key="k")
def said(system, text="x"):
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]
"""

USES: dict[str, tuple[str, list[tuple[str, list[int]]]]] = {
    "a LangGraph node": (
        """
from langgraph.pregel.main import Pregel
def classify(): return client.chat.completions.create(model="m", messages=said("Classify."))
def helper(system): return client.chat.completions.create(model="m", messages=said(system))
def write(): return helper("Draft."), helper("Polish.")
graph = Pregel({"triage": classify, "draft": write})
def pipeline(): graph.invoke(); graph.invoke()
""",
        [("triage", [0]), ("draft", [1, 2]), ("triage#2", [3]), ("draft#2", [4, 5])],
    ),
    "an agent that LangGraph runs": (
        """
from langgraph.pregel.main import Pregel
import langchain_core.runnables.base as base
llm = base.RunnableSequence(lambda: client.chat.completions.create(model="m", messages=said("Sort.")))
named = Pregel({"model": lambda: llm.invoke("x")}, name="Sorter")
unnamed = Pregel({"agent": lambda: llm.invoke("x")})
def node(): unnamed.invoke()
outer = Pregel({"write": node})
def pipeline(): named.invoke(); outer.invoke()
""",
        [("Sorter", [0]), ("write", [1])],
    ),
    "an agent with a tool that asks itself": (
        """
import agents.run as agents
def look_up(): return client.chat.completions.create(model="m", messages=said("Summarize.")).id
def model(messages): return client.chat.completions.create(model="m", messages=messages)
agent = agents.Agent("Writer", model, [look_up, look_up])
def pipeline():
    agents.run(agent, said("Draft.", "first"))
    agents.run(agent, said("Draft.", "second"))
""",
        [
            ("Writer", [0, 2, 4]),
            ("look_up", [1]),
            ("look_up#2", [3]),
            ("Writer#2", [5, 7, 9]),
            ("look_up#3", [6]),
            ("look_up#4", [8]),
        ],
    ),
    "DSPy predictors": (
        """
from dspy.primitives.module import ChainOfThought, Module
from dspy.predict.predict import Predict
class Sort: pass
class StringSignature: pass
def ask(): return client.chat.completions.create(model="m", messages=said("Any."))
model = ask
class Desk(Module):
    def __init__(self):
        self.triage = ChainOfThought(Predict(Sort, client_call))
        self.draft = Predict(Sort, client_call)
    def forward(self): self.triage(); self.draft.forward()
from functools import partial
client_call = partial(client.chat.completions.create, model="m", messages=said("Any."))
desk = Desk()
def pipeline():
    desk()
    Predict(Sort, client_call).forward()
    Predict(StringSignature, client_call).forward()
""",
        [("triage", [0]), ("draft", [1]), ("Sort", [2]), ("pipeline", [3])],
    ),
    "Haystack components": (
        """
from haystack.core.pipeline.pipeline import run
class Sorter:
    def __call__(self): return client.chat.completions.create(model="m", messages=said("Sort."))
def pipeline(): run({"sorter": Sorter(), "writer": Sorter()})
""",
        [("sorter", [0]), ("writer", [1])],
    ),
    "CrewAI tasks": (
        """
from functools import partial
from crewai.task import Task
class Worker: role = "Writer"
work = partial(client.chat.completions.create, model="m", messages=said("Work."))
def pipeline():
    Task("research", work)._execute_core()
    Task("", work)._execute_core(Worker())
""",
        [("research", [0]), ("Writer", [1])],
    ),
    "branches and named chains of LangChain": (
        """
from functools import partial
import langchain_core.runnables.base as base
work = partial(client.chat.completions.create, model="m", messages=said("Work."))
def own(): return client.chat.completions.create(model="m", messages=said("Mine."))
def pipeline():
    base.parallel({"team": work, "reply": work, "other": own})
    base.RunnableSequence(work).invoke("x", config={"run_name": "rank"})
    base.RunnableSequence(work).invoke("x")
""",
        [("team", [0]), ("reply", [1]), ("own", [2]), ("rank", [3]), ("pipeline", [4])],
    ),
}


@pytest.fixture
def load(
    server: LLMServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Any]]:
    """Import a text as a user's module, with stand-ins for the frameworks installed."""
    before = set(sys.modules)
    installed = tmp_path / "site-packages"
    tops = {name.partition("/")[0] for name in LIBRARIES}
    for name, text in LIBRARIES.items():
        path = installed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for folder in [parent for parent in path.parents if installed in parent.parents]:
            (folder / "__init__.py").touch()  # else a framework that is installed comes before the stand-in
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}
    for name in hidden:
        del sys.modules[name]
    monkeypatch.setenv("LOOPBACK", server.base_url)
    monkeypatch.syspath_prepend(installed)
    monkeypatch.syspath_prepend(tmp_path)

    def import_text(text: str) -> Any:
        (tmp_path / "uses_frameworks.py").write_text(SUPPORT + text)
        importlib.invalidate_caches()
        return importlib.import_module("uses_frameworks")

    yield import_text
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {*tops, "uses_frameworks"}:
            del sys.modules[name]
    sys.modules.update(hidden)


@pytest.mark.parametrize("use", USES)
def test_the_framework_names_the_step(use: str, load: Callable[[str], Any], lab: Lab) -> None:
    text, steps = USES[use]
    module = load(text)
    for _ in range(2):
        lab.run(module.pipeline)
        assert [(step.key, step.llm_calls) for step in lab.steps] == steps
