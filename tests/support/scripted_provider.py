"""A loopback server that gives scripted replies in the order of the requests, for an SDK to talk to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One HTTP response."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """Waited before the response begins."""
    drop: bool = False
    """Close the connection without a response."""
    cut: int | None = None
    """Send only so many bytes of the body that the headers announce."""


def json_reply(body: Any, status: int = 200, **more: Any) -> Reply:
    return Reply(json.dumps(body).encode(), status, **more)


def chat(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    """An OpenAI chat completion."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return json_reply(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    )


def message(*blocks: dict[str, Any], stop: str = "tool_use") -> Reply:
    """An Anthropic message."""
    return json_reply(
        {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": list(blocks),
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 100, "output_tokens": 20},
        }
    )


def tool_use(answer: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t1", "name": "answer", "input": answer}


def failure(status: int, text: str, **headers: str) -> Reply:
    """An error of either provider; the SDK's waits between its attempts are made short."""
    quick = {"retry-after-ms": "1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return json_reply({"error": {"type": "error", "message": text}}, status, headers=quick)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def text(self) -> str:
        """All that was said in the messages."""
        turns = [str(self.body.get("system", "")), *(turn["content"] for turn in self.body["messages"])]
        return "\n".join(turns)


class ScriptedProvider:
    """Gives `replies` in turn and the last one for ever; what was asked stands in `requests`."""

    def __init__(self, replies: list[Reply | Callable[[Request], Reply]]) -> None:
        self.replies = replies
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, request: Request) -> Reply:
        with self._lock:
            reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
            self.requests.append(request)
        return reply if isinstance(reply, Reply) else reply(request)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = provider._next(Request(self.path, headers, json.loads(sent)))
                time.sleep(reply.seconds)
                self.close_connection = True
                if not reply.drop:
                    self._send(reply)

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                self.send_header("content-type", reply.content_type)
                self.send_header("content-length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(OSError):  # the client may have given up waiting
                    self.wfile.write(reply.body[: reply.cut])

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@contextmanager
def scripted(*replies: Reply | Callable[[Request], Reply]) -> Iterator[ScriptedProvider]:
    """A running server with these replies."""
    provider = ScriptedProvider(list(replies))
    thread = threading.Thread(target=provider.serve, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.close()
        thread.join()
