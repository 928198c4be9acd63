"""Python processes that a case starts: what they call is captured as the case's own, under any cache mode.

A program started with `subprocess` (or with asyncio, which uses it) gets one folder more on its PYTHONPATH; a
process of `multiprocessing` and a job of a process pool carry the case with them; a fork goes on with it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import pool
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pytest_fapo.capture.child_programs import changed_environment, through_popen, with_start_folder
from pytest_fapo.capture.child_recorder import ChildLines, ChildRecorder, Handoff
from pytest_fapo.capture.import_hook import AfterImport
from pytest_fapo.capture.recorder import Recorder, current_recorder, forget_runs, recording
from pytest_fapo.capture.steps import CURRENT_STEP, CurrentStep

_START_FOLDER = Path(__file__).parent / "child_capture"

VARIABLE = "FAPO_CASE_CAPTURE"

_POOL_METHODS = ("apply_async", "_map_async", "imap", "imap_unordered")

_followed: CaseProcesses | None = None

_fork_hooked = False

_forking = threading.local()


class CaseProcesses:
    """The processes of this session's cases.

    Args:
        session: gives what sets capture up in a process that has none, as JSON data; asked once, when a case
            starts the first process.
        renew: called in a fork, whose threads are gone, before it calls anything.
        modules: those before whose import capture must be set up in a program.
    """

    def __init__(
        self, session: Callable[[], Mapping[str, Any]], renew: Callable[[], None], modules: list[str]
    ) -> None:
        self._session = session
        self.renew = renew
        self._modules = modules
        self._given: Mapping[str, Any] | None = None
        self._pid = os.getpid()
        self._folder: Path | None = None
        self._names: WeakKeyDictionary[Recorder, str] = WeakKeyDictionary()
        self._lines: WeakKeyDictionary[Recorder, ChildLines] = WeakKeyDictionary()
        self._waiting: dict[str, list[Mapping[str, Any]]] = {}
        self._read = 0
        self._lock = threading.Lock()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Hand cases on to processes that are started in the body."""
        global _followed, _fork_hooked
        if not _fork_hooked and hasattr(os, "register_at_fork"):
            _fork_hooked = True
            os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
        before, _followed = _followed, self
        patched: list[tuple[Any, str, Any]] = [
            (subprocess.Popen, "__init__", self._starting_program),
            (os, "system", through_popen),
            (BaseProcess, "start", self._starting_process),
            *((pool.Pool, name, self._giving_jobs) for name in _POOL_METHODS),
        ]
        undo = [_replaced(owner, name, make) for owner, name, make in patched]
        hook = AfterImport(["concurrent.futures.process"], self._patch_executor)
        hook.install()
        try:
            yield
        finally:
            hook.uninstall()
            _followed = before
            for restore in undo:
                restore()
            if self._folder is not None and os.getpid() == self._pid:
                shutil.rmtree(self._folder, ignore_errors=True)

    def handoff(self) -> Handoff | None:
        """Return what another process must know to go on with the case that is calling; None outside."""
        current = CURRENT_STEP.get()
        recorder = current_recorder()
        if current is None or recorder is None or not recorder.pipeline:
            return None
        if isinstance(recorder, ChildRecorder):
            return recorder.handed_on(current.step)
        with self._lock:
            if self._given is None:
                self._given = self._session()
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="fapo-processes-"))
            name = self._names.setdefault(recorder, str(len(self._names) + 1) + f"-{id(recorder):x}")
        handoff = Handoff(
            case=name,
            folder=str(self._folder),
            case_id=recorder.case_id,
            pipeline=recorder.pipeline,
            limit=recorder.limit,
            sample=recorder.sample_in(current.step),
            began=recorder.began,
            step=current.step,
            by_test=recorder.by_test,
            within="",
            session=self._given,
        )
        handoff.numbers.mkdir(exist_ok=True)
        recorder.occurrences.share(handoff.numbers)
        return handoff

    def collect(self, recorder: Recorder) -> None:
        """Add to a run's record what its processes have recorded so far."""
        if self._folder is None or os.getpid() != self._pid:
            return
        with self._lock:
            self._read_lines()
            lines = self._waiting.pop(self._names.get(recorder, ""), [])
        taker = self._lines.setdefault(recorder, ChildLines(recorder))
        for line in lines:
            taker.take(line)

    def _read_lines(self) -> None:
        assert self._folder is not None
        try:
            with open(self._folder / "recorded.jsonl", "rb") as file:
                file.seek(self._read)
                for line in file:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        found = json.loads(line)
                        self._waiting.setdefault(found["case"], []).append(found)
        except FileNotFoundError:
            return

    # --- handing on -----------------------------------------------------------------------------------

    def _starting_program(self, original: Callable[..., None]) -> Callable[..., None]:
        def __init__(popen: Any, *args: Any, **kwargs: Any) -> None:
            handoff = self.handoff()
            if handoff is not None:
                settings = json.dumps({"handoff": handoff.to_text(), "modules": self._modules})
                args, kwargs = changed_environment(
                    args, kwargs, lambda env: with_start_folder(env, _START_FOLDER, VARIABLE, settings)
                )
            original(popen, *args, **kwargs)

        return __init__

    def _starting_process(self, original: Callable[..., None]) -> Callable[..., None]:
        def start(process: Any) -> None:
            handoff = self.handoff()
            method = process._start_method or multiprocessing.get_start_method()
            if handoff is None or method == "fork":  # a fork goes on with the case by itself
                return original(process)
            process._bootstrap = _CaseStart(handoff, process)
            try:
                return original(process)
            finally:
                vars(process).pop("_bootstrap", None)

        return start

    def _giving_jobs(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(jobs: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
            handoff = None if isinstance(jobs, pool.ThreadPool) else self.handoff()
            job = function if handoff is None else _CaseJob(handoff, function)
            return original(jobs, job, *args, **kwargs)

        return method

    def _patch_executor(self, module: ModuleType) -> None:
        executor: Any = vars(module)["ProcessPoolExecutor"]
        if not hasattr(executor.submit, "_fapo"):
            executor.submit = _submitting(executor.submit)


def _replaced(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Replace a method; returns what puts the original back, where nobody has wrapped ours since."""
    original = getattr(owner, name)
    new = make(original)
    setattr(owner, name, new)

    def restore() -> None:
        if getattr(owner, name) is new:
            setattr(owner, name, original)

    return restore


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method for good: it asks whether cases are followed."""

    def submit(executor: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        handoff = _followed.handoff() if _followed is not None else None
        job = function if handoff is None else _CaseJob(handoff, function)
        return original(executor, job, *args, **kwargs)

    submit._fapo = True  # type: ignore[attr-defined]
    return submit


class _CaseJob:
    """A pool's job that belongs to a case."""

    def __init__(self, handoff: Handoff, function: Callable[..., Any]) -> None:
        self._handoff = handoff
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _recording(self._handoff):
            return self._function(*args, **kwargs)


class _CaseStart:
    """Runs a new process of `multiprocessing` as a part of a case."""

    def __init__(self, handoff: Handoff, process: Any) -> None:
        self._handoff = handoff
        self._process = process

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        del self._process._bootstrap
        with _recording(self._handoff):
            return self._process._bootstrap(*args, **kwargs)


# --- in the other process -----------------------------------------------------------------------------


@contextmanager
def _recording(handoff: Handoff) -> Iterator[None]:
    recorder = _recorder(handoff)
    with recording(recorder):
        CURRENT_STEP.set(CurrentStep(recorder, recorder.open_step))
        yield


def go_on_with(text: str) -> None:
    """Belong to a case from now on; called once, by a program that a case has started.

    Args:
        text: of a `Handoff`.
    """
    recorder = _recorder(Handoff(**json.loads(text)))
    recording(recorder).__enter__()
    CURRENT_STEP.set(CurrentStep(recorder, recorder.open_step))


def _recorder(handoff: Handoff, origin: Recorder | None = None) -> ChildRecorder:
    if _followed is None:
        module, _, name = handoff.session["begin"].partition(":")
        getattr(import_module(module), name)(handoff.session)
    return ChildRecorder(handoff, origin=origin)


def _before_fork() -> None:
    _forking.handoff = _followed.handoff() if _followed is not None else None


def _after_fork() -> None:
    handoff = getattr(_forking, "handoff", None)
    if _followed is not None:
        _followed.renew()
    if handoff is not None:
        origin = current_recorder()
        forget_runs()
        recorder = _recorder(handoff, origin)
        recording(recorder).__enter__()
        CURRENT_STEP.set(CurrentStep(recorder, recorder.open_step))
