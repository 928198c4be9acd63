"""Answers shared through a real Redis as pytest's user meets them: two folders are two machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.redis_server import RedisServer, redis
from support.teams import PYPROJECT, Project, Server, make_project, serving

__all__ = ["redis"]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@pytest.fixture
def machines(server: Server, tmp_path: Path) -> tuple[Project, Project]:
    return make_project(tmp_path / "one" / "desk", server), make_project(tmp_path / "two" / "desk", server)


@pytest.mark.slow
def test_two_machines_pay_for_no_answer_twice(
    server: Server, machines: tuple[Project, Project], redis: RedisServer
) -> None:
    here, there = machines
    url = f"--fapo-cache-url={redis.url}"
    assert "fapo: 30 calls, 0 from the cache" in here.pytest("-q", url).text
    result = there.pytest("-q", url, "-n", "2")
    assert "fapo: 0 calls, 30 from the cache" in result.text
    assert "shared cache" not in result.text
    redis.kill()
    alone = there.pytest("-q")
    assert "fapo: 0 calls, 30 from the cache" in alone.text
    assert len(server.task_requests) == 30


@pytest.mark.slow
def test_a_run_of_the_loop_shares_what_its_candidates_ask(
    server: Server, machines: tuple[Project, Project], redis: RedisServer
) -> None:
    settings = PYPROJECT.replace("[tool.fapo]", f'[tool.fapo]\ncache_url = "{redis.url}"', 1)
    for each in machines:
        each.write({"pyproject.toml": settings})
    assert machines[0].optimize("--fapo-write=auto").code == 0
    paid, asked = len(server.task_requests), len(server.optimizer_requests)
    result = machines[1].optimize("--fapo-write=auto")
    assert result.code == 0
    assert machines[1].prompt == machines[0].prompt
    assert len(server.task_requests) == paid
    assert len(server.optimizer_requests) == 2 * asked  # these answers are nobody else's business


@pytest.mark.slow
def test_a_redis_that_dies_in_the_middle_costs_the_sharing_alone(
    server: Server, machines: tuple[Project, Project], redis: RedisServer
) -> None:
    def status(number: int) -> int:
        if number == 5:
            redis.kill()
        return 200

    server.status = status
    plain = machines[1].pytest("-q", "--fapo-cache=off").text.splitlines()
    server.task_requests.clear()
    said = machines[0].pytest("-q", f"--fapo-cache-url={redis.url}").text.splitlines()
    assert len(server.task_requests) == 30
    assert [line for line in said if "passing" in line] == [line for line in plain if "passing" in line]
    about = [line for line in said if "6379" in line or str(redis.port) in line]
    assert len(about) == 2
    assert "did not answer at times" in about[0]
    assert "could not be shared" in about[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://cache:6379",
            "--fapo-cache-url: 'http://cache:6379' is not an address of a Redis; expected redis",
        ),
        ("redis://:wrong-password-1@127.0.0.1:{port}", "refuses us"),
    ],
)
def test_a_mistake_in_the_url_is_told_plainly(
    url: str, said: str, machines: tuple[Project, Project], tmp_path: Path, redis: RedisServer
) -> None:
    locked = RedisServer(tmp_path, "--requirepass", "right-password-1")
    try:
        result = machines[0].pytest("-q", f"--fapo-cache-url={url.replace('{port}', str(locked.port))}")
    finally:
        locked.kill()
    assert said in result.text
    assert result.code != 0
    assert "Traceback" not in result.text
    assert "wrong-password-1" not in result.text


def test_a_password_in_the_file_is_refused(machines: tuple[Project, Project]) -> None:
    written = 'cache_url = "redis://:hunter2-hunter2@cache:6379"'
    machines[0].write({"pyproject.toml": PYPROJECT.replace("[tool.fapo]", f"[tool.fapo]\n{written}", 1)})
    result = machines[0].pytest("-q")
    assert "tool.fapo.cache_url: 'redis://cache:6379' has a password in it" in result.text
    assert "hunter2" not in result.text
