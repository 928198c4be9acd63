"""What a traced call and a step cost beside the bare ones: one process, no sockets, the real client."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore2
import httpx2

from pytest_fapo.capture.http_capture import Capture
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.capture.steps import step

URL = "https://provider.invalid/v1/chat/completions"
_PROMPT = "You sort the messages of a support desk. Answer with one word: billing, refund, other. " * 4
_MESSAGE = {"role": "assistant", "content": "billing", "refusal": None}
_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "task",
    "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop", "logprobs": None}],
    "usage": {"prompt_tokens": 120, "completion_tokens": 2, "total_tokens": 122},
}
_CONTENT = json.dumps(_ANSWER).encode()


class CannedPool:
    """Stands below the client's own transport in the place of its connections."""

    def handle_request(self, request: Any) -> Any:
        """Answer at once."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_CONTENT))]
        return httpcore2.Response(200, headers=headers, content=_CONTENT)

    def close(self) -> None:
        """Nothing is open."""


def canned_client() -> httpx2.Client:
    """Return a client that is whole down to its transport, and needs no network."""
    transport = httpx2.HTTPTransport()
    transport._pool = CannedPool()  # type: ignore[assignment]
    return httpx2.Client(transport=transport, headers={"authorization": "Bearer sk-0123456789abcdef"})


def call_cost(rounds: int) -> tuple[float, float]:
    """Return the microseconds that a traced call adds in a step of its run, and those of the bare call."""
    client = canned_client()
    capture = Capture(cache=None, mode="off")

    def ask(number: int) -> None:
        messages = [{"role": "system", "content": _PROMPT}, {"role": "user", "content": f"message {number}"}]
        body = {"model": "task", "messages": messages, "temperature": 0}
        answer = client.post(URL, json=body).json()["choices"][0]["message"]["content"]
        assert answer == "billing"

    def bare(first: int) -> None:
        for number in range(first, first + _BATCH):
            ask(number)

    def traced(first: int) -> None:
        capture.install()
        try:
            _recorded(lambda: bare(first), calls=_BATCH)
        finally:
            capture.uninstall()

    return _difference(bare, traced, rounds)


def step_cost(rounds: int) -> tuple[float, float]:
    """Return the microseconds that a step adds, and those of the function without it."""

    def sort(message: str, count: int = 3) -> dict[str, str]:
        return {"topic": "billing", "message": message}

    as_step = step(sort)

    def bare(first: int) -> None:
        for number in range(first, first + _BATCH):
            sort(f"{_PROMPT[:200]} {number}")

    def traced(first: int) -> None:
        def work() -> None:
            for number in range(first, first + _BATCH):
                as_step(f"{_PROMPT[:200]} {number}")

        _recorded(work, calls=0)

    return _difference(bare, traced, rounds)


_BATCH = 20


def _recorded(work: Callable[[], None], *, calls: int) -> None:
    """Do the work in one step of a run, and take the run's trace."""
    recorder = Recorder(pipeline="pipeline", case_id="case", redactor=_REDACTOR)
    with recording(recorder):
        step(work)() if calls else work()
    trace = recorder.trace()
    if len(trace.llm_calls) != calls or len(trace.steps) != (1 if calls else _BATCH):
        raise RuntimeError(f"{len(trace.llm_calls)} calls, {len(trace.steps)} steps were traced")


_REDACTOR = Redactor()


def _difference(
    bare: Callable[[int], None], traced: Callable[[int], None], rounds: int
) -> tuple[float, float]:
    """Both in turns, since a machine's speed drifts; the medians."""
    pairs = list(_pairs(bare, traced, rounds))[1:]
    return statistics.median(two - one for one, two in pairs), statistics.median(one for one, _ in pairs)


def _pairs(
    bare: Callable[[int], None], traced: Callable[[int], None], rounds: int
) -> Iterator[tuple[float, float]]:
    for number in range(rounds + 1):
        yield _microseconds(bare, number * _BATCH), _microseconds(traced, number * _BATCH)


def _microseconds(work: Callable[[int], None], first: int) -> float:
    begin = time.process_time()
    work(first)
    return (time.process_time() - begin) * 1e6 / _BATCH
