"""Children that crash, hang, cannot start or cannot collect: always an evaluation that says so."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from support.shadow_project import Bench, Project, all_passed

from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.shadow import child_process, shadow_run
from pytest_fapo.shadow.evaluation_request import Allotment, EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree


def is_alive(pid: int) -> bool:
    """True if a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, patience: float = 5.0) -> bool:
    end = time.monotonic() + patience
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_alive(pid)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV while test_end.py::test_end was running"),
        ("import os; os._exit(0)", "ended without finishing (exit code 0) while test_end.py::test_end"),
        ("import pytest; pytest.exit('enough')", "interrupted before test_end.py::test_end"),
        ("raise KeyboardInterrupt", "interrupted before test_end.py::test_end"),
    ],
)
def test_a_test_that_ends_the_process(bench: Bench, body: str, words: str) -> None:
    evaluation = bench.evaluate({"test_end.py": f"def test_good(): pass\ndef test_end(): {body}\n"})
    assert not evaluation.complete
    assert words in evaluation.stopped
    assert "Traceback" not in evaluation.stopped
    assert evaluation.items["test_end.py::test_good"].passed


@pytest.mark.usefixtures("plugins")
def test_a_collection_error_is_told_in_its_own_words(bench: Bench) -> None:
    evaluation = bench.evaluate({"test_bad.py": "def broken(:\n", "test_good.py": "def test_good(): pass\n"})
    assert not evaluation.complete
    assert evaluation.stopped.startswith("collection failed: ")
    assert "SyntaxError" in evaluation.stopped
    assert evaluation.exit_code == 2
    assert evaluation.items == {}


def test_a_patch_that_breaks_an_import_is_told_with_the_error(project: Project) -> None:
    project.write({"app.py": "A = 1\n", "test_app.py": "from app import A\ndef test_a(): pass\n"})
    evaluation = project.evaluate({"app.py": b"B = 1\n"})
    assert "cannot import name 'A' from 'app'" in evaluation.stopped
    assert str(project.root) in evaluation.stopped


def test_an_internal_error(bench: Bench) -> None:
    broken = "def pytest_collection_finish(session): raise ValueError('in a hook')\n"
    evaluation = bench.evaluate({"conftest.py": broken, "test_a.py": "def test_a(): pass\n"})
    assert evaluation.exit_code == 3
    assert evaluation.stopped.startswith("pytest stopped with an internal error")
    assert "in a hook" in evaluation.stopped


def test_of_a_crash_only_what_was_raised_is_told(bench: Bench) -> None:
    broken = "def pytest_sessionfinish(session): raise RuntimeError('the desk is closed')\n"
    evaluation = bench.evaluate({"conftest.py": broken, "test_a.py": "def test_a(): pass\n"})
    assert "RuntimeError: the desk is closed" in evaluation.stopped
    assert "File " not in evaluation.stopped


def test_a_broken_conftest_and_unknown_options(bench: Bench) -> None:
    files = {"test_a.py": "def test_a(): pass\n"}
    evaluation = bench.evaluate(files, args=["--no-such-option"])
    assert evaluation.exit_code == 4
    assert "pytest refused to start" in evaluation.stopped
    assert "--no-such-option" in evaluation.stopped
    evaluation = bench.evaluate({**files, "conftest.py": "import no_such_module\n"})
    assert not evaluation.complete
    assert "no_such_module" in evaluation.stopped


def test_nothing_to_collect(bench: Bench) -> None:
    evaluation = bench.evaluate({"app.py": ""})
    assert not evaluation.complete
    assert "no test was collected" in evaluation.stopped


def test_a_fork_that_goes_on_running_tests_reports_nothing(project: Project) -> None:
    project.write(
        {
            "test_fork.py": """
                import os
                def test_fork():
                    if os.fork() == 0:
                        return  # this copy of pytest goes on and runs the rest as well
                    os.wait()
                def test_after(): assert os.getpid() == PID
                PID = os.getpid()
            """
        }
    )
    heard: list[ItemResult] = []
    with ShadowTree.create(project.root) as shadow:
        evaluation = evaluate(shadow, EvaluationRequest(), on_item=heard.append)
    assert [(item.nodeid, item.outcome) for item in heard] == [
        ("test_fork.py::test_fork", "passed"),
        ("test_fork.py::test_after", "passed"),
    ]
    assert evaluation.complete


HANGING = """
    import os, signal, subprocess, sys, time
    from pathlib import Path
    def test_good(): pass
    def test_hang():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path({place!r}).write_text(f"{{os.getpid()}} {{helper.pid}}")
        time.sleep(60)
"""


@pytest.fixture
def hanging(project: Project, tmp_path: Path) -> Path:
    """A project whose second test never ends; gives the file where it notes its processes."""
    place = tmp_path / "pids"
    project.write({"test_hang.py": textwrap.dedent(HANGING).format(place=str(place))})
    return place


def test_the_time_limit_ends_the_child_and_all_that_it_started(
    project: Project, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.2)
    evaluation = project.evaluate(timeout=6)
    assert not evaluation.complete
    assert (
        evaluation.stopped
        == "time limit: the tests were ended after 6 s while test_hang.py::test_hang was running"
    )
    assert evaluation.items["test_hang.py::test_good"].passed
    assert all(gone(int(pid)) for pid in hanging.read_text().split())


def test_a_clock_that_is_set_meanwhile_ends_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})
    times = iter(range(0, 10**9, 86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    assert all_passed(project.evaluate(timeout=60))


def test_the_deadline_has_a_grace(project: Project, hanging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.2)
    monkeypatch.setattr(shadow_run, "GRACE", 6.0)
    evaluation = project.evaluate(allotment=Allotment(deadline=time.monotonic()))
    assert evaluation.stopped.startswith("time limit")
    assert hanging.read_text()  # the tests began although the deadline had passed
    assert all(gone(int(pid)) for pid in hanging.read_text().split())


def test_an_interrupt_in_the_parent_ends_the_child(
    project: Project, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.2)

    def interrupt(item: ItemResult) -> None:
        while not hanging.exists():
            time.sleep(0.02)
        raise KeyboardInterrupt

    with ShadowTree.create(project.root) as shadow, pytest.raises(KeyboardInterrupt):
        evaluate(shadow, EvaluationRequest(), on_item=interrupt)
    assert all(gone(int(pid)) for pid in hanging.read_text().split())


# Each holds the interpreter's lock and never lets go of it, as no `time.sleep` does.
STUBBORN = {
    "a power": "pow(9, pow(9, 9))",
    "a regular expression": "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    "a sum": "sum(range(10 ** 14))",
}


@pytest.mark.parametrize("code", STUBBORN.values(), ids=STUBBORN)
def test_the_time_limit_ends_code_that_keeps_the_interpreter_s_lock(
    bench: Bench, tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.1)
    place = tmp_path / "pid"
    test = f"""
        import os, signal
        from pathlib import Path
        def test_c():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            Path({str(place)!r}).write_text(str(os.getpid()))
            {code}
    """
    evaluation = bench.evaluate({"test_c.py": test}, timeout=3)
    assert evaluation.stopped.startswith("time limit: the tests were ended after 3 s while test_c.py::test_c")
    assert gone(int(place.read_text()))


KILLED = """
import sys
from pathlib import Path
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree
shadow = ShadowTree.create(Path(sys.argv[1]))
if sys.argv[2] == "warm":  # the first run makes the server that forks the second
    first = EvaluationStage(name="first", nodeids=["test_hang.py::test_good"])
    evaluate(shadow, EvaluationRequest(stages=[first]))
evaluate(shadow, EvaluationRequest())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "code"),
    [
        ("cold", "time.sleep(60)"),
        ("cold", STUBBORN["a power"]),
        ("warm", "time.sleep(60)"),
        ("warm", STUBBORN["a sum"]),
    ],
)
def test_a_killed_parent_leaves_no_child_behind(
    project: Project, tmp_path: Path, code: str, start: str
) -> None:
    """Neither the process that runs the tests nor what a test has started, whatever the test does."""
    place = tmp_path / "pids"
    hang = textwrap.dedent(HANGING).format(place=str(place)).replace("    time.sleep(60)", f"    {code}")
    project.write({"test_hang.py": "import rich\n" + hang})
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(project.root), start],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    end = time.monotonic() + 30
    while not (place.exists() and place.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.1)
    parent.kill()
    parent.wait()
    assert all(gone(int(pid)) for pid in place.read_text().split())


def test_the_watch_over_the_parent_is_nothing_that_a_test_can_see(bench: Bench) -> None:
    test = """
        import os, threading
        import pytest
        def test_alone():
            assert threading.active_count() == 1
            with pytest.raises(ChildProcessError):
                os.wait()
    """
    assert bench.evaluate({"test_alone.py": test}).items["test_alone.py::test_alone"].passed


def test_an_error_in_the_listener_ends_the_child_too(project: Project) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})

    def broken(item: ItemResult) -> None:
        raise RuntimeError("in the display")

    with ShadowTree.create(project.root) as shadow:
        with pytest.raises(RuntimeError, match="in the display"):
            evaluate(shadow, EvaluationRequest(), on_item=broken)
        assert evaluate(shadow, EvaluationRequest()).complete
