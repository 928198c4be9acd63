"""A scriptable LLM provider on 127.0.0.1, for tests with real SDKs.

    with LLMServer() as server:
        server.script(failed(429, retry_after=0.1), chat("fine"))  # one answer for each request, in order
        client = openai.OpenAI(base_url=server.base_url, api_key=…)
        …
        assert server.count == 2
        assert server.requests[0].body["model"] == "gpt-test"

- `script(*answers)` queues answers. A dict is a JSON body, a list of bytes a stream with these chunks, a
  text a chat completion with that text; `Answer` says everything else.
- `respond = function` answers what the script does not: it gets the `Received` request and returns any of
  these. By default every API is echoed: `echo: <last message>`, streamed if asked for.
- `Answer(status, body, headers, chunks, delay, chunk_delay, break_after, gzip)`: `delay` and `chunk_delay` in
  seconds, `break_after=n` drops the connection after n chunks (0: before any answer).
- `failed(status, retry_after=…)` is an error answer that the SDKs retry.
- `requests`, `count`, `most_at_once` tell what arrived; `wait_for(n)` waits for the n-th request.
"""

from __future__ import annotations

import gzip as gzip_module
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from support import llm_shapes as shapes

from benchmarks.loopback import LoopbackHandler, LoopbackServer


@dataclass
class Answer:
    """One answer of the server."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Sequence[bytes] | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    break_after: int | None = None
    gzip: bool = False


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None

    @property
    def last_text(self) -> str:
        """The text of the last message, for any API."""
        body = self.body
        value = body.get("messages") or body.get("input") or body.get("prompt") or ""
        last = value[-1] if isinstance(value, list) and value else value
        content = last.get("content") if isinstance(last, dict) else last
        return content if isinstance(content, str) else json.dumps(content)


Reply = Answer | Mapping[str, Any] | Sequence[bytes] | str


def failed(status: int, *, retry_after: float | None = None, message: str = "try later") -> Answer:
    """An error answer; `retry_after` in seconds."""
    headers = {} if retry_after is None else {"retry-after-ms": str(int(retry_after * 1000))}
    body = {"type": "error", "error": {"type": "api_error", "message": message}}
    return Answer(status=status, body=body, headers=headers)


def echo(request: Received) -> Reply:
    """The last message, in the API's shape."""
    text = f"echo: {request.last_text}"
    streams = request.body.get("stream") is True
    path = request.path.split("?")[0]
    if path.endswith("/messages"):
        return shapes.message_stream(text) if streams else shapes.message(text)
    if path.endswith("/responses"):
        return shapes.response_stream(text) if streams else shapes.response(text)
    if path.endswith("/embeddings"):
        return shapes.embedding([0.5, float(len(text))])
    return shapes.chat_stream(text) if streams else shapes.chat(text)


class LLMServer:
    """See the module's docstring. A context manager."""

    def __init__(self, respond: Callable[[Received], Reply] = echo) -> None:
        self.respond = respond
        self.requests: list[Received] = []
        self.most_at_once = 0
        self._script: list[Reply] = []
        self._lock = threading.Condition()
        self._now = 0
        self._http = LoopbackServer(_handler_of(self))
        self.port: int = self._http.server_address[1]
        self.url = self._http.url
        self.base_url = f"{self.url}/v1"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> LLMServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def count(self) -> int:
        """The number of requests that have arrived."""
        return len(self.requests)

    def script(self, *answers: Reply) -> None:
        """Queue answers."""
        with self._lock:
            self._script.extend(answers)

    def wait_for(self, count: int, timeout: float = 5.0) -> None:
        """Wait until `count` requests have arrived."""
        with self._lock:
            assert self._lock.wait_for(lambda: self.count >= count, timeout), f"only {self.count} requests"

    def take(self, request: Received) -> Answer:
        """The answer to a request; for the handler."""
        with self._lock:
            self.requests.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self._lock.notify_all()
            reply = self._script.pop(0) if self._script else None
        return _answer(reply if reply is not None else self.respond(request))

    def leave(self) -> None:
        """A request is answered; for the handler."""
        with self._lock:
            self._now -= 1


def _answer(reply: Reply) -> Answer:
    if isinstance(reply, Answer):
        return reply
    if isinstance(reply, str):
        return Answer(body=shapes.chat(reply))
    if isinstance(reply, Mapping):
        return Answer(body=reply)
    return Answer(chunks=list(reply))


def _handler_of(server: LLMServer) -> type[LoopbackHandler]:
    class Handler(_Handler):
        llm = server

    return Handler


class _Handler(LoopbackHandler):
    wbufsize = 0  # each chunk leaves when it is written
    llm: LLMServer

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        content = self.content()
        request = Received(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, content)
        answer = self.llm.take(request)
        try:
            time.sleep(answer.delay)
            if answer.break_after == 0:
                self._break()
            elif answer.chunks is None:
                self._send_whole(answer)
            else:
                self._send_chunks(answer, answer.chunks)
        finally:
            self.llm.leave()

    def _head(self, answer: Answer, **headers: str) -> None:
        self.send_response(answer.status)
        fields = {**{name.replace("_", "-"): value for name, value in headers.items()}, **answer.headers}
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("set-cookie", "session=do-not-keep-this-cookie")
        self.send_header("x-request-id", f"req_{self.llm.count}")
        self.end_headers()

    def _send_whole(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        headers = {"content_type": "application/json"}
        if answer.gzip:
            body, headers["content_encoding"] = gzip_module.compress(body), "gzip"
        self._head(answer, content_length=str(len(body)), **headers)
        self.wfile.write(body if answer.break_after is None else body[: len(body) // 2])
        if answer.break_after is not None:
            self._break()

    def _send_chunks(self, answer: Answer, chunks: Sequence[bytes]) -> None:
        self._head(answer, content_type="text/event-stream; charset=utf-8", transfer_encoding="chunked")
        for number, chunk in enumerate(chunks):
            if number == answer.break_after:
                self._break()
                return
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            time.sleep(answer.chunk_delay)
        self.wfile.write(b"0\r\n\r\n")

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
