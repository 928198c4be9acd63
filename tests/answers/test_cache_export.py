"""The contents of an export and what must be absent from it; the additions of an import."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support import llm_shapes as shapes

from pytest_fapo.answers.cache import AnswerCache, cache_stats, clear_cache
from pytest_fapo.answers.cache_export import export_cache, import_cache
from pytest_fapo.answers.cache_layers import layered_cache, project_cache
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.errors import CacheFileError, ConfigError

JSON = ((b"Content-Type", b"application/json"), (b"Date", b"Tue"), (b"openai-organization", b"acme"))
STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"),)
SECRET = "hunter2-and-more-of-it"


def _key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def _answer(text: str = "fine", headers: Any = JSON, **more: Any) -> RecordedAnswer:
    return RecordedAnswer(200, headers, (json.dumps(shapes.chat(text)).encode(),), **more)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    with closing(AnswerCache(tmp_path / ".fapo" / "cache")) as made:
        yield made


def _exported(cache: Any, path: Path, **how: Any) -> dict[str, Any]:
    export_cache(cache, path, **how)
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _round_trip(cache: AnswerCache, folder: Path, **how: Any) -> AnswerCache:
    export_cache(cache, folder / "answers.json", **how)
    other = AnswerCache(folder / "other")
    import_cache(other, folder / "answers.json")
    return other


def test_one_sorted_json_file_with_an_answer_a_line(cache: AnswerCache, tmp_path: Path) -> None:
    for number in range(3):
        cache.put(_key(number), _answer(f"answer {number}"))
    path = tmp_path / "deep" / "answers.json"
    result = export_cache(cache, path)
    assert (result.answers, result.bytes, result.redacted) == (3, path.stat().st_size, 0)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1], len(lines)) == ('{"format":"fapo-answers 2",', '"end":true}', 5)
    assert lines[1:-1] == sorted(lines[1:-1])
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document[_key(1)] == {
        "status": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(shapes.chat("answer 1")),
    }


def test_equal_answers_give_an_equal_file(cache: AnswerCache, tmp_path: Path) -> None:
    with closing(AnswerCache(tmp_path / "other")) as other:
        for number in range(5):
            cache.put(_key(number), _answer(f"{number}"))
            other.put(_key(4 - number), _answer(f"{4 - number}"))
        one, two = tmp_path / "one.json", tmp_path / "two.json"
        export_cache(cache, one)
        export_cache(other, two)
    assert one.read_bytes() == two.read_bytes()


def test_what_travelled_says_the_same(cache: AnswerCache, tmp_path: Path) -> None:
    chunks = tuple(shapes.chat_stream("grüezi \u2028 \u202e \U000e0041 \x7f 日本"))
    cut = "日".encode()
    cache.put(_key(1), RecordedAnswer(200, STREAM, chunks))
    cache.put(
        _key(2), RecordedAnswer(206, ((b"content-type", b"application/octet-stream"),), (b"\xff", b"\x00"))
    )
    cache.put(_key(3), RecordedAnswer(200, STREAM, (b"data: " + cut[:1], cut[1:] + b"\n\n")))
    cache.put(_key(4), RecordedAnswer(204, (), ()))
    with closing(_round_trip(cache, tmp_path)) as other:
        for number in range(1, 5):
            before, after = cache.get(_key(number)), other.get(_key(number))
            assert before is not None
            assert after is not None
            assert (after.status, after.body) == (before.status, before.body)
            assert after.header("content-type") == before.header("content-type")
        streamed = other.get(_key(1))
        assert streamed is not None
        assert streamed.chunks == chunks


def test_a_reviewer_sees_what_is_in_the_file(cache: AnswerCache, tmp_path: Path) -> None:
    body = gzip.compress(json.dumps(shapes.chat("in plain sight \u202e\u200b\x9b")).encode())
    cache.put(_key(1), RecordedAnswer(200, (*JSON, (b"Content-Encoding", b"gzip")), (body[:9], body[9:])))
    export_cache(cache, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "in plain sight" in text
    assert all(char.isprintable() for char in text.replace("\n", ""))
    with closing(_round_trip(cache, tmp_path)) as other:
        found = other.get(_key(1))
        assert found is not None
        assert json.loads(found.body) == shapes.chat("in plain sight \u202e\u200b\x9b")
        assert found.header("content-encoding") == ""


def test_headers_that_tell_who_asked_stay_at_home(cache: AnswerCache, tmp_path: Path) -> None:
    headers = (
        *JSON,
        (b"X-Request-ID", b"req_1"),
        (b"anthropic-organization-id", b"org"),
        (b"x-ratelimit-limit", b"9"),
    )
    cache.put(_key(1), _answer(headers=headers))
    found = _exported(cache, tmp_path / "a.json")[_key(1)]
    assert found["headers"] == {"content-type": "application/json", "x-request-id": "req_1"}


# --- credentials ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [SECRET, "sk-abcdefghijklmnopqrstuvwx", 'quoted"-\\-ü-1234'])
def test_a_credential_does_not_travel(
    secret: str, cache: AnswerCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", secret)
    for number, text in enumerate([f"your key is {secret}, keep it", "fine"]):
        cache.put(_key(number), _answer(text))
        cache.put(_key(number + 10), RecordedAnswer(200, STREAM, tuple(shapes.chat_stream(text))))
    cache.put(_key(22), _answer(json.dumps({"tool": [json.dumps({"key": secret}), "\ud800"]})))
    cache.put(_key(20), RecordedAnswer(200, ((b"content-type", b"text/plain"),), (secret.encode(),)))
    cache.put(_key(21), _answer(headers=(*JSON, (b"x-request-id", secret.encode("latin-1")))))
    result = export_cache(cache, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    twice = json.dumps(escaped)[1:-1]
    assert not any(form in text for form in (secret, escaped, twice, json.dumps(twice)[1:-1]))
    document = json.loads(text)
    body = json.loads(document[_key(0)]["body"])
    assert body["choices"][0]["message"]["content"] == "your key is [redacted], keep it"
    assert json.loads(document[_key(1)]["body"]) == shapes.chat("fine")
    assert document[_key(21)]["headers"] == {"content-type": "application/json"}
    assert result.answers + len(result.left_out) == 7
    assert result.redacted + len(result.left_out) == 4
    inner = json.loads(json.loads(document[_key(22)]["body"])["choices"][0]["message"]["content"])
    assert inner == {"tool": ['{"key": "[redacted]"}', "\ud800"]}


def test_a_credential_spread_over_a_stream_is_left_out_and_said(cache: AnswerCache, tmp_path: Path) -> None:
    pieces = [{"choices": [{"delta": {"content": piece}}]} for piece in (SECRET[:9], SECRET[9:])]
    events = [json.dumps({"object": "chat.completion.chunk", **piece}) for piece in pieces]
    cache.put(_key(1), RecordedAnswer(200, STREAM, tuple(f"data: {event}\n\n".encode() for event in events)))
    cache.put(_key(2), _answer())
    result = export_cache(cache, tmp_path / "a.json", redact=Redactor(secrets=[SECRET]))
    assert result.answers == 1
    assert result.left_out == (
        f"the answer {_key(1)[:12]}… was left out: a credential is spread over the events of its stream",
    )


def test_what_the_setting_redact_matches_does_not_travel(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer("write to ann@example.org"))
    found = _exported(cache, tmp_path / "a.json", redact=Redactor([r"\S+@\S+"]))[_key(1)]
    content = json.loads(found["body"])["choices"][0]["message"]["content"]
    assert content == "write to [redacted]"


def test_an_answer_that_cannot_be_looked_into_is_left_out(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer(headers=(*JSON, (b"content-encoding", b"secret-sauce"))))
    cache.put(_key(2), _answer(headers=((b"content-type", b"text/plain; charset=shift_jis"),)))
    with pytest.raises(CacheFileError, match=r"was not written.*secret-sauce.*shift_jis"):
        export_cache(cache, tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_an_answer_too_large_to_be_read_again_is_left_out(
    cache: AnswerCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_fapo.answers.cache_export.ANSWER_BYTES", 2**20)
    cache.put(_key(1), _answer("x" * 2**20))
    cache.put(_key(2), _answer())
    result = export_cache(cache, tmp_path / "a.json")
    assert (result.answers, len(result.left_out)) == (1, 1)
    assert result.left_out[0].endswith("was left out: it is larger than 1 MiB")


# --- which answers, and where ---------------------------------------------------------------------------


def test_only_the_wanted_answers(cache: AnswerCache, tmp_path: Path) -> None:
    for number in range(4):
        cache.put(_key(number), _answer())
    document = _exported(cache, tmp_path / "a.json", keys=[_key(2), _key(9), _key(0)])
    assert sorted(document)[:2] == sorted([_key(0), _key(2)])
    assert len(document) == 4


def test_without_answers_an_earlier_export_stays(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer())
    export_cache(cache, tmp_path / "a.json")
    before = (tmp_path / "a.json").read_bytes()
    cache.clear()
    with pytest.raises(CacheFileError, match="was not written: no answer is recorded; run pytest first"):
        export_cache(cache, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == before


def test_another_file_is_not_overwritten(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer())
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\n")
    with pytest.raises(CacheFileError, match="exists and is not an exported cache; it was left as it is"):
        export_cache(cache, path)
    assert path.read_text() == "[project]\n"
    with pytest.raises(CacheFileError, match="is a folder; give the name of a file, such as"):
        export_cache(cache, tmp_path)
    path.unlink()
    with pytest.raises(CacheFileError, match="cannot be written: /dev/null is not a folder"):
        export_cache(cache, Path("/dev/null/b.json"))
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_an_earlier_export_is_replaced_with_its_permissions(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer())
    path = tmp_path / "a.json"
    export_cache(cache, path)
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600
    path.chmod(0o640)
    cache.put(_key(2), _answer())
    assert export_cache(cache, path).answers == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_renewed_export_keeps_what_lives_only_in_the_file(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer("old"))
    export_cache(cache, tmp_path / "a.json")
    cache.clear()
    cache.put(_key(2), _answer("new"))
    with closing(project_cache(tmp_path, ["a.json", "not-there-yet.json"])) as layered:
        assert export_cache(layered, tmp_path / "a.json").answers == 2
    with closing(layered_cache(None, [tmp_path / "a.json"])) as renewed:
        assert renewed.keys() == sorted([_key(1), _key(2)])


def test_rows_of_strangers_are_passed_over(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put("no key of ours\n", _answer())
    cache.put(_key(1), _answer())
    assert export_cache(cache, tmp_path / "a.json").answers == 1


def test_branches_that_add_answers_merge(cache: AnswerCache, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def commit(*numbers: int) -> None:
        export_cache(cache, path, keys=list(map(_key, numbers)))
        git("commit", "-aqm", "more")

    for number in range(40):
        cache.put(_key(number), _answer(str(number)))
    (tmp_path / ".gitattributes").write_text("answers.json merge=union\n")
    export_cache(cache, path, keys=[_key(0)])
    git("init", "-qb", "main")
    git("add", ".gitattributes", "answers.json")
    git("commit", "-qm", "one")
    git("switch", "-qc", "theirs")
    commit(*range(25))
    git("switch", "-q", "main")
    commit(0, *range(15, 40))
    git("merge", "-q", "theirs")
    with closing(layered_cache(None, [path])) as merged:
        assert merged.keys() == cache.keys()
    json.loads(path.read_text(encoding="utf-8"))


# --- import, figures, clear -----------------------------------------------------------------------------


def test_an_import_adds_and_never_replaces(cache: AnswerCache, tmp_path: Path) -> None:
    cache.put(_key(1), _answer("theirs"))
    cache.put(_key(2), _answer("theirs"))
    export_cache(cache, tmp_path / "a.json")
    with closing(AnswerCache(tmp_path / "other")) as other:
        other.put(_key(1), _answer("mine"))
        result = import_cache(other, tmp_path / "a.json")
        assert (result.added, result.known) == (1, 1)
        mine = other.get(_key(1))
        assert mine == _answer("mine")
        again = import_cache(other, tmp_path / "a.json")
        assert (again.added, again.known) == (0, 2)


def test_figures_and_clearing(cache: AnswerCache, tmp_path: Path) -> None:
    assert cache_stats(cache).answers == 0
    assert clear_cache(cache) == 0
    assert not cache.exists()
    cache.put(_key(1), _answer())
    cache.put(_key(2), RecordedAnswer(200, STREAM, tuple(shapes.message_stream("hi"))))
    cache.put(_key(3), RecordedAnswer(200, JSON, (json.dumps(shapes.embedding([0.5])).encode(),)))
    cache.put(_key(4), RecordedAnswer(200, STREAM, tuple(shapes.response_stream("hi"))))
    cache.put(_key(5), RecordedAnswer(200, (*JSON, (b"x-fapo-offline", b"1")), (b"no json",)))
    export_cache(cache, tmp_path / "a.json", keys=[_key(1)])
    found = cache_stats(cache)
    assert found.answers == 5
    assert found.bytes > 1_000
    assert found.apis == {
        "chat.completions": 1,
        "embeddings": 1,
        "messages": 1,
        "other": 1,
        "responses": 1,
    }
    assert sum(found.models.values()) == 5
    assert found.models[""] == 1
    assert (found.offline, found.imported) == (1, 0)
    assert found.oldest is not None
    assert found.newest is not None
    assert found.oldest <= found.newest
    assert found.oldest.tzinfo is not None
    assert clear_cache(cache) == 5
    import_cache(cache, tmp_path / "a.json")
    assert cache_stats(cache).imported == 1


def test_a_damaged_cache_is_said(cache: AnswerCache, tmp_path: Path) -> None:
    for number in range(200):
        cache.put(_key(number), _answer("x" * 500))
    cache.close()
    database = cache.folder / "cache.db"
    content = bytearray(database.read_bytes())
    content[80_000:] = b"\x07" * (len(content) - 80_000)
    database.write_bytes(content)
    for use in (cache_stats, clear_cache, lambda cache: export_cache(cache, tmp_path / "a.json")):
        with pytest.raises(ConfigError, match=r"the cache in .* is damaged \(.*\); delete that folder"):
            use(AnswerCache(cache.folder))


def test_clearing_gives_the_space_back(cache: AnswerCache) -> None:
    for number in range(20):
        cache.put(_key(number), RecordedAnswer(200, JSON, (b"x" * 100_000,)))
    before = cache_stats(cache).bytes
    clear_cache(cache)
    assert cache_stats(cache).bytes < before / 4
