"""Children forked from a process that has the SDKs loaded behave like new interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.shadow_project import Project, all_passed

from pytest_fapo.shadow import child_process
from pytest_fapo.shadow.child_launch import Launch, WarmProcess, WarmServer, launcher_of
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm starts are for Linux")

WARM = EvaluationRequest(watch=["app.py", "prompt.md"])

PROJECT = {
    "prompt.md": "old",
    "app.py": """
        import os, random
        from pathlib import Path
        import rich
        PROMPT = Path("prompt.md").read_text()
        CHANCE = random.random()
        ENV = os.environ.get("SOME_SETTING")
    """,
    "test_app.py": """
        import os, subprocess, sys, threading
        from multiprocessing import get_context
        import app, pytest
        def test_prompt(): assert app.PROMPT == "new"
        def test_say(tmp_path, capfd):
            os.system("echo from a shell")
            assert capfd.readouterr().out == "from a shell\\n"
            raise ValueError(f"{app.CHANCE} {app.ENV} {sys.argv[1:]} {os.getsid(0) == os.getpid()}")
        def ten(): return 10
        def test_processes():
            with get_context("spawn").Pool(1) as pool: assert pool.apply(ten) == 10
            script = "import app; print(app.PROMPT)"
            done = subprocess.run([sys.executable, "-c", script], capture_output=True)
            assert done.stdout == b"new\\n", done.stderr
        def test_threads():
            found = []
            thread = threading.Thread(target=lambda: found.append(1))
            thread.start(); thread.join()
            assert found
    """,
}


@pytest.fixture(scope="module")
def warm_shadow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShadowTree]:
    """A tree whose next child starts warm."""
    project = Project(tmp_path_factory.mktemp("warm") / "app").write(PROJECT)
    with ShadowTree.create(project.root) as tree:
        evaluate(tree, EvaluationRequest())
        yield tree


@pytest.fixture
def shadow(warm_shadow: ShadowTree) -> ShadowTree:
    """The same, as the project is."""
    warm_shadow.restore()
    return warm_shadow


def is_warm(shadow: ShadowTree) -> bool:
    return launcher_of(shadow)._server is not None


@pytest.mark.slow
def test_each_warm_run_sees_the_tree_and_the_environment_as_they_are(
    shadow: ShadowTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for number in range(3):
        monkeypatch.setenv("SOME_SETTING", f"setting {number}")
        shadow.apply({"prompt.md": b"new" if number else b"odd"})
        evaluation = evaluate(shadow, WARM)
        assert is_warm(shadow)
        assert evaluation.complete, evaluation.stopped
        assert evaluation.items["test_app.py::test_prompt"].passed is bool(number)
        assert evaluation.items["test_app.py::test_processes"].passed is bool(number)
        assert evaluation.items["test_app.py::test_threads"].passed
        assert evaluation.loaded_files == ["app.py", "prompt.md"]
        said.append(evaluation.items["test_app.py::test_say"].explanation)
        assert f"setting {number}" in said[-1]
        assert f"--rootdir={shadow.root}" in said[-1]
        assert said[-1].endswith("True")
    chances = {text.split()[1] for text in said}
    assert len(chances) == 3, "random numbers repeat from run to run"


def test_a_new_module_in_the_tree_is_found(shadow: ShadowTree) -> None:
    shadow.apply({"prompt.md": b"new", "extra.py": b"E = 1\n", "app.py": b"import extra\nPROMPT='new'\n"})
    assert evaluate(shadow, WARM).items["test_app.py::test_prompt"].passed
    shadow.restore()
    assert not evaluate(shadow, WARM).items["test_app.py::test_prompt"].passed


def test_the_guard_follows_each_request(shadow: ShadowTree) -> None:
    body = f"""
import io
def test_write():
    io.FileIO({str(shadow.root / "app.py")!r}, "w")
"""
    shadow.apply({"test_write.py": body.encode()})
    evaluation = evaluate(shadow, WARM)
    assert "pytest-fapo judges a copy" in evaluation.items["test_write.py::test_write"].explanation
    assert evaluation.notes == [f"refused: writing to {shadow.root / 'app.py'}"]
    shadow.restore()
    assert evaluate(shadow, WARM).notes == []


def test_a_crash_and_a_hang_are_told_as_ever(shadow: ShadowTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.2)
    shadow.apply({"test_app.py": b"import os\ndef test_crash(): os.kill(os.getpid(), 11)\n"})
    assert "killed by SIGSEGV while test_app.py::test_crash" in evaluate(shadow, WARM).stopped
    shadow.apply(
        {
            "test_app.py": b"import signal, time\ndef test_hang():\n"
            b"    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    time.sleep(60)\n"
        }
    )
    evaluation = evaluate(shadow, WARM.model_copy(update={"timeout": 1.0}))
    assert (
        evaluation.stopped
        == "time limit: the tests were ended after 1 s while test_app.py::test_hang was running"
    )
    shadow.restore()
    assert evaluate(shadow, WARM).complete
    assert is_warm(shadow)


@pytest.mark.slow
def test_a_server_that_has_ended_is_done_without(project: Project) -> None:
    project.write(PROJECT)
    with ShadowTree.create(project.root) as shadow:
        evaluate(shadow, EvaluationRequest())
        server = launcher_of(shadow)._server
        assert server is not None
        server._process.kill()
        server._process.wait()
        assert evaluate(shadow, WARM).complete
        assert not is_warm(shadow)


def test_modules_that_start_threads_are_never_forked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for an SDK whose import starts a thread."""
    library = Project(project.root.parent / "library").write(
        {
            "rich/__init__.py": """
                import threading, time
                threading.Thread(target=time.sleep, args=[60], daemon=True).start()
            """
        }
    )
    monkeypatch.setenv("PYTHONPATH", f"{library.root}:{os.environ.get('PYTHONPATH', '')}")
    project.write({"test_a.py": "import rich\ndef test_a(): pass\n"})
    with ShadowTree.create(project.root) as shadow:
        for _ in range(2):
            assert all_passed(evaluate(shadow, WARM))
        assert not is_warm(shadow)


@pytest.mark.usefixtures("plugins")
def test_warnings_as_errors_are_no_trouble(project: Project) -> None:
    pytest.importorskip("anyio", reason="a package that is a pytest plugin too")
    pytest.importorskip("httpx")
    project.write(
        {
            "pytest.ini": "[pytest]\nfilterwarnings = error\naddopts = --strict-config -p no:asyncio\n",
            "test_a.py": "import anyio, httpx\ndef test_a(): pass\n",
        }
    )
    with ShadowTree.create(project.root) as shadow:
        for _ in range(2):
            assert all_passed(evaluate(shadow, WARM))
        assert is_warm(shadow)


def test_what_refers_to_an_object_that_was_loaded_early_can_be_asked(project: Project) -> None:
    # As libraries do: hypothesis warns of a generator that nothing seems to refer to.
    project.write(
        {
            "test_a.py": """
                import gc, rich.console
                def test_a():
                    styles = rich.console.Console.__init__.__globals__
                    assert any(found is styles for found in gc.get_referrers(rich.console.Console))
            """
        }
    )
    with ShadowTree.create(project.root) as shadow:
        for _ in range(2):
            assert all_passed(evaluate(shadow, WARM))
        assert is_warm(shadow)


def test_an_interpreter_of_its_own_can_be_asked_for(
    shadow: ShadowTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Launch] = []
    original = WarmProcess.__init__

    def noted(self: WarmProcess, server: WarmServer, launch: Launch) -> None:
        started.append(launch)
        original(self, server, launch)

    monkeypatch.setattr(WarmProcess, "__init__", noted)
    evaluate(shadow, EvaluationRequest(fresh=True))
    assert started == []
    evaluate(shadow, EvaluationRequest())
    assert len(started) == 1


def test_the_server_ends_with_the_tree(project: Project) -> None:
    project.write({"test_a.py": "import rich\ndef test_a(): pass\n"})
    with ShadowTree.create(project.root) as shadow:
        evaluate(shadow, EvaluationRequest())
        server = launcher_of(shadow)._server
        assert server is not None
        assert server._process.poll() is None
    assert server._process.poll() is not None


@pytest.mark.slow
def test_a_killed_parent_leaves_neither_server_nor_child(project: Project, tmp_path: Path) -> None:
    project.write(PROJECT)
    pids = tmp_path / "pids"
    project.write(
        {
            "test_app.py": f"""
                import app, os, time
                def test_pids():
                    with open({str(pids)!r}, "a") as file: file.write(f"{{os.getpid()}} {{os.getppid()}} ")
                def test_hang(): time.sleep(60 if os.environ.get("HANG") else 0)
            """
        }
    )
    script = f"""
import os
from pathlib import Path
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree
shadow = ShadowTree.create(Path({str(project.root)!r}))
evaluate(shadow, EvaluationRequest())
os.environ["HANG"] = "1"
evaluate(shadow, EvaluationRequest())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )
    end = time.monotonic() + 60
    while (not pids.exists() or len(pids.read_text().split()) < 4) and time.monotonic() < end:
        time.sleep(0.02)
    _, _, child, server = map(int, pids.read_text().split())
    assert server != parent.pid
    parent.kill()
    parent.wait()
    while (Path(f"/proc/{child}").exists() or Path(f"/proc/{server}").exists()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{child}").exists()
    assert not Path(f"/proc/{server}").exists()


class SaysOnce(WarmServer):
    """A server that says the exit code to whoever asks first, and then never again."""

    def __init__(self) -> None:
        self._said, self.waiting = threading.Event(), threading.Event()

    def order(self, order: Mapping[str, object]) -> int:
        return 1

    def status(self, seconds: float | None) -> int | None:
        if seconds == 0 and not self._said.is_set():
            self._said.set()
            return 7
        self.waiting.set()
        time.sleep(600 if seconds is None else seconds)
        return None


def test_whoever_hears_of_the_end_of_a_child_tells_all_that_wait_for_it(tmp_path: Path) -> None:
    server = SaysOnce()
    process = WarmProcess(server, Launch(tmp_path, tmp_path, {}, tmp_path))
    waiting = threading.Thread(target=process.wait, daemon=True)
    waiting.start()
    assert server.waiting.wait(60)
    assert process.poll() == 7
    waiting.join(60)
    assert not waiting.is_alive()
