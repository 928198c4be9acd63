"""The model that the shapes ask: a function of the request, behind HTTP, with faults on demand."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.loopback import LoopbackHandler, listening

TOPICS = {
    "charged": "payment",
    "invoice": "payment",
    "parcel": "delivery",
    "courier": "delivery",
    "money back": "refund",
    "password": "login",
}
LABELS = {"payment": "billing", "delivery": "shipping", "refund": "refund", "login": "access"}
SLOW = 30.0
"""Seconds for which a hanging answer is held back; the shapes' clients give up after half a second."""

Body = Mapping[str, Any]


class Model:
    """Answers chat requests on a free port of this machine.

    Set `fault` to a name of `FAULTS` to spoil the answers to the requests whose text holds `spoiled`.
    """

    def __init__(self) -> None:
        self.base = ""
        self.fault = ""
        self.spoiled = ""
        self.asked: Counter[str] = Counter()
        """Requests that arrived, by the name of the model."""

    def plant(self, fault: str, spoiled: str) -> None:
        """Spoil the answers to requests that hold this text."""
        self.spoiled, self.fault = spoiled, fault

    def heal(self) -> None:
        self.fault = ""

    def spoils(self, body: Body) -> bool:
        return bool(self.fault) and self.spoiled in json.dumps(body)


def reply(body: Body) -> str:
    """Return what the model says; wordings matter to it only as far as stated here.

    `topic` questions are answered from a list of words, `sort` questions from the topic, as long as the
    prompt has a line for the label; the model `small` takes every delivery for a payment, and `judge` finds
    a text polite that says please.
    """
    system, user = (str(message["content"]) for message in body["messages"])
    if body["model"] == "judge":
        return "yes" if "please" in user.lower() else "no"
    if system.startswith("Name the topic"):
        topic = next((topic for word, topic in TOPICS.items() if word in user), "nothing")
        return "payment" if body["model"] == "small" and topic == "delivery" else topic
    label = LABELS.get(user, "other")
    if f"- {label}" in system:
        return label
    return "billing" if "- billing" in system else "other"


def whole(text: str) -> bytes:
    """Return a complete chat answer."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "truth",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
        }
    ).encode()


def streamed(text: str, *, ended: bool = True) -> bytes:
    """Return the same as a stream of events, letter by letter; without its end where `ended` is false."""
    deltas: list[dict[str, Any]] = [{"content": letter} for letter in text]
    chunks = [_chunk(delta, None) for delta in deltas]
    if ended:
        chunks.append(_chunk({}, "stop"))
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in (chunks if ended else chunks[:2])]
    return ("".join(lines) + ("data: [DONE]\n\n" if ended else "")).encode()


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "truth",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


class _Answering(LoopbackHandler):
    model: Model

    def do_POST(self) -> None:
        body = self.json_body()
        self.model.asked[body["model"]] += 1
        if self.model.spoils(body):
            FAULTS[self.model.fault](self, body)
        else:
            self.answer(body)

    def answer(self, body: Body) -> None:
        if body.get("stream"):
            self.send(200, streamed(reply(body)), kind="text/event-stream")
        else:
            self.send(200, whole(reply(body)))

    def error(self, status: int) -> None:
        self.send_json(status, {"error": {"message": f"the provider says {status}"}})


def _reset(handler: _Answering, body: Body) -> None:
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def _half(handler: _Answering, body: Body) -> None:
    if body.get("stream"):
        handler.send(200, streamed(reply(body), ended=False), kind="text/event-stream", missing=400)
    else:
        handler.send(200, whole(reply(body))[:40], missing=400)


def _unfinished(handler: _Answering, body: Body) -> None:
    if body.get("stream"):
        handler.send(200, streamed(reply(body), ended=False), kind="text/event-stream")
    else:
        handler.send(200, whole(reply(body))[:40])


def _hang(handler: _Answering, body: Body) -> None:
    time.sleep(SLOW)


def _html(handler: _Answering, body: Body) -> None:
    handler.send(200, b"<html><body>Log in to the guest network</body></html>", kind="text/html")


def _no_choices(handler: _Answering, body: Body) -> None:
    handler.send(200, b'{"id": "x", "object": "chat.completion", "choices": []}')


def _error_object(handler: _Answering, body: Body) -> None:
    handler.send(200, b'{"error": {"message": "the engine is overloaded", "code": 503}}')


FAULTS: dict[str, Callable[[_Answering, Body], None]] = {
    "500": lambda handler, body: handler.error(500),
    "429": lambda handler, body: handler.error(429),
    "529": lambda handler, body: handler.error(529),
    "408": lambda handler, body: handler.error(408),
    "reset": _reset,
    "cut body": _half,
    "unfinished": _unfinished,
    "hang": _hang,
    "html": _html,
    "no choices": _no_choices,
    "error object": _error_object,
}
"""The faults between a pipeline and its provider, by name."""


@contextmanager
def serving() -> Iterator[Model]:
    """A model that answers until the block ends."""
    model = Model()
    handler = type("Handler", (_Answering,), {"model": model})

    with listening(handler) as model.base:
        yield model
