"""Real frameworks: the names of steps, their calls, and functions named by `steps` that frameworks hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from benchmarks.planted.lab import Lab, laboratory
from benchmarks.planted.talk import Ask, Say, call
from benchmarks.reach.clients import installed
from benchmarks.reach.frameworks import QUIET

Steps = list[tuple[str, str, int]]
"""Name, name of the parent, number of calls."""


class Program(NamedTuple):
    package: str
    code: str
    steps: Steps
    setting: tuple[str, ...] = ()


PROGRAMS: dict[str, Program] = {
    "LangGraph: nodes that share a helper": Program(
        "langgraph",
        """
from typing import TypedDict
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
llm = ChatOpenAI(model="m")
class State(TypedDict, total=False):
    message: str
    team: str
    reply: str
async def ask(system, text):
    return (await llm.ainvoke([("system", system), ("user", text)])).text
async def sort(state): return {"team": await ask("Sort the ticket into a team.", state["message"])}
async def write(state): return {"reply": await ask("Write a reply to it.", state["message"])}
graph = StateGraph(State)
graph.add_node("triage", sort)
graph.add_node("draft", write)
graph.add_edge(START, "triage")
graph.add_edge(START, "draft")
graph.add_edge("triage", END)
graph.add_edge("draft", END)
app = graph.compile()
async def answer(message): return await app.ainvoke({"message": message})
""",
        [("draft", "", 1), ("triage", "", 1)],
    ),
    "LangGraph: steps that the graph holds": Program(
        "langgraph",
        """
from typing import TypedDict
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
llm = ChatOpenAI(model="m")
class State(TypedDict, total=False):
    message: str
    team: str
def sort(state): return {"team": llm.invoke([("system", "Sort."), ("user", state["message"])]).text}
graph = StateGraph(State)
graph.add_node("triage", sort)
graph.add_edge(START, "triage")
graph.add_edge("triage", END)
app = graph.compile()
def answer(message): return app.invoke({"message": message})
""",
        [("answer", "", 0), ("sort", "answer", 1)],
        ("app.pipeline:*",),
    ),
    "LangChain: a lambda and branches": Program(
        "langchain_openai",
        """
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI
llm = ChatOpenAI(model="m")
def chain(system): return ChatPromptTemplate.from_messages([("system", system), ("human", "{m}")]) | llm
def polish(values): return llm.invoke([("system", "Polish the reply."), ("user", values["reply"].text)]).text
both = RunnableParallel(team=chain("Sort it."), reply=chain("Write to them.")) | RunnableLambda(polish)
def answer(message): return both.invoke({"m": message})
""",
        [("polish", "", 1), ("reply", "", 1), ("team", "", 1)],
    ),
    "OpenAI Agents: turns with a tool": Program(
        "agents",
        """
from agents import Agent, Runner, function_tool
@function_tool
def status(number: str) -> str:
    "The state of an order."
    return "on its way"
sorter = Agent(name="Sorter", model="m", instructions="Sort the ticket.")
writer = Agent(name="Writer", model="m", instructions="Write a reply.", tools=[status])
async def answer(message):
    await Runner.run(sorter, message)
    return (await Runner.run(writer, message)).final_output
""",
        [("Sorter", "", 1), ("Writer", "", 2)],
    ),
    "OpenAI Agents: a tool that is a step": Program(
        "agents",
        """
from agents import Agent, Runner, function_tool
@function_tool
def status(number: str) -> str:
    "The state of an order."
    return "on its way"
writer = Agent(name="Writer", model="m", instructions="Write a reply.", tools=[status])
def answer(message): return Runner.run_sync(writer, message).final_output
""",
        [("Writer", "", 2), ("status", "", 0)],
        ("app.pipeline:status",),
    ),
    "pydantic-ai: turns with a tool": Program(
        "pydantic_ai",
        """
from pydantic_ai import Agent
sorter = Agent("openai:m", system_prompt="Sort the ticket.")
writer = Agent("openai-chat:m", name="Writer", system_prompt="Write a reply.")
@writer.tool_plain
def status(number: str) -> str:
    "The state of an order."
    return "on its way"
async def answer(message):
    await sorter.run(message)
    return (await writer.run(message)).output
""",
        [("Writer", "", 2), ("sorter", "", 1)],
    ),
    "DSPy: the program's predictors": Program(
        "dspy",
        """
import dspy
dspy.configure(lm=dspy.LM("openai/m"))
class Desk(dspy.Module):
    def __init__(self):
        super().__init__()
        self.triage = dspy.ChainOfThought("ticket -> team")
        self.draft = dspy.Predict("ticket, team -> reply")
    def forward(self, ticket):
        return self.draft(ticket=ticket, team=self.triage(ticket=ticket).team)
desk = Desk()
def answer(message): return desk(ticket=message).reply
""",
        [("draft", "", 1), ("triage", "", 1)],
    ),
    "Haystack: components": Program(
        "haystack",
        """
from haystack import Pipeline, component
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
desk = Pipeline()
desk.add_component("prompt", ChatPromptBuilder(template=[ChatMessage.from_user("Sort {{ ticket }}")]))
desk.add_component("triage", OpenAIChatGenerator(model="m"))
desk.connect("prompt.prompt", "triage.messages")
def answer(message): return desk.run({"prompt": {"ticket": message}})["triage"]["replies"][0].text
""",
        [("triage", "", 1)],
    ),
}

TESTS = {
    "app/__init__.py": "",
    "tests/conftest.py": """
import pytest
from app.pipeline import answer

@pytest.fixture(scope="session")
def pipeline():
    return answer
""",
    "tests/test_steps.py": """
import json
import pytest_fapo as fapo

@fapo.cases("cases.jsonl")
def test_steps(run):
    names = [step.name for step in run.steps]
    found = sorted(
        [step.name, "" if step.parent is None else names[step.parent], len(step.llm_calls)]
        for step in run.steps
    )
    assert found == json.loads(EXPECTED)
    assert run.output
""",
}


def model(ask: Ask) -> Say:
    """Use the tool that is offered, once; answer in DSPy's form where that is asked for."""
    if ask.tools and not ask.results:
        return call(ask.tools[0], number="7")
    if "[[ ## " in ask.text:
        fields = ("reasoning", "team", "reply")
        return Say("".join(f"[[ ## {field} ## ]]\nfine\n\n" for field in fields) + "[[ ## completed ## ]]")
    return Say("fine")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory() as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_steps_have_the_names_that_the_framework_gives(name: str, lab: Lab) -> None:
    program = PROGRAMS[name]
    if not installed(program.package):
        pytest.skip(f"{program.package} is not installed: pip install '.[frameworks]'")
    settings = (
        '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n'
        f"[tool.fapo]\nsteps = {json.dumps(program.setting)}\n"
    )
    expected = f"EXPECTED = {json.dumps(json.dumps(program.steps))}\n"
    files = {**TESTS, "app/pipeline.py": program.code, "pyproject.toml": settings}
    files["tests/test_steps.py"] = expected + files["tests/test_steps.py"]
    cases = [{"id": f"t{n}", "inputs": {"message": f"ticket number {n}"}, "split": "train"} for n in range(4)]
    project = lab.place("steps", files, cases, model=model)
    project.env |= {**QUIET, "OPENAI_API_BASE": f"{project.url}/v1"}
    ran = project.pytest()
    assert ran.counts == {"passed": 4}, ran.output


@pytest.mark.slow
def test_synchronous_runs_of_an_agent_run_side_by_side(lab: Lab) -> None:
    """All agents of pydantic-ai share one async client, and each thread has an event loop of its own."""
    if not installed("pydantic_ai"):
        pytest.skip("pydantic_ai is not installed: pip install '.[frameworks]'")
    code = """
from pydantic_ai import Agent
agent = Agent("openai-chat:m", system_prompt="Sort the ticket.")
def answer(message): return agent.run_sync(message).output
"""
    tests = "import pytest_fapo as fapo\n\n@fapo.cases('cases.jsonl')\ndef test_it(run): assert run.output\n"
    settings = '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n[tool.fapo]\n'
    files = {**TESTS, "app/pipeline.py": code, "pyproject.toml": settings, "tests/test_steps.py": tests}
    cases = [{"id": f"t{n}", "inputs": {"message": f"ticket {n}"}, "split": "train"} for n in range(48)]
    project = lab.place("loops", files, cases, model=model)
    project.env |= QUIET
    ran = project.pytest()
    assert ran.counts == {"passed": 48}, ran.output
    assert "one at a time" not in ran.output
