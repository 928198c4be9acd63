"""Exported caches from strangers: whatever a file holds, it is refused in a sentence or gives an answer."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.cache_export import import_cache
from pytest_fapo.answers.cache_layers import layered_cache
from pytest_fapo.answers.exported_cache import AnswerFile
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import CacheFileError

HEAD = '{"format":"fapo-answers 2",'
TAIL = '"end":true}'
A, B = "a" * 64, "b" * 64
GOOD: dict[str, Any] = {"status": 200, "headers": {"content-type": "application/json"}, "body": "{}"}


def _line(key: str = A, **changed: Any) -> str:
    value = {**GOOD, **changed}
    return f'"{key}":{json.dumps(value, separators=(",", ":"))},'


def _file(folder: Path, *lines: str, head: str = HEAD, tail: str = TAIL) -> Path:
    path = folder / "answers.json"
    path.write_bytes("\n".join([head, *lines, tail, ""]).encode("utf-8", "surrogatepass"))
    return path


def _refusal(path: Path) -> str:
    with pytest.raises(CacheFileError) as caught:
        AnswerFile(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < len(str(path)) + 300
    return message[len(str(path)) :]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    stream = ["data: 1\n\n", {"base64": "/w=="}]
    with closing(AnswerFile(_file(tmp_path, _line(A), _line(B, status=201, body=stream)))) as file:
        assert file.keys() == [A, B]
        assert file.get(A) == RecordedAnswer(
            200, ((b"content-type", b"application/json"),), (b"{}",), imported=True
        )
        found = file.get(B)
        assert found is not None
        assert (found.status, found.chunks) == (201, (b"data: 1\n\n", b"\xff"))
        assert file.get("c" * 64) is None


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    path = _file(tmp_path, _line(A), _line(B))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with closing(AnswerFile(path)) as file:
        assert file.get(A) == file.get(B) != None  # noqa: E711


_DEEP = "[" * 100_000
_BODIES: list[tuple[str, str]] = [
    (_line().replace(":{", ":"), "line 2: expected one answer on this line"),
    ("  " + _line(), "line 2: expected one answer on this line"),
    (_line("A" * 64), "line 2: the key is not 64 hexadecimal digits"),
    (_line("../../etc/passwd"), "line 2: the key is not 64 hexadecimal digits"),
    (_line() + "\n" + _line(body="2"), "line 3: the same question is answered in line 2"),
    (f'"{A}":{{"status":200,}},', "line 2: the answer is not JSON"),
    (f'"{A}":{{"x":{_DEEP}}},', "line 2: the answer is not JSON"),
    (f'"{A}":{{"status":{"9" * 10_000},"headers":{{}},"body":""}},', "line 2: "),
    (_line(status=500), "line 2: status 500 is none of 200 to 299"),
    (_line(status=True), "line 2: status True is none of"),
    (_line(status=200.0), "line 2: status 200.0 is none of"),
    (_line(status="\x1b[2Jclear" * 99), "line 2: status '\\x1b[2Jclear\\x1b"),
    (_line(further=1), "line 2: an answer has the fields status, headers and body"),
    (f'"{A}":{{"status":200}},', "line 2: an answer has the fields"),
    (_line(headers=[]), "line 2: headers is not an object"),
    (_line(headers={"set-cookie": "a=b"}), "line 2: a recorded answer has no header 'set-cookie'"),
    (_line(headers={"Content-Type": "text/plain"}), "no header 'Content-Type'"),
    (_line(headers={"content-encoding": "gzip"}), "no header 'content-encoding'"),
    (_line(headers={"x-request-id": "a\r\nset-cookie: b"}), "'x-request-id' is not a short printable text"),
    (_line(headers={"x-request-id": "a" * 10_000}), "'x-request-id' is not a short printable text"),
    (_line(headers={"x-request-id": 7}), "'x-request-id' is not a short printable text"),
    (_line(headers={"content-type": "text/plain; charset=zlib"}), "the content type"),
    (_line(headers={"content-type": "text/html" * 20 + "\u202e"}), "'content-type' is not a short"),
    (_line(body=None), "line 2: the body is neither text nor base64"),
    (_line(body=[1]), "line 2: the body is neither text nor base64"),
    (_line(body={"base64": "~"}), "line 2: the body is neither text nor base64"),
    (_line(body={"base64": 7}), "line 2: the body is neither text nor base64"),
    (_line(body={"file": "/etc/passwd"}), "line 2: the body is neither text nor base64"),
    (_line(body=[["x"]]), "line 2: the body is neither text nor base64"),
    (_line(body="\ud800"), "line 2: the body is neither text nor base64"),
    (_line(body="\ud800").replace("\\ud800", "\ud800"), "line 2: the answer is not JSON"),
    ("<<<<<<< ours\n" + _line() + "\n=======\n>>>>>>> theirs", "line 2: a merge conflict is not resolved"),
    (_line() + "\n" + TAIL + "\n" + _line(B), "line 4: nothing may follow the end"),
]


@pytest.mark.parametrize(("body", "words"), _BODIES, ids=[words[:60] for _, words in _BODIES])
def test_a_bad_line_is_named(body: str, words: str, tmp_path: Path) -> None:
    assert words in _refusal(_file(tmp_path, body))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", " is not an exported cache: its first line is not "),
        (b"\n" * 5, " is not an exported cache"),
        (b"{}", " is not an exported cache"),
        (b"\x00" * 1000, " is not an exported cache"),
        (b"\xff\xfe{", " is not an exported cache"),
        (pickle.dumps({"a": 1}), " is not an exported cache"),
        (b"SQLite format 3\0", " is not an exported cache"),
        (b'{"format":"fapo-answers 3",\n', " was written by a later version of pytest-fapo"),
        (HEAD.encode(), " is cut off after line 1"),
        (f"{HEAD}\n{_line()}\n".encode(), " is cut off after line 2"),
        (f"{HEAD}\n{_line()[:-40]}".encode(), ", line 2: expected one answer on this line"),
    ],
)
def test_what_is_no_whole_export_is_said(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_bytes(content)
    assert _refusal(path).startswith(words)


def test_a_pickle_in_a_zip_is_not_loaded(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = tmp_path / "answers.json"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("answers", pickle.dumps(_Bomb(trap)))
    _refusal(path)
    assert not trap.exists()


class _Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "code ran"))


def test_a_file_that_never_ends_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(tmp_path, _line())
    monkeypatch.setattr("pytest_fapo.answers.exported_cache.FILE_BYTES", 100)
    assert "is larger than" in _refusal(path)
    monkeypatch.setattr("pytest_fapo.answers.exported_cache.FILE_BYTES", 10_000)
    monkeypatch.setattr("pytest_fapo.answers.exported_cache.ANSWER_BYTES", 100)
    assert "line 2: the line is longer than" in _refusal(path)
    monkeypatch.setattr("pytest_fapo.answers.exported_cache.ANSWER_BYTES", 1_000)
    monkeypatch.setattr("pytest_fapo.answers.exported_cache.MOST_ANSWERS", 1)
    assert "line 3: more than 1 answers are not read" in _refusal(_file(tmp_path, _line(A), _line(B)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        assert _refusal(path) == " is not a file"
    assert "does not exist; `fapo cache export" in _refusal(tmp_path / "missing.json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    path = _file(tmp_path, _line())
    path.chmod(0)
    assert "cannot be read: Permission denied" in _refusal(path)


def test_whatever_is_done_to_a_file_it_gives_answers_or_a_sentence(tmp_path: Path) -> None:
    chance = random.Random(4)
    stream = ["data: 1\n\n", {"base64": "/w=="}, "ü"]
    good = _file(tmp_path, _line(A, body="é{}"), _line(B, body=stream)).read_bytes()
    path = tmp_path / "mutated.json"
    refusals = []
    for _ in range(400):
        content = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            start = chance.randrange(len(content))
            end = start + chance.choice((0, 1, 1, 5, 80))
            content[start:end] = chance.choice(
                (b"", b"\x00", b"\xff", b'"', b"\n", b"}", b"9", b"[[", good[:90])
            )
        path.write_bytes(content)
        try:
            with closing(AnswerFile(path)) as file:
                for key in file.keys():  # noqa: SIM118
                    found = file.get(key)
                    assert found is not None
                    assert 200 <= found.status <= 299
        except CacheFileError as error:
            refusals.append(str(error))
    assert 200 < len(refusals) < 400
    assert all(refusal.isprintable() for refusal in refusals)


def test_a_bad_file_imports_nothing(tmp_path: Path) -> None:
    path = _file(tmp_path, _line(A), _line(B, status=500))
    with closing(AnswerCache(tmp_path / "cache")) as cache:
        with pytest.raises(CacheFileError, match=re.escape(f"{path}, line 3: status 500")):
            import_cache(cache, path)
        assert not cache.exists()


def test_a_file_that_changes_under_its_reader_gives_no_other_answer(tmp_path: Path) -> None:
    path = _file(tmp_path, _line(A, body="first"), _line(B, body="other"))
    with closing(layered_cache(None, [path])) as cache:
        path.write_bytes(_file(tmp_path, _line(B, body="other"), _line(A, body="first")).read_bytes())
        with pytest.raises(CacheFileError, match="changed while it was in use"):
            cache.get(A)


def test_a_replaced_file_is_read_as_it_was(tmp_path: Path) -> None:
    path = _file(tmp_path, _line(A, body="first"))
    with closing(layered_cache(None, [path])) as cache:
        (tmp_path / "new").write_text("something else")
        os.replace(tmp_path / "new", path)
        found = cache.get(A)
        assert found is not None
        assert found.body == b"first"


def test_an_unchecked_file_is_checked_answer_by_answer(tmp_path: Path) -> None:
    path = _file(tmp_path, _line(A), _line(B, status=500))
    with closing(layered_cache(None, [path], check=False)) as cache:
        assert cache.get(A) is not None
        with pytest.raises(CacheFileError, match="line 3: status 500"):
            cache.get(B)
