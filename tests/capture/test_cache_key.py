"""The name of a request in the cache: equal for the identical body, another for any other order of keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import llm_shapes as shapes
from support.llm_lab import Lab
from support.llm_server import LLMServer

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.exported_cache import AnswerFile
from pytest_fapo.capture.cache_key import read_question
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import CacheFileError

URL = "https://api.test/v1/chat/completions"
NAMES = st.text(min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4)
)


def _key(content: bytes) -> str:
    return read_question("chat.completions", "POST", URL, {}, content).key(1)


def _reordered(value: Any, order: st.DataObject) -> Any:
    """The same JSON value with the keys of each of its objects in some order."""
    if isinstance(value, dict):
        names = order.draw(st.permutations(list(value)))
        return {name: _reordered(value[name], order) for name in names}
    return [_reordered(part, order) for part in value] if isinstance(value, list) else value


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(body=st.dictionaries(NAMES, BODIES, max_size=5), order=st.data())
def test_two_bodies_have_one_key_only_if_their_keys_stand_in_the_same_order(
    body: Any, order: st.DataObject
) -> None:
    other = _reordered(body, order)
    same = json.dumps(body) == json.dumps(other)
    assert (_key(json.dumps(body).encode()) == _key(json.dumps(other).encode())) is same


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(body=st.dictionaries(NAMES, BODIES, max_size=5))
def test_white_space_does_not_make_another_request(body: Any) -> None:
    spellings = [
        json.dumps(body).encode(),
        json.dumps(body, separators=(",", ":")).encode(),
        json.dumps(body, indent=2).encode(),
    ]
    assert len({_key(content) for content in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "a": 2}', b'{"a": 2}'),
        (b'{"a": 1, "a": 2}', b'{"a": 3, "a": 2}'),
        (b'{"m": [{"x": 1, "x": 1}]}', b'{"m": [{"x": 1}]}'),
        (b'{"a": 1}', b'{"a": "1"}'),
        (b'{"a": true}', b'{"a": 1}'),
        (b"[1, 2]", b"[2, 1]"),
        (b"no json", b"no json "),
    ],
)
def test_different_bodies_have_different_keys(one: bytes, other: bytes) -> None:
    assert _key(one) != _key(other)


def test_a_schema_in_another_order_is_asked_and_its_own_order_is_replayed(
    server: LLMServer, lab: Lab
) -> None:
    def reply(request: Any) -> Any:
        names = list(request.body["response_format"]["json_schema"]["schema"]["properties"])
        return shapes.chat(json.dumps(dict.fromkeys(names, "x")))

    server.respond = reply
    client = openai.OpenAI(base_url=server.base_url, api_key="k")

    def ask(*names: str) -> Any:
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        made = lab.run(
            lambda: client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "q"}], response_format=form
            )
        )
        return list(json.loads(made.choices[0].message.content))

    for _ in range(2):
        assert ask("reasoning", "answer") == ["reasoning", "answer"]
        assert ask("answer", "reasoning") == ["answer", "reasoning"]
    assert server.count == 2


# --- what an earlier version has recorded ----------------------------------------------------------------


def test_an_export_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text('{"format":"fapo-answers 1",\n"end":true}\n')
    with pytest.raises(CacheFileError, match=r"answers\.json was written by an earlier version") as caught:
        AnswerFile(path)
    assert "\n" not in str(caught.value)
    assert f"fapo cache export {path}" in str(caught.value)


def test_a_cache_of_an_earlier_version_is_counted_once_and_asked_again(
    server: LLMServer, lab: Lab, tmp_path: Path
) -> None:
    cache = AnswerCache(lab.folder)
    cache.put("0" * 64, RecordedAnswer(status=200, headers=(), chunks=(b"{}",)))
    cache._open()._con.execute("PRAGMA user_version = 0")
    cache.close()

    opened = AnswerCache(lab.folder)
    assert opened.get("1" * 64) is None
    assert opened.outdated == 1
    opened.close()
    again = AnswerCache(lab.folder)
    assert again.get("1" * 64) is None
    assert again.outdated == 0
    again.close()
    lab.run(lambda: httpx.post(f"{server.base_url}/chat/completions", json={"model": "m", "messages": []}))
    assert server.count == 1
