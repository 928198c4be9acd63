"""Ways in which a model's provider gives no whole answer, for tests of what must not be made of them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from typing import Any

from support import llm_shapes as shapes
from support.llm_server import Answer

HANGS = 0.6
"""Seconds."""
TEXT = "billing, as far as one can tell from what was written here"


@dataclass(frozen=True)
class Fault:
    """One way to fail."""

    reason: str
    """The plugin's name for it."""
    answer: Answer
    """To a request for a chat completion."""
    stream: Answer | None = None
    """To a request for a stream; as `answer` where not given."""

    def reply(self, body: Any) -> Answer:
        """Return the server's reply to a request."""
        streams = isinstance(body, dict) and body.get("stream") is True
        return self.stream if streams and self.stream is not None else self.answer


def _status(status: int) -> Fault:
    error = {"error": {"message": f"fault {status}", "type": "api_error"}}
    return Fault(f"HTTP {status}", Answer(status=status, body=error))


def _finished(answer: dict[str, Any], reason: str) -> dict[str, Any]:
    choice = {**answer["choices"][0], "finish_reason": reason}
    return {**answer, "choices": [{**choice, "delta": {}} if choice["message"]["content"] == "" else choice]}


_CHUNKS = shapes.chat_stream(TEXT.replace(" ", " |"), done=False)
_PAGE = b"<!doctype html><title>Sign in</title><p>Accept the terms of this network first."
_WHOLE = Answer(body=shapes.chat(TEXT))

FAULTS: dict[str, Fault] = {
    "rate limit": _status(429),
    "server error": _status(500),
    "bad gateway": replace(_status(502), answer=Answer(status=502, body=b"upstream is away")),
    "overloaded": _status(529),
    "request time-out": _status(408),
    "reset": Fault("connection lost", replace(_WHOLE, break_after=0)),
    "cut body": Fault(
        "answer cut off", replace(_WHOLE, break_after=1), Answer(chunks=_CHUNKS, break_after=3)
    ),
    "no end marker": Fault(
        "answer cut off",
        Answer(body=b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "bil'),
        Answer(chunks=_CHUNKS[:3]),
    ),
    "web page": Fault(
        "HTTP 200 without an answer", Answer(body=_PAGE, headers={"content-type": "text/html"})
    ),
    "error object": Fault(
        "HTTP 200 without an answer",
        Answer(body={"error": {"message": "the model crashed", "type": "server_error"}}),
        Answer(chunks=[shapes.sse({"error": {"message": "the model crashed"}})]),
    ),
    "no choices": Fault("HTTP 200 without an answer", Answer(body={**shapes.chat(TEXT), "choices": []})),
    "hang": Fault("time-out", replace(_WHOLE, delay=HANGS)),
}
"""By name. A client gives up on `hang` after its own time-out, which has to be shorter."""

_PACKED = {"content-encoding": "gzip"}
_STREAMED = {"content-type": "text/event-stream"}
_BROKE = {"error": {"message": "the model crashed", "type": "server_error"}}


def _packed(data: bytes, lost: int) -> bytes:
    """Return gzip without its last bytes."""
    return gzip.compress(data)[:-lost]


FURTHER_FAULTS: dict[str, Fault] = {
    "error in the middle": Fault(
        "HTTP 200 without an answer",
        Answer(body={**shapes.chat(TEXT), **_BROKE}),
        Answer(chunks=[*_CHUNKS[:3], shapes.sse(_BROKE), b"data: [DONE]\n\n"]),
    ),
    "error event": Fault(
        "HTTP 200 without an answer",
        Answer(body={"object": "error", **_BROKE}),
        Answer(chunks=[*_CHUNKS[:3], b"event: error\n" + shapes.sse(_BROKE)]),
    ),
    "finished by an error": Fault(
        "HTTP 200 without an answer",
        Answer(body=_finished(shapes.chat(TEXT), "error")),
        Answer(chunks=[*_CHUNKS[:3], shapes.sse(_finished(shapes.chat(""), "error")), b"data: [DONE]\n\n"]),
    ),
    "cut gzip": Fault(
        "answer cut off",
        Answer(body=_packed(json.dumps(shapes.chat(TEXT)).encode(), 24), headers=_PACKED),
        Answer(body=_packed(b"".join(_CHUNKS), 40), headers={**_PACKED, **_STREAMED}),
    ),
    "no gzip": Fault("HTTP 200 without an answer", Answer(body=b"{not gzip at all}", headers=_PACKED)),
    "empty body": Fault("answer cut off", Answer(body=b"")),
    "signs of life alone": Fault(
        "answer cut off",
        Answer(body=b"   \n \n"),
        Answer(chunks=[b": still working\n\n", b": still working\n\n"]),
    ),
    "half a character": Fault(
        "answer cut off", Answer(body=json.dumps(shapes.chat("caf\u00e9"), ensure_ascii=False).encode()[:-60])
    ),
}
"""Rarer ones, as above."""
