"""The cache on disk: what it keeps, what it refuses, who may use it at the same time, what a kill leaves."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import ConfigError

HEADERS = ((b"Content-Type", b"application/json"), (b"x-odd", b"\xe9\xff"))


def _recorded(*chunks: bytes) -> RecordedAnswer:
    return RecordedAnswer(
        status=201, headers=HEADERS, chunks=chunks, http_version=b"HTTP/2", reason=b"Created"
    )


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    with closing(AnswerCache(tmp_path / "deep" / "cache")) as made:
        yield made


def test_what_was_put_comes_back_byte_for_byte(cache: AnswerCache) -> None:
    recorded = _recorded("grüezi".encode(), b"\xff\xfe\x00", "ü".encode()[:1], b"", b'{"base64": "x"}')
    cache.put("k", recorded)
    assert cache.get("k") == recorded
    assert cache.get("other") is None
    assert (len(cache), cache.keys()) == (1, ["k"])


def test_large_answers_stay_in_the_database(cache: AnswerCache) -> None:
    recorded = _recorded(b"x" * 300_000)
    cache.put("k", recorded)
    assert cache.get("k") == recorded
    assert {path.suffix for path in cache.folder.rglob("*") if path.is_file()} <= {
        ".db",
        ".db-wal",
        ".db-shm",
    }


def test_a_later_answer_replaces_the_earlier(cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    cache.put("k", _recorded(b"2"))
    assert cache.get("k") == _recorded(b"2")
    cache.clear()
    assert (len(cache), cache.get("k")) == (0, None)


def test_it_outlives_its_object(cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    cache.close()
    with closing(AnswerCache(cache.folder)) as again:
        assert again.get("k") == _recorded(b"1")
    assert cache.get("k") == _recorded(b"1")  # closed ones open again


def test_the_folder_is_made_on_first_use_and_private(cache: AnswerCache) -> None:
    assert not cache.folder.exists()
    cache.put("k", _recorded(b"1"))
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_nothing_is_ever_evicted(cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    with closing(sqlite3.connect(cache.folder / "cache.db")) as database:
        settings = dict(database.execute("SELECT key, value FROM Settings"))
    assert settings["eviction_policy"] == "none"
    assert settings["size_limit"] > 2**60
    assert settings["cull_limit"] == 0


def test_a_folder_that_holds_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError, match=f"{tmp_path}.*delete that folder"):
        AnswerCache(tmp_path).get("k")


def test_who_reads_does_not_wait_for_who_writes(cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    found: list[Any] = []
    with cache._open().lock, cache._open().transact():
        reader = threading.Thread(target=lambda: found.append(cache.get("k")))
        reader.start()
        reader.join(20)
    assert found == [_recorded(b"1")]


def test_many_threads_use_one_cache_and_leave_no_connection_open(cache: AnswerCache) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                cache.put(f"{number}-{turn}", _recorded(b"x"))
                assert cache.get(f"{number}-{turn}") is not None
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(cache) == 160


# --- tampering -------------------------------------------------------------------------------------------


class _Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.path, "code ran"))


def _tamper(cache: AnswerCache, statement: str, *values: Any) -> None:
    cache.close()
    with closing(sqlite3.connect(cache.folder / "cache.db")) as database, database:
        assert database.execute(statement, values).rowcount == 1


def test_a_pickled_value_is_never_loaded(cache: AnswerCache, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    cache.put("k", _recorded(b"1"))
    _tamper(cache, "UPDATE Cache SET mode = 4, value = ?", pickle.dumps(_Bomb(trap)))
    assert cache.get("k") is None
    cache.put("k", _recorded(b"2"))
    assert cache.get("k") == _recorded(b"2")
    assert not trap.exists()


def test_a_pickled_key_is_never_loaded(cache: AnswerCache, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    cache.put("k", _recorded(b"1"))
    cache.put("good", _recorded(b"1"))
    _tamper(cache, "UPDATE Cache SET raw = 0, key = ? WHERE key = 'k'", pickle.dumps(_Bomb(trap)))
    assert cache.keys() == ["good"]
    cache.clear()
    assert not trap.exists()


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_a_file_outside_is_neither_read_nor_deleted(mode: int, cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    outside = cache.folder.parent / "precious.json"
    outside.write_text(_recorded(b"stolen").to_text())
    _tamper(cache, "UPDATE Cache SET mode = ?, value = NULL, filename = '../precious.json'", mode)
    assert cache.get("k") is None
    cache.put("k", _recorded(b"2"))
    assert cache.get("k") == _recorded(b"2")
    _tamper(cache, "UPDATE Cache SET filename = '../precious.json'")
    cache.clear()
    assert outside.read_text() == _recorded(b"stolen").to_text()


def test_a_file_of_an_expired_row_is_not_deleted_either(cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    outside = cache.folder.parent / "precious.json"
    outside.write_text("keep me")
    _tamper(cache, "UPDATE Cache SET filename = '../precious.json', expire_time = 1.0")
    cache.put("other", _recorded(b"2"))
    assert cache.get("k") is None
    assert outside.read_text() == "keep me"


@pytest.mark.parametrize("value", ["{", "[]", '{"status": 200}', '"text"', 7, b"\x80\x04.", None])
def test_a_value_of_another_shape_is_a_miss(value: Any, cache: AnswerCache) -> None:
    cache.put("k", _recorded(b"1"))
    _tamper(cache, "UPDATE Cache SET value = ?", value)
    assert cache.get("k") is None


# --- processes -------------------------------------------------------------------------------------------


_CREATOR = """
import sys, time
from pathlib import Path
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.http_answer import RecordedAnswer
folders = sys.stdin.readline().split()
for folder in folders:
    cache = AnswerCache(Path(folder))
    moment = float(sys.stdin.readline())
    time.sleep(max(0.0, moment - time.time()))
    for number in range(5):
        cache.put(f"{sys.argv[1]}-{number}", RecordedAnswer(status=200, headers=(), chunks=(b"x",)))
    cache.close()
    print("done", flush=True)
"""


@pytest.mark.slow
def test_processes_that_create_a_cache_at_once_all_succeed(tmp_path: Path) -> None:
    folders = [tmp_path / f"cache{attempt}" for attempt in range(8)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _CREATOR, f"p{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for worker in workers:
        _tell(worker, " ".join(map(str, folders)))
    for folder in folders:
        moment = time.time() + 0.02
        for worker in workers:
            _tell(worker, str(moment))
        assert [_hear(worker) for worker in workers] == ["done"] * 3
        with closing(AnswerCache(folder)) as cache:
            assert len(cache) == 15
    for worker in workers:
        worker.communicate(timeout=10)
        assert worker.returncode == 0


def _tell(worker: subprocess.Popen[str], line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()


def _hear(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


_WRITER = """
import sys
from pathlib import Path
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.http_answer import RecordedAnswer
cache = AnswerCache(Path(sys.argv[1]))
for number in range(100_000):
    body = (b"%d " % number) * 400
    cache.put(str(number), RecordedAnswer(status=200, headers=(), chunks=(body,)))
    print(number, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_loses_no_acknowledged_answer(tmp_path: Path) -> None:
    for attempt in range(3):
        folder = tmp_path / f"cache{attempt}"
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.03 + 0.07 * attempt)
        writer.send_signal(signal.SIGKILL)
        acknowledged = [0, *(int(line) for line in writer.stdout.read().splitlines())]
        writer.stdout.close()
        writer.wait()
        with closing(AnswerCache(folder)) as cache:
            for number in acknowledged:
                found = cache.get(str(number))
                assert found is not None
                assert found.body == (b"%d " % number) * 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_uses_a_connection_of_its_own(cache: AnswerCache) -> None:
    cache.put("parent", _recorded(b"1"))
    child = os.fork()
    if child == 0:
        try:
            cache.put("child", _recorded(b"2"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert cache.get("child") == _recorded(b"2")
    assert cache.get("parent") == _recorded(b"1")
