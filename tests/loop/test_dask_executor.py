"""Candidates evaluated on a real Dask cluster: what travels, lost workers, budgets, the cage, cancelling."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loop.test_blind_evaluation import READING
from support.redis_server import RedisServer, redis
from support.shadow_project import Project as Plain
from support.teams import (
    GOOD_PROMPT,
    LIGHT_APP,
    SIDE_BY_SIDE,
    Server,
    heed_ctrl_c,
    make_project,
    serving,
)

from benchmarks._trust_run import HONEST, name_of, trust_run
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.loop.dask_executor import dask_address, tree_archive
from pytest_fapo.loop.dask_worker import moved
from pytest_fapo.shadow.shadow_tree import ShadowTree

__all__ = ["redis"]

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


@contextmanager
def clustered(server: Server, monkeypatch: pytest.MonkeyPatch, workers: int = 2, **env: str) -> Iterator[Any]:
    """A cluster whose workers can ask the server."""
    pytest.importorskip("distributed", reason="needs pytest-fapo[dask]")
    from distributed import LocalCluster, SchedulerPlugin

    given = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-test-1234567890", **env}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        cluster.finished = []

        class Finished(SchedulerPlugin):  # type: ignore[misc]
            def transition(self, key: Any, start: str, finish: str, *args: Any, **more: Any) -> None:
                if finish == "memory" and str(key).startswith("fapo-evaluation"):
                    cluster.finished.append(key)

        cluster.scheduler.add_plugin(Finished())
        yield cluster


def _on(cluster: Any) -> str:
    return f"--fapo-executor=dask:{cluster.scheduler_address}"


def test_a_run_on_a_cluster_ends_as_it_does_at_home_and_pays_no_more(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_project(tmp_path / "home", server)
    assert home.optimize("--fapo-write=auto").code == 0
    paid = len(server.task_requests)
    server.task_requests.clear()
    away = make_project(tmp_path / "away", server)
    with clustered(server, monkeypatch) as cluster:
        result = away.optimize("--fapo-write=auto", _on(cluster))
        assert result.code == 0, result.text
        assert len(cluster.finished) >= 2
    assert away.prompt == home.prompt == GOOD_PROMPT
    assert len(server.task_requests) == paid
    assert "candidates are evaluated by 2 workers" in result.text
    assert str(cluster.scheduler_address) in result.text
    texts = [path.read_text() for path in (away.root / ".fapo" / "runs").rglob("*.json*")]
    assert not [text for text in texts if "dask-worker-space" in text or "/fapo/" in text]


def test_workers_that_are_killed_are_replaced_and_the_budget_holds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: RedisServer
) -> None:
    project = make_project(tmp_path / "desk", server)
    server.delay = 0.05
    with clustered(server, monkeypatch) as cluster:

        def status(number: int) -> int:
            if number == 40:  # the baseline has asked 30
                for worker in cluster.workers.values():
                    os.kill(worker.pid, signal.SIGKILL)
            return 200

        server.status = status
        limits = ["--fapo-max-calls=100", f"--fapo-cache-url={redis.url}"]
        result = project.optimize("--fapo-write=auto", _on(cluster), *limits, timeout=180)
        assert result.code == 0, result.text
    assert project.prompt == GOOD_PROMPT
    assert "a worker was lost" in result.text
    # Each question once, and once more what was in flight when the workers died.
    asked = [str(body["messages"]) for body in server.task_requests]
    assert len(set(asked)) == 60
    assert len(asked) <= 60 + 2 * 16


def test_a_budget_holds_over_all_workers(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SIDE_BY_SIDE.replace('"openai:opt"', '"playbook"')
    project = make_project(tmp_path / "desk", server, {"pyproject.toml": settings})
    with clustered(server, monkeypatch) as cluster:
        result = project.optimize("--fapo-write=auto", _on(cluster), "--fapo-max-calls=38", timeout=180)
    assert 30 < len(server.task_requests) <= 38
    assert "--fapo-max-calls" in result.text


def test_the_cage_holds_on_workers(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    app = LIGHT_APP.replace(
        "def handle(ticket):",
        f'def handle(ticket):\n    if "nothing else" in PROMPT:\n'
        f'        Path({str(outside)!r}, "escaped").write_text("out")',
    )
    project = make_project(tmp_path / "desk", server, {"app/pipeline.py": app})
    with clustered(server, monkeypatch) as cluster:
        result = project.optimize("--fapo-write=auto", "--fapo-max-candidates=1", _on(cluster))
        assert len(cluster.finished) >= 2
    assert "escaped" in json.dumps(project.journal())  # it was tried
    assert list(outside.iterdir()) == []
    assert project.prompt != GOOD_PROMPT
    assert result.code != 0


@pytest.mark.skipif(bool(missing_locks()), reason="this system cannot lock candidates in")
def test_changed_code_runs_on_workers_where_no_label_is(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {"reads the cases": READING["reads the cases"], "honest": HONEST}
    # A worker's environment is its own, and the project's pytest loads no plugin that it does not name.
    with clustered(server, monkeypatch, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1") as cluster:
        with trust_run(sources, "off", options=[_on(cluster)]) as run:
            assert [name_of(each) for each in run.judged() if each["verdict"]["accepted"]] == ["honest"], (
                run.text
            )
            assert run.effects == []
            assert "changed code makes its outputs without labels for 60 of 60 tests on cases" in run.text
        assert len(cluster.finished) >= 3


def test_ctrl_c_ends_what_workers_do(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    project = make_project(tmp_path / "desk", server)
    with clustered(server, monkeypatch) as cluster:

        def status(number: int) -> int:
            time.sleep(30 if number > 32 else 0)
            return 200

        server.status = status
        process = subprocess.Popen(
            project.command("--fapo-optimize", _on(cluster)),
            cwd=project.root,
            env=project.environment(),
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=heed_ctrl_c,
        )
        _wait_until(lambda: len(server.task_requests) > 34)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

        def tests_running() -> list[Any]:
            found = []
            for worker in cluster.workers.values():
                for child in psutil.Process(worker.pid).children(recursive=True):
                    found += ["pytest_fapo.shadow.child" in " ".join(child.cmdline())]
            return [each for each in found if each]

        _wait_until(lambda: not tests_running())
        asked = len(server.task_requests)
        assert asked < 60
        _wait_until(lambda: not [key for key in cluster.scheduler.tasks if "evaluation" in str(key)])
        assert len(server.task_requests) == asked


@pytest.mark.parametrize("given", ["ray:somewhere", "dask:", "tcp://scheduler:8786"])
def test_an_executor_of_another_form_is_told(given: str) -> None:
    with pytest.raises(ConfigError, match=r"--fapo-executor: '.*' is not of the form dask:<address"):
        dask_address(given)


def test_a_scheduler_that_is_not_there_is_told(server: Server, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs pytest-fapo[dask]")
    result = make_project(tmp_path / "desk", server).optimize("--fapo-executor=dask:nothing://x")
    assert "--fapo-executor: no Dask scheduler answers at nothing://x" in result.text
    assert result.code != 0
    assert "Traceback" not in result.text


def test_workers_of_another_version_are_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become_another_version() -> None:
        import pytest_fapo

        pytest_fapo.__version__ = "0.0.9"

    project = make_project(tmp_path / "desk", server)
    with clustered(server, monkeypatch, workers=1) as cluster:
        from distributed import Client

        with Client(cluster, set_as_default=False) as client:
            client.run(become_another_version)
        result = project.optimize(_on(cluster))
    assert "--fapo-executor: workers have other versions: tcp://127.0.0.1:" in result.text
    assert "pytest-fapo 0.0.9, here" in result.text
    assert result.code != 0


def test_equal_projects_have_equal_archives_wherever_they_lie(tmp_path: Path) -> None:
    found = []
    for place in ("a", "b"):
        project = Plain(tmp_path / place / "desk").write(
            {"app.py": "X = 1\n", "data/x.txt": "y", "run.sh": "#!"}
        )
        (project.root / "run.sh").chmod(0o755)
        (project.root / "link").symlink_to("app.py")
        with ShadowTree.create(project.root) as tree:
            found.append(tree_archive(tree))
    assert found[0] == found[1]
    changed = Plain(tmp_path / "b" / "desk").write({"app.py": "X = 2\n"})
    with ShadowTree.create(changed.root) as tree:
        assert tree_archive(tree) != found[0]


def test_paths_are_told_as_those_of_the_project_and_no_neighbor_is_taken_for_it() -> None:
    text = '["/w/fapo/1/desk", "/w/fapo/1/desk/app.py:3", "/w/fapo/1/desk-two/x", "a /w/fapo/1/desk\\n"]'
    assert moved(text, "/w/fapo/1/desk", "/home/me/desk") == (
        '["/home/me/desk", "/home/me/desk/app.py:3", "/w/fapo/1/desk-two/x", "a /home/me/desk\\n"]'
    )


def _wait_until(condition: Callable[[], object], seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("it never came")
        time.sleep(0.1)
