"""Exported caches below the local one, as the SDKs meet them: answered without sending, never written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_export import export_cache, import_cache
from pytest_fapo.answers.offline import OfflineModel
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.core.errors import CacheMiss

KEY = "sk-test-0123456789abcdef"


def _asking(server: LLMServer, **more: Any) -> Callable[[str], str]:
    client = openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0)

    def ask(text: str) -> str:
        answer = client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": text}], **more
        )
        return str(answer.choices[0].message.content)

    return ask


def _recorded(lab: Lab, server: LLMServer, path: Path, *texts: str, prefix: str = "file: ") -> Path:
    """An exported cache that answers these questions; the local cache is empty afterwards."""
    server.respond = lambda request: shapes.chat(prefix + request.last_text)
    lab.capture()
    ask = _asking(server)
    for text in texts:
        lab.run(partial(ask, text))
    with closing(AnswerCache(lab.folder)) as cache:
        export_cache(cache, path)
        cache.clear()
    server.requests.clear()
    server.respond = lambda request: shapes.chat("server: " + request.last_text)
    return path


def test_a_layer_answers_and_nothing_is_copied(server: LLMServer, lab: Lab, tmp_path: Path) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    before = path.read_bytes()
    lab.capture(files=[path])
    ask = _asking(server)
    assert lab.run(lambda: [ask("q"), ask("new")]) == ["file: q", "server: new"]
    assert [call.cache_hit for call in lab.calls] == [True, False]
    assert server.count == 1
    with closing(AnswerCache(lab.folder)) as local:
        assert local.keys() == [lab.calls[1].key]
    assert path.read_bytes() == before


def test_the_local_cache_is_above_the_files_in_their_order(
    server: LLMServer, lab: Lab, tmp_path: Path
) -> None:
    low = _recorded(lab, server, tmp_path / "low.json", "a", "b", "c", prefix="low: ")
    high = _recorded(lab, server, tmp_path / "high.json", "a", "b", prefix="high: ")
    lab.capture("refresh", files=[high, low])
    ask = _asking(server)
    assert lab.run(lambda: ask("a")) == "server: a"
    lab.capture("only", files=[high, low])
    assert lab.run(lambda: [ask(text) for text in "abc"]) == ["server: a", "high: b", "low: c"]
    assert server.count == 1


def test_without_a_local_cache_nothing_is_written(server: LLMServer, lab: Lab, tmp_path: Path) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    lab.capture("only", cached=False, files=[path], remedy="Ask Ann.")
    ask = _asking(server)
    before = sorted(tmp_path.rglob("*"))
    assert lab.run(lambda: ask("q")) == "file: q"
    with pytest.raises(CacheMiss, match=r"no recorded answer to POST /v1/chat/completions.* Ask Ann.$"):
        lab.run(lambda: ask("unknown"))
    assert server.count == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_off_does_not_look_at_them(server: LLMServer, lab: Lab, tmp_path: Path) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    lab.capture("off", files=[path])
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "server: q"


def test_streams_and_other_sdks_replay_from_a_file(server: LLMServer, lab: Lab, tmp_path: Path) -> None:
    def stream() -> str:
        client = openai.OpenAI(base_url=server.base_url, api_key=KEY)
        chunks = client.chat.completions.create(
            model="gpt-test", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    def message() -> str:
        client = anthropic.Anthropic(base_url=server.url, api_key=KEY)
        with client.messages.stream(
            model="claude-test", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        ) as events:
            return events.get_final_text()

    def later() -> list[float]:
        async def embed() -> list[float]:
            async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY) as client:
                found = await client.embeddings.create(
                    model="embed-test", input="hi", encoding_format="float"
                )
            return found.data[0].embedding

        return asyncio.run(embed())

    def everything() -> list[Any]:
        return [stream(), message(), later()]

    live = lab.run(everything)
    with closing(AnswerCache(lab.folder)) as cache:
        assert export_cache(cache, tmp_path / "a.json").answers == 3
        cache.clear()
    lab.capture("only", cached=False, files=[tmp_path / "a.json"])
    assert lab.run(everything) == live
    assert server.count == 3
    assert all(call.cache_hit and call.answer is not None for call in lab.calls[:2])


@pytest.mark.parametrize("imported", [False, True])
def test_nobodys_file_answers_the_optimizer(
    imported: bool, server: LLMServer, lab: Lab, tmp_path: Path
) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "improve this")
    if imported:
        with closing(AnswerCache(lab.folder)) as cache:
            import_cache(cache, path)
    lab.capture(files=[] if imported else [path])
    ask = _asking(server)
    assert lab.run(lambda: ask("improve this")) == "file: improve this"
    with optimizer_calls():
        assert ask("improve this") == "server: improve this"
    with optimizer_calls():
        assert ask("improve this") == "server: improve this"
    assert server.count == 1  # its own recorded answer is its to use


def test_a_broken_local_cache_does_not_hide_a_file(server: LLMServer, lab: Lab, tmp_path: Path) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    (lab.folder / "cache.db").write_bytes(b"no database" * 500)
    for name in ("cache.db-wal", "cache.db-shm"):
        (lab.folder / name).unlink(missing_ok=True)
    capture = lab.capture("only", files=[path])
    ask = _asking(server)
    assert lab.run(lambda: ask("q")) == "file: q"
    with pytest.raises(CacheMiss):
        lab.run(lambda: ask("unknown"))
    assert len(capture.problems) == 1
    assert "not a database" in capture.problems[0]


def test_a_file_that_went_bad_is_said_and_its_answers_are_missing(
    server: LLMServer, lab: Lab, tmp_path: Path
) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    capture = lab.capture("only", cached=False, files=[path])
    path.write_text("gone", encoding="utf-8")
    ask = _asking(server)
    with pytest.raises(CacheMiss):
        lab.run(lambda: ask("q"))
    assert capture.problems == [f"{path}, line 2: the file was changed while it was in use"]


def test_only_finds_what_a_real_model_said_where_a_stand_in_would_answer(
    server: LLMServer, lab: Lab, tmp_path: Path
) -> None:
    path = _recorded(lab, server, tmp_path / "a.json", "q")
    stand_in = OfflineModel(lambda request: "stand-in", name="m:f", fingerprint="1")
    ask = _asking(server)
    lab.capture(files=[path], offline=stand_in)
    assert lab.run(lambda: ask("q")) == "stand-in"
    lab.capture("only", files=[path], offline=stand_in)
    assert lab.run(lambda: ask("q")) == "stand-in"  # recorded above
    lab.capture("only", cached=False, files=[path], offline=stand_in)
    assert lab.run(lambda: ask("q")) == "file: q"
    assert not lab.calls[0].offline
    lab.capture("only", cached=False, files=[path])
    key = lab.calls[0].key
    lab.run(lambda: ask("q"))
    assert lab.calls[0].key == key
