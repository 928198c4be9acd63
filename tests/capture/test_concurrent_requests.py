"""Identical requests at the same time are sent once; the threads of a pipeline belong to its run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

import httpx
import httpx2
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer, Received, failed

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.recorder import Recorder, recording

BODY = {"model": "m", "messages": [{"role": "user", "content": "the same for all"}]}
CHAT = "/chat/completions"


def _post(server: LLMServer, body: Any = BODY) -> str:
    return str(httpx.post(server.base_url + CHAT, json=body).json()["choices"][0]["message"]["content"])


async def _post_async(server: LLMServer, body: Any = BODY) -> str:
    async with httpx2.AsyncClient() as client:
        response = await client.post(server.base_url + CHAT, json=body)
    return str(response.json()["choices"][0]["message"]["content"])


class Cases:
    """Several cases at once, each with a recorder of its own."""

    def __init__(self) -> None:
        self.recorders: list[Recorder] = []
        self._lock = threading.Lock()

    def _recorder(self) -> Recorder:
        with self._lock:
            self.recorders.append(Recorder(pipeline="p", case_id=str(len(self.recorders))))
            return self.recorders[-1]

    def run(self, function: Callable[[], Any]) -> Any:
        with recording(self._recorder()):
            return function()

    async def run_async(self, function: Callable[[], Any]) -> Any:
        with recording(self._recorder()):
            return await function()

    def wait_until_all_ask(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while sum(bool(recorder.trace().llm_calls) for recorder in self.recorders) < count:
            if time.monotonic() > deadline:
                pytest.fail("not all of them asked")
            time.sleep(0.01)

    @property
    def hits(self) -> list[bool]:
        calls = [call for recorder in self.recorders for call in recorder.trace().llm_calls]
        return sorted(call.cache_hit for call in calls)


def _together(
    server: LLMServer, cases: Cases, *, threads: int, tasks: int, stream: bool = False
) -> list[Any]:
    """The same question from `threads` threads and from `tasks` tasks of one event loop, all at once."""
    body = {**BODY, "stream": True} if stream else BODY
    one = (lambda: _text(server, body)) if stream else (lambda: _post(server, body))

    async def loop() -> list[Any]:
        return list(
            await asyncio.gather(
                *[
                    asyncio.create_task(cases.run_async(lambda: _post_async(server, body)))
                    for _ in range(tasks)
                ]
            )
        )

    with ThreadPoolExecutor(threads + 1) as pool:
        jobs = [pool.submit(cases.run, one) for _ in range(threads)]
        others = pool.submit(lambda: asyncio.run(loop())) if tasks else None
        results = [job.result(timeout=20) for job in jobs]
        return results + (others.result(timeout=20) if others else [])


def _text(server: LLMServer, body: Any) -> str:
    return httpx.post(server.base_url + CHAT, json=body).text


@pytest.mark.parametrize("cached", [True, False])
def test_threads_and_tasks_ask_once(cached: bool, server: LLMServer, lab: Lab) -> None:
    lab.capture(cached=cached)
    cases = Cases()

    def respond(request: Received) -> Answer:
        cases.wait_until_all_ask(10)
        return Answer(body=shapes.chat("once"), delay=0.1)

    server.respond = respond
    assert _together(server, cases, threads=5, tasks=5) == ["once"] * 10
    assert server.count == 1
    assert cases.hits == [False] + [True] * 9


def test_streams_are_shared_too(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: Answer(chunks=shapes.chat_stream("a|b|c"), chunk_delay=0.02)
    texts = _together(server, Cases(), threads=4, tasks=0, stream=True)
    assert server.count == 1
    assert set(texts) == {b"".join(shapes.chat_stream("a|b|c")).decode()}


@pytest.mark.parametrize("broken", [failed(500), Answer(break_after=0, delay=0.1)])
def test_when_the_leader_fails_a_follower_leads(broken: Answer, server: LLMServer, lab: Lab) -> None:
    broken.delay = 0.1
    server.script(broken)
    server.respond = lambda request: Answer(body=shapes.chat("second"), delay=0.1)

    def ask() -> str:
        try:
            return _post(server)
        except (KeyError, httpx.TransportError):
            return "failed"

    cases = Cases()
    with ThreadPoolExecutor(6) as pool:
        results = [job.result(20) for job in [pool.submit(cases.run, ask) for _ in range(6)]]
    assert sorted(results) == ["failed"] + ["second"] * 5
    assert server.count == 2


def test_a_cancelled_leader_leaves_the_question_to_a_follower(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=shapes.chat("never seen"), delay=5.0))
    cases = Cases()

    async def scenario() -> list[Any]:
        leader = asyncio.create_task(cases.run_async(lambda: _post_async(server)))
        await asyncio.to_thread(server.wait_for, 1)
        followers = [asyncio.create_task(cases.run_async(lambda: _post_async(server))) for _ in range(3)]
        await asyncio.sleep(0.05)
        followers[0].cancel()  # a follower that gives up takes nobody else along
        leader.cancel()
        return await asyncio.gather(leader, *followers, return_exceptions=True)

    leader, cancelled, *rest = asyncio.run(scenario())
    assert isinstance(leader, asyncio.CancelledError)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert rest == ["echo: the same for all"] * 2
    assert server.count == 2


def test_a_follower_waits_no_longer_than_for_an_answer_of_its_own(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=shapes.chat("slow"), delay=1.0))
    cases = Cases()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(cases.run, lambda: _post(server))
        server.wait_for(1)
        hasty = lambda: httpx.post(server.base_url + CHAT, json=BODY, timeout=0.3).json()  # noqa: E731
        answer = pool.submit(cases.run, hasty).result(20)
        assert not slow.done()
        slow.result(20)
    assert answer["choices"][0]["message"]["content"] == "echo: the same for all"


def test_blocking_code_on_the_event_loop_does_not_wait_for_that_loop(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(body=shapes.chat("slow"), delay=0.3))
    cases = Cases()

    async def scenario() -> tuple[str, str]:
        leader = asyncio.create_task(cases.run_async(lambda: _post_async(server)))
        await asyncio.to_thread(server.wait_for, 1)
        blocking = cases.run(lambda: _post(server))  # a synchronous client inside a coroutine
        return await leader, blocking

    assert asyncio.run(scenario()) == ("slow", "echo: the same for all")


def test_an_open_stream_does_not_block_its_own_thread(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: shapes.chat_stream("a|b")
    body = {**BODY, "stream": True}
    cases = Cases()

    def nested() -> tuple[str, str]:
        with httpx.Client() as client, client.stream("POST", server.base_url + CHAT, json=body) as response:
            inner = cases.run(lambda: _text(server, body))
            return inner, response.read().decode()

    inner, outer = cases.run(nested)
    assert inner == outer
    assert server.count == 2


def test_a_stream_that_is_dropped_unread_frees_its_followers(server: LLMServer, lab: Lab) -> None:
    server.script(Answer(chunks=shapes.chat_stream("a|b"), chunk_delay=0.2))
    cases = Cases()
    client = httpx2.Client()
    request = client.build_request("POST", server.base_url + CHAT, json={**BODY, "stream": True})
    held = [cases.run(lambda: client.send(request, stream=True))]
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(cases.run, lambda: _text(server, {**BODY, "stream": True}))
        held.clear()
        assert "[DONE]" in follower.result(5)
    client.close()


def test_different_questions_run_side_by_side(server: LLMServer, lab: Lab) -> None:
    server.respond = lambda request: Answer(body=shapes.chat(request.last_text), delay=0.1)
    questions = [{**BODY, "messages": [{"role": "user", "content": str(number)}]} for number in range(8)]
    cases = Cases()
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(cases.run, partial(_post, server, body)) for body in questions]
        assert [job.result(20) for job in jobs] == [str(number) for number in range(8)]
    assert server.most_at_once > 2


def test_the_pipelines_own_threads_belong_to_its_run(server: LLMServer, lab: Lab) -> None:
    client = openai.OpenAI(base_url=server.base_url, api_key="sk-test-0123456789abcdef")

    def look_up(text: str) -> str:
        return client.responses.create(model="m", input=text).output_text

    shared = ThreadPoolExecutor(2)  # made outside of every run

    def pipeline(case: str) -> list[str]:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(look_up(f"{case} thread")))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(2) as pool:
            found += pool.map(look_up, [f"{case} own"])
        found += shared.map(look_up, [f"{case} shared"])

        async def executor() -> str:
            return await asyncio.get_running_loop().run_in_executor(None, look_up, f"{case} executor")

        return [*found, asyncio.run(executor())]

    for case in ("one", "two"):
        lab.run(partial(pipeline, case), case)
        asked = [call.messages[0]["content"] for call in lab.calls]  # type: ignore[index,call-overload]
        assert asked == [f"{case} thread", f"{case} own", f"{case} shared", f"{case} executor"]
        assert {step.name for step in lab.steps} == {"look_up"}
    # a job that no run submits belongs to none, also on a worker that a run has used
    assert shared.submit(copy_context().run, look_up, "two shared").result(5) == "echo: two shared"
    shared.shutdown()
    assert server.count == 9
    assert len(AnswerCache(lab.folder)) == 8


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("threads", [1, 8])
def test_one_async_client_serves_many_event_loops(
    library: Any, threads: int, server: LLMServer, lab: Lab
) -> None:
    """As with `asyncio.run` in each case, also where the cases run one after another."""
    lab.capture(cached=False)
    client, cases = library.AsyncClient(), Cases()

    async def ask(number: int) -> int:
        body = {**BODY, "user": str(number)}
        several = [client.post(server.base_url + CHAT, json=body) for _ in range(2)]
        elsewhere = client.post(server.base_url + "/no-model", json=body)
        return len(await asyncio.gather(*several, elsewhere))

    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(cases.run, partial(lambda n: asyncio.run(ask(n)), n)) for n in range(24)]
        assert [job.result(timeout=20) for job in jobs] == [3] * 24
    assert len(cases.hits) == 48
