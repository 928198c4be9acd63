"""Without `steps`, a step has one name in every case, however the user's code makes the call."""

from __future__ import annotations

import importlib
import queue
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.capture.call_origin import origin_of, prompt_name
from pytest_fapo.capture.recorder import Recorder, recording

TRIAGE = "You are a support agent. Decide which team handles the ticket: billing or shipping."
DRAFT = "You are a support agent. Draft a reply to the customer."

CLIENTS = f"""
import asyncio, functools, os, queue, threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
import openai

TRIAGE = {TRIAGE!r}
DRAFT = {DRAFT!r}
PROMPTS = {{"triage": TRIAGE, "draft": DRAFT}}
client = openai.OpenAI(base_url=os.environ["LOOPBACK"], api_key="k")
aclient = openai.AsyncOpenAI(base_url=os.environ["LOOPBACK"], api_key="k")

def messages_for(system, text):
    return [{{"role": "system", "content": system}}, {{"role": "user", "content": text}}]
"""

ASK = """
def ask(system, text):
    answer = client.chat.completions.create(model="m", messages=messages_for(system, text))
    return answer.choices[0].message.content

async def ask_async(system, text):
    async with openai.AsyncOpenAI(base_url=os.environ["LOOPBACK"], api_key="k") as own:
        answer = await own.chat.completions.create(model="m", messages=messages_for(system, text))
    return answer.choices[0].message.content
"""

TWO_STEPS = ["triage", "draft"]

SHAPES: dict[str, tuple[str, list[str]]] = {
    "a helper is handed the prompt": (
        ASK
        + """
def triage(text): return ask(TRIAGE, text)
def draft(text): return ask(DRAFT, text)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "two helpers, one on top of the other": (
        ASK
        + """
def call_model(text, *, prompt): return ask(prompt, text)
def triage(text): return call_model(text, prompt=TRIAGE)
def draft(text): return call_model(text, prompt=DRAFT)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a helper looks the prompt up by its name": (
        ASK
        + """
def run(name, text): return ask(PROMPTS[name], text)
def triage(text): return run("triage", text)
def draft(text): return run("draft", text)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a helper puts its own words in front": (
        """
def ask(task, text):
    said = messages_for("Answer in English. " + task, text)
    return client.chat.completions.create(model="m", messages=said).choices[0].message.content
def triage(text): return ask(TRIAGE, text)
def draft(text): return ask(DRAFT, text)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a helper fills the template in": (
        """
def ask(template, text, **values):
    said = messages_for(template.format(**values), text)
    return client.chat.completions.create(model="m", messages=said).choices[0].message.content
def triage(text): return ask("Decide which team of {firm} handles this.", text, firm="Acme")
def draft(text): return ask("Draft a reply in the name of {firm}.", text, firm="Acme")
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a helper takes the whole request": (
        """
def post(body): return client.chat.completions.create(**body).choices[0].message.content
def triage(text): return post({"model": "m", "messages": messages_for(TRIAGE, text)})
def draft(text): return post({"model": "m", "messages": messages_for(DRAFT, text)})
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "prompts without a system message": (
        """
def ask(prompt):
    said = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="m", messages=said).choices[0].message.content
def triage(text): return ask(f"Decide which team handles this ticket: {text}")
def draft(text): return ask(f"Draft a reply to this ticket: {text}")
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a method of a client class": (
        """
class Model:
    def complete(self, system, text):
        said = messages_for(system, text)
        return client.chat.completions.create(model="m", messages=said).choices[0].message.content
model = Model()
class Triage:
    def __call__(self, text): return model.complete(TRIAGE, text)
class Writer:
    def draft(self, text): return model.complete(DRAFT, text)
def pipeline(text): return Triage()(text), Writer().draft(text)
""",
        ["Triage", "Writer.draft"],
    ),
    "a retry around a lambda and around an inner function": (
        ASK
        + """
def with_retry(function, *args): return function(*args)
def triage(text): return with_retry(lambda: ask(TRIAGE, text))
def draft(text):
    def attempt(): return ask(DRAFT, text)
    return with_retry(attempt)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a decorator of the user's": (
        ASK
        + """
def retried(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs): return function(*args, **kwargs)
    return wrapper
@retried
def ask_again(system, text): return ask(system, text)
@retried
def triage(text): return ask_again(TRIAGE, text)
def draft(text): return ask_again(DRAFT, text)
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "threads of a pool": (
        ASK
        + """
def triage(text):
    with ThreadPoolExecutor(2) as pool: return pool.submit(ask, TRIAGE, text).result()
def draft(text):
    with ThreadPoolExecutor(2) as pool: return list(pool.map(functools.partial(ask, DRAFT), [text]))
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a pool that the module made": (
        ASK
        + """
POOL = ThreadPool(2)
def triage(text): return POOL.apply(ask, (TRIAGE, text))
def draft(text): return POOL.starmap(ask, [(DRAFT, text)])
def pipeline(text): return triage(text), draft(text)
""",
        TWO_STEPS,
    ),
    "a thread": (
        ASK
        + """
def triage(text):
    thread = threading.Thread(target=ask, args=(TRIAGE, text)); thread.start(); thread.join()
def draft(text):
    thread = threading.Thread(target=lambda: ask(DRAFT, text)); thread.start(); thread.join()
def pipeline(text): triage(text); draft(text)
""",
        TWO_STEPS,
    ),
    "tasks": (
        ASK
        + """
async def triage(text): return await asyncio.create_task(ask_async(TRIAGE, text))
async def draft(text): return (await asyncio.gather(asyncio.wait_for(ask_async(DRAFT, text), 30)))[0]
async def both(text): await triage(text); await draft(text)
def pipeline(text): asyncio.run(both(text))
""",
        TWO_STEPS,
    ),
    "blocking calls off the loop": (
        ASK
        + """
async def triage(text): return await asyncio.to_thread(ask, TRIAGE, text)
async def draft(text): return await asyncio.get_running_loop().run_in_executor(None, ask, DRAFT, text)
async def both(text): await triage(text); await draft(text)
def pipeline(text): asyncio.run(both(text))
""",
        TWO_STEPS,
    ),
    "jobs that enter a copied context": (
        ASK
        + """
from contextvars import copy_context
async def triage(text): return await asyncio.to_thread(copy_context().run, ask, TRIAGE, text)
def draft(text):
    with ThreadPoolExecutor(2) as pool: return pool.submit(copy_context().run, ask, DRAFT, text).result()
async def both(text): await triage(text); draft(text)
def pipeline(text): asyncio.run(both(text))
""",
        TWO_STEPS,
    ),
    "a loop on a thread of its own": (
        ASK
        + """
LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()
def wait_for(coroutine): return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(30)
def triage(text): return wait_for(ask_async(TRIAGE, text))
def draft(text):
    said = messages_for(DRAFT, text)
    return wait_for(aclient.chat.completions.create(model="m", messages=said))
def pipeline(text): return triage(text), draft(text)
""",
        ["triage", "draft"],
    ),
    "several prompts of one function, side by side": (
        ASK
        + """
def pipeline(text):
    with ThreadPoolExecutor(2) as pool:
        return [each.result() for each in (pool.submit(ask, TRIAGE, text), pool.submit(ask, DRAFT, text))]
def other(text): return ask(TRIAGE, text), ask(DRAFT, text)
""",
        ["Decide which team handles the ticket", "Draft a reply to the customer"],
    ),
    "objects of one class with prompts of their own": (
        """
class Worker:
    def __init__(self, name, prompt): self.name, self.prompt = name, prompt
    def run(self, text):
        said = messages_for(self.prompt, text)
        return client.chat.completions.create(model="m", messages=said).choices[0].message.content
TEAM = [Worker("sorter", TRIAGE), Worker("writer", DRAFT)]
def pipeline(text): return [each.run(text) for each in TEAM]
""",
        ["sorter", "writer"],
    ),
    "a function with its own prompt stays the step": (
        """
def triage(text):
    said = messages_for(TRIAGE, text)
    return client.chat.completions.create(model="m", messages=said).choices[0].message.content
def pipeline(text): return triage(text), triage(text)
""",
        ["triage", "triage#2"],
    ),
    "the turns of an agent are one step": (
        """
def agent(text):
    said = messages_for(DRAFT, text)
    for _ in range(3):
        answer = client.chat.completions.create(model="m", messages=said).choices[0].message
        call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
        said += [{"role": "assistant", "content": None, "tool_calls": [call]}]
        said += [{"role": "tool", "tool_call_id": "1", "content": "found"}]
def pipeline(text): agent(text); agent(text)
""",
        ["agent", "agent#2"],
    ),
}


@pytest.fixture
def load(
    server: LLMServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Any]]:
    """Import the text as a user's module."""
    monkeypatch.setenv("LOOPBACK", server.base_url)
    monkeypatch.syspath_prepend(tmp_path)

    def import_text(text: str) -> Any:
        name = f"users_{len(text)}_{tmp_path.name[-20:].strip('_')}"
        (tmp_path / f"{name}.py").write_text(CLIENTS + textwrap.dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield import_text
    for name in [name for name in sys.modules if name.startswith("users_")]:
        del sys.modules[name]


def test_a_method_is_no_helper_because_another_module_calls_one_of_its_name(
    load: Callable[[str], Any], lab: Lab
) -> None:
    load("""
        class Store:
            def run(self, query): return query
        SAID = Store().run("one"), Store().run("two")
    """)
    module = load("""
        class Triage:
            def run(self, text):
                said = messages_for(TRIAGE, text)
                return client.chat.completions.create(model="m", messages=said).choices[0].message.content
        def pipeline(text): return Triage().run(text)
    """)
    lab.run(partial(module.pipeline, "Where is the parcel that I have ordered?"))
    assert [step.key for step in lab.steps] == ["Triage.run"]


@pytest.mark.parametrize("shape", SHAPES)
def test_one_name_in_every_shape(shape: str, load: Callable[[str], Any], lab: Lab) -> None:
    text, names = SHAPES[shape]
    module = load(text)
    for said in ("I was charged twice in May, please help.", "Where is the parcel that I have ordered?"):
        lab.run(partial(module.pipeline, said))
        assert sorted(step.key for step in lab.steps) == sorted(names)
        assert all(step.parent is None and step.output for step in lab.steps)


def test_turns_are_calls_of_their_step(load: Callable[[str], Any], lab: Lab) -> None:
    module = load(SHAPES["the turns of an agent are one step"][0])
    lab.run(lambda: module.pipeline("x"))
    assert [step.llm_calls for step in lab.steps] == [[0, 1, 2], [3, 4, 5]]
    assert lab.steps[1].duration >= sum(call.duration for call in lab.calls[3:])


WORKER = (
    ASK
    + """
JOBS = {queue}
def work():
    while True:
        text, box, done = JOBS.get()
        box.append(ask(TRIAGE, text))
        done.set()
STARTED = []
def triage(text):
    if not STARTED:
        STARTED.append(threading.Thread(target=work, daemon=True))
        STARTED[0].start()
    box, done = [], threading.Event()
    JOBS.put((text, box, done))
    assert done.wait(30)
    return box[0]
def pipeline(text): return triage(text)
"""
)


@pytest.mark.parametrize("kind", ["queue.Queue()", "queue.LifoQueue()", "queue.SimpleQueue()"])
def test_a_thread_that_outlives_its_case_works_for_the_next(
    kind: str, load: Callable[[str], Any], lab: Lab
) -> None:
    module = load(WORKER.replace("{queue}", kind))
    for text in ("the first question of all", "the second question of all", "the third question"):
        lab.run(partial(module.pipeline, text), inputs={"text": text})
        assert [step.name for step in lab.steps] == ["work"]
        assert lab.calls[0].messages[1] == {"role": "user", "content": text}
        assert lab.calls[0].answer == f"echo: {text}"


def test_a_worker_serves_cases_that_run_side_by_side(load: Callable[[str], Any], lab: Lab) -> None:
    module = load(WORKER.replace("{queue}", "queue.Queue()"))
    recorders = {f"question {number}": Recorder(pipeline="p", case_id="c") for number in range(6)}

    def one_case(text: str) -> None:
        with recording(recorders[text]):
            module.pipeline(text)

    threads = [threading.Thread(target=one_case, args=(text,)) for text in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text, recorder in recorders.items():
        trace = recorder.trace()
        assert [step.name for step in trace.steps] == ["work"]
        assert [call.answer for call in trace.llm_calls] == [f"echo: {text}"]


def test_the_code_of_a_run_stays_in_its_run_whatever_it_takes_from_a_queue(lab: Lab) -> None:
    results: queue.Queue[str] = queue.Queue()
    lab.run(lambda: results.put("left over"))
    first = lab.recorder
    lab.run(lambda: (results.get(), lab.recorder.begin_step("own", {}, parent=None)))
    assert first.trace().steps == []


def test_what_nobody_makes_has_no_name() -> None:
    assert origin_of([], []).name == ""
    assert (
        origin_of([], [{"role": "system", "content": TRIAGE}]).name == "Decide which team handles the ticket"
    )


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Classify the ticket. Answer with one word.", "Classify the ticket"),
        ("# Role\nYou are helpful.\n\nSummarize: be short", "Role You are helpful"),
        ("You are a helpful assistant.", "You are a helpful assistant"),
        (
            "Write one long sentence that goes on and on without any end",
            "Write one long sentence that goes on",
        ),
        ("", ""),
    ],
)
def test_a_prompt_gives_a_short_name(prompt: str, name: str) -> None:
    assert prompt_name([{"role": "system", "content": prompt}, {"role": "user", "content": "x"}]) == name
