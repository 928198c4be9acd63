"""Cache hits per second on one core, measured at the HTTP transport: no SDK, no sockets."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.figures import report
from benchmarks.machine import measured_machine
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_export import export_cache
from pytest_fapo.answers.cache_layers import layered_cache
from pytest_fapo.capture.exchange import Answers
from pytest_fapo.capture.http_capture import Capture
from pytest_fapo.capture.recorder import Recorder, recording
from pytest_fapo.capture.redaction import Redactor

BAR = 3_000
"""On the reference machine."""

URL = "https://provider.invalid/v1/chat/completions"
PROMPT = "You sort the messages of a support desk. Answer with one word: billing, refund, other. " * 7


def run(check: bool, quick: bool) -> int:
    """Best of several rounds over distinct questions of about 700 bytes, each hit traced as in a real run:
    from the local cache, and from an exported one below an empty local one."""
    count, rounds = (300, 3) if quick else (1_500, 5)
    requests = [_request(number) for number in range(count)]
    with measured_machine() as machine, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        local = AnswerCache(folder / "cache")
        _hits_per_second(local, requests, rounds=0)
        found = _hits_per_second(local, requests, rounds)
        export_cache(local, folder / "answers.json")
        layered = layered_cache(AnswerCache(folder / "empty"), [folder / "answers.json"])
        below = _hits_per_second(layered, requests, rounds)
    print(machine)
    return max(
        report(name, figure, BAR / machine.slowness, "per second", higher_is_better=True, check=check)
        for name, figure in (("cache hits", found), ("from a file", below))
    )


def _hits_per_second(cache: Answers, requests: list[httpx2.Request], rounds: int) -> float:
    """The best round; without rounds, the cache is filled instead."""
    capture = Capture(cache=cache, mode="auto", offline=_Provider())
    transport = httpx2.HTTPTransport()
    capture.install()
    try:
        if not rounds:
            return _ask(transport, requests, hits=0)
        return max(len(requests) / _ask(transport, requests, hits=len(requests)) for _ in range(rounds))
    finally:
        capture.uninstall()
        transport.close()
        cache.close()


class _Provider:
    """Fills the cache without a network."""

    fingerprint = ""

    def answer(self, question: Any) -> Any:
        from pytest_fapo.capture.http_answer import RecordedAnswer

        message = {"role": "assistant", "content": f"billing {question.digest}", "refusal": None}
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-test",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 2, "total_tokens": 122},
        }
        headers = ((b"content-type", b"application/json"), (b"x-request-id", b"req_1"), (b"server", b"x"))
        return RecordedAnswer(status=200, headers=headers, chunks=(json.dumps(body).encode(),), reason=b"OK")


def _request(number: int) -> httpx2.Request:
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": f"message {number}"}]
    body = {"model": "gpt-test", "messages": messages, "temperature": 0}
    return httpx2.Request("POST", URL, json=body, headers={"authorization": "Bearer sk-0123456789abcdef"})


def _post(transport: httpx2.HTTPTransport, request: httpx2.Request) -> None:
    transport.handle_request(request).read()


def _ask(transport: httpx2.HTTPTransport, requests: list[httpx2.Request], *, hits: int) -> float:
    """Seconds of processor time for all requests, each in a run of its own, the answer read to its end."""
    recorders, redactor = [], Redactor()
    start = time.process_time()
    for request in requests:
        recorder = Recorder(pipeline="pipeline", case_id="case", redactor=redactor)
        with recording(recorder):
            _post(transport, request)
        recorders.append(recorder)
    seconds = time.process_time() - start
    traces = [recorder.trace() for recorder in recorders]
    found = sum(trace.llm_calls[0].cache_hit for trace in traces)
    if found != hits:
        raise RuntimeError(f"{found} of {len(requests)} requests were answered from the cache, not {hits}")
    return seconds
