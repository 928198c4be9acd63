"""Answers shared through a real Redis: found, leased, and gone on without where it fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.llm_lab import Lab
from support.llm_server import Answer, LLMServer, Received
from support.redis_server import RedisServer, needs_redis, redis

from pytest_fapo.answers.answer_channel import AnswerDesk, ChanneledAnswers
from pytest_fapo.answers.cache_layers import LayeredCache
from pytest_fapo.answers.shared_answers import SharedAnswers
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import ConfigError

__all__ = ["redis"]

ANSWER = RecordedAnswer(200, ((b"content-type", b"application/json"),), (b'{"a": "\xc3\xa4"}', b"\xff"))
FORMS = "fapo:2:answer:"


@pytest.fixture
def shared(redis: RedisServer) -> Iterator[SharedAnswers]:
    with closing(SharedAnswers(redis.url)) as answers:
        yield answers


def _raw(redis: RedisServer) -> Any:
    from redis import Redis

    return Redis.from_url(redis.url)


def _asking(server: LLMServer) -> Callable[[str], str]:
    def ask(text: str) -> str:
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        answer = httpx.post(f"{server.base_url}/chat/completions", json=body, timeout=60)
        return str(answer.json()["choices"][0]["message"]["content"])

    return ask


def test_an_answer_crosses_whole_as_json_and_is_marked_as_somebody_elses(
    shared: SharedAnswers, redis: RedisServer
) -> None:
    assert shared.get("k") is None
    shared.put("k", ANSWER)
    with closing(SharedAnswers(redis.url)) as other:
        found = other.get("k")
    assert found is not None
    assert (found.status, found.headers, found.chunks) == (ANSWER.status, ANSWER.headers, ANSWER.chunks)
    assert found.imported
    assert json.loads(_raw(redis).get(f"{FORMS}k"))["key"] == "k"
    assert shared.remarks() == []


def test_one_machine_pays_and_the_other_replays(server: LLMServer, lab: Lab, redis: RedisServer) -> None:
    ask = _asking(server)
    lab.capture(shared=redis.url)
    assert lab.run(lambda: ask("q")) == "echo: q"
    here, lab.folder = lab.folder, lab.folder.with_name("another machine's")
    lab.capture(shared=redis.url)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert [call.cache_hit for call in lab.calls] == [True]
    redis.kill()
    for folder in (here, lab.folder):  # both have it in their local cache by now
        lab.folder = folder
        lab.capture()
        assert lab.run(lambda: ask("q")) == "echo: q"
    assert server.count == 1


def test_under_only_it_is_read_and_nothing_is_written(
    server: LLMServer, lab: Lab, redis: RedisServer
) -> None:
    ask = _asking(server)
    lab.capture(shared=redis.url)
    lab.run(lambda: ask("q"))
    before = _raw(redis).dbsize()
    lab.folder = lab.folder.with_name("another machine's")
    lab.capture("only", shared=redis.url, cached=False)
    assert lab.run(lambda: ask("q")) == "echo: q"
    assert not lab.folder.exists()
    assert (_raw(redis).dbsize(), server.count) == (before, 1)


def test_nobody_elses_answer_is_told_to_the_optimizer(
    server: LLMServer, lab: Lab, redis: RedisServer
) -> None:
    ask = _asking(server)
    lab.capture(shared=redis.url)
    lab.run(lambda: ask("improve this"))
    lab.folder = lab.folder.with_name("another machine's")
    lab.capture(shared=redis.url)
    with optimizer_calls():
        ask("improve this")
    assert server.count == 2


ASKS = """
import sys, httpx
from pathlib import Path
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_layers import layered_cache
from pytest_fapo.answers.shared_answers import SharedAnswers
from pytest_fapo.capture.http_capture import Capture
from pytest_fapo.capture.recorder import Recorder, recording

url, shared, folder = sys.argv[1:]
cache = layered_cache(AnswerCache(Path(folder)), [], shared=SharedAnswers(shared))
Capture(cache=cache, mode="auto").install()
recorder = Recorder(pipeline="p", case_id="c")
with recording(recorder):
    body = {"model": "m", "messages": [{"role": "user", "content": "the same"}]}
    answer = httpx.post(url + "/chat/completions", json=body, timeout=60).json()
print(answer["choices"][0]["message"]["content"], recorder.trace().llm_calls[0].cache_hit)
cache.close()
"""


def _process(server: LLMServer, redis: RedisServer, folder: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", ASKS, server.base_url, redis.url, str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_processes_that_ask_the_same_at_once_pay_once(
    server: LLMServer, redis: RedisServer, tmp_path: Path
) -> None:
    asked = threading.Event()

    def respond(request: Received) -> Answer:
        asked.wait(30)
        return Answer(body={"choices": [{"message": {"content": "one"}, "finish_reason": "stop"}]})

    server.respond = respond
    processes = [_process(server, redis, tmp_path / f"cache-{number}") for number in range(4)]
    server.wait_for(1, 60)
    _wait_until(lambda: any(_raw(redis).scan_iter("fapo:2:lease:*")))
    time.sleep(1.0)  # the others are under way, and would have asked by now
    asked.set()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["one False", "one True", "one True", "one True"]
    assert server.count == 1
    assert list(_raw(redis).scan_iter("fapo:2:lease:*")) == []


@pytest.mark.slow
def test_what_a_killed_process_was_asking_is_taken_over(
    server: LLMServer, redis: RedisServer, tmp_path: Path
) -> None:
    hangs = threading.Event()

    def respond(request: Received) -> str:
        if server.count == 1:
            hangs.wait(60)
        return "taken over"

    server.respond = respond
    first = _process(server, redis, tmp_path / "first")
    server.wait_for(1, 60)
    second = _process(server, redis, tmp_path / "second")
    (lease,) = _raw(redis).scan_iter("fapo:2:lease:*")
    assert str(first.pid) in _raw(redis).get(lease).decode()  # it says who asks
    first.kill()
    assert second.communicate(timeout=60)[0].strip() == "taken over False"
    assert server.count == 2
    hangs.set()
    first.communicate()


def test_a_lease_is_renewed_as_long_as_its_owner_lives(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_fapo.answers.shared_answers._LEASE", 60)
    monkeypatch.setattr("pytest_fapo.answers.shared_answers._RENEWAL", 0.05)
    with closing(SharedAnswers(redis.url)) as owner, closing(SharedAnswers(redis.url)) as other:
        assert owner.claim("k")
        assert not owner.claim("k")  # another request of the same process
        for _ in range(2):
            _raw(redis).pexpire("fapo:2:lease:k", 30_000)
            _wait_until(lambda: _raw(redis).pttl("fapo:2:lease:k") > 31_000)
        assert not other.claim("k")
        _raw(redis).flushall()  # as a restart forgets it
        _wait_until(lambda: _raw(redis).exists("fapo:2:lease:k"))
        assert not other.claim("k")
        owner.release("k")
        assert other.claim("k")


def test_what_was_asked_before_redis_was_killed_is_answered_and_the_loss_is_said_once(
    server: LLMServer, lab: Lab, redis: RedisServer
) -> None:
    ask = _asking(server)
    cache = lab.capture(shared=redis.url)._source.cache
    assert isinstance(cache, LayeredCache)
    assert cache.shared is not None
    assert lab.run(lambda: ask("before")) == "echo: before"
    redis.kill()
    heard = lab.run(lambda: [ask(text) for text in ("before", "during", "during too")])
    assert heard == ["echo: before", "echo: during", "echo: during too"]
    assert server.count == 3
    said = cache.shared.remarks()
    assert len(said) == 2
    assert "did not answer at times (Connection" in said[0]
    assert said[1].startswith("2 answers could not be shared")


def test_a_redis_that_comes_back_is_used_again(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_fapo.answers.shared_answers._PAUSES", (0.05, 0.05))
    with closing(SharedAnswers(redis.url)) as shared:
        shared.put("a", ANSWER)
        redis.kill()
        assert shared.get("a") is None
        assert shared.claim("a")  # nobody to wait for
        redis.start()

        def is_back() -> bool:
            shared.put("b", ANSWER)
            return shared.get("b") is not None

        _wait_until(is_back)
        assert shared.get("a") is None  # it has forgotten that, and that is no answer


def test_a_slow_redis_is_left_alone(redis: RedisServer) -> None:
    with closing(SharedAnswers(f"{redis.url}?socket_timeout=0.2")) as shared:
        shared.put("k", ANSWER)
        # Asked each time, it would be waited for 10 s in all, and answer again after half of that.
        _raw(redis).execute_command("CLIENT", "PAUSE", "5000")
        assert [shared.get("k") for _ in range(50)] == [None] * 50
        (said,) = shared.remarks()
        assert "did not answer at times" in said


def test_a_full_redis_still_answers_what_it_knows(shared: SharedAnswers, redis: RedisServer) -> None:
    shared.put("k", ANSWER)
    _raw(redis).config_set("maxmemory", "1")
    shared.put("new", ANSWER)
    assert shared.claim("newer")  # asked without a lease
    assert shared.get("k") is not None
    first, second = shared.remarks()
    assert "takes no new answers" in first
    assert "maxmemory" in first
    assert second.startswith("1 answer could not be shared")


@pytest.mark.parametrize("value", [b"\x80\x04\x95pickle", b"not json", b'{"key":"other","answer":{}}', b"{}"])
def test_a_foreign_value_is_no_answer_and_is_left(
    value: bytes, shared: SharedAnswers, redis: RedisServer
) -> None:
    _raw(redis).set(f"{FORMS}k", value)
    assert shared.get("k") is None
    shared.put("k", ANSWER)
    assert _raw(redis).get(f"{FORMS}k") == value
    (said,) = shared.remarks()
    assert f"{FORMS}k was not written by this version of pytest-fapo" in said


def test_a_value_of_another_type_is_foreign_too(shared: SharedAnswers, redis: RedisServer) -> None:
    _raw(redis).hset(f"{FORMS}k", "field", "value")
    assert shared.get("k") is None
    assert "was not written by this version" in shared.remarks()[0]


def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    needs_redis()
    server = RedisServer(tmp_path, "--requirepass", "the-right-one-1")
    try:
        said = [_refusal(server.url.replace("//", "//:a-wrong-one-2@")), _refusal(server.url)]
        assert all(text.startswith(f"--fapo-cache-url: {server.url} refuses us: ") for text in said)
        assert "password" in said[0]
        assert "a-wrong-one-2" not in said[0]
        assert "it asks for a password" in said[1]
        with closing(SharedAnswers(server.url.replace("//", "//:the-right-one-1@"))) as shared:
            shared.check()
            shared.put("k", ANSWER)
            assert shared.get("k") is not None
    finally:
        server.kill()


def test_another_kind_of_server_is_said(server: LLMServer) -> None:
    pytest.importorskip("redis")
    with closing(SharedAnswers(f"redis://127.0.0.1:{server.port}")) as shared:
        shared.check()
        (said,) = shared.remarks()
    assert said.startswith(f"the shared cache redis://127.0.0.1:{server.port} did not answer")


def _refusal(url: str) -> str:
    with closing(SharedAnswers(url)) as shared, pytest.raises(ConfigError) as raised:
        shared.check()
    return str(raised.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHE_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="needs the environment variable CACHE_PASSWORD"):
        SharedAnswers("redis://:${CACHE_PASSWORD}@cache.internal")


@pytest.mark.slow
def test_tls_and_what_is_wrong_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_redis()
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files],
        cwd=tmp_path,
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    tls = ["--port", "0", "--tls-port", "{port}", "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]
    server = RedisServer(
        tmp_path,
        *tls,
        "--tls-ca-cert-file",
        "cert.pem",
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "p@ss/1",
    )
    monkeypatch.setenv("CACHE_PASSWORD", "p@ss/1")
    url = server.url.replace("redis://", "rediss://:${CACHE_PASSWORD}@")
    try:
        with closing(SharedAnswers(f"{url}?ssl_ca_certs={tmp_path}/cert.pem")) as shared:
            shared.check()
            shared.put("k", ANSWER)
            assert shared.get("k") is not None
        assert "no TLS connection" in _refusal(url)
    finally:
        server.kill()


def test_a_locked_in_process_asks_through_the_desk_and_leases_with_it(
    redis: RedisServer, tmp_path: Path
) -> None:
    def desk(name: str) -> AnswerDesk:
        return AnswerDesk(tmp_path, tmp_path / f"{name}-cache", [], writable=True, url=redis.url)

    first, second = desk("a"), desk("b")
    one, two = ChanneledAnswers(Path(first.socket)), ChanneledAnswers(Path(second.socket))
    assert (one.get("k"), two.get("k")) == (None, None)
    assert one.claim("k")
    assert not two.claim("k")
    one.put("k", ANSWER)
    one.release("k")
    assert two.get("k") is not None
    assert one.claim("other")
    first.close()  # as when its process has died
    assert two.claim("other")
    second.close()


def _wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("it never came")
        time.sleep(0.02)
