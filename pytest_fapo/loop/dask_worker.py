"""One evaluation on a worker of a Dask cluster: JSON and an archive in, JSON out.

The project is unpacked once per worker and content, below the worker's own folder, and the tests run there in
a shadow tree as they do at home, in the same cage. The worker's environment is its own: it has the project's
packages and the keys of its models' providers.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest_fapo
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.loop.blind_evaluation import BlindPlan, Following, evaluate_blind
from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

if TYPE_CHECKING:
    from distributed import Worker

_GRANT = 60.0
"""Seconds to wait for the controller to say how much may be spent."""


def describe() -> dict[str, Any]:
    """Return what must be equal on both sides, and what this machine cannot lock."""
    return {**versions(), "no_lock": missing_locks()}


def versions() -> dict[str, str]:
    """Return what must be equal on both sides."""
    return {
        "Python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "pytest-fapo": pytest_fapo.__version__,
    }


def mismatch(theirs: dict[str, Any]) -> str:
    """Return how another machine's versions differ from those of this one; empty where they do not."""
    ours = versions()
    return ", ".join(
        f"{name} {theirs.get(name)}, here {ours[name]}" for name in ours if theirs.get(name) != ours[name]
    )


def same(data: Any) -> Any:
    """Return the data: as a task of its own, it goes to a worker once, and again after a loss."""
    return data


def work(job: str, archive: bytes, answers: str) -> str:
    """Carry an evaluation out.

    Args:
        job: made by `DaskExecutor`.
        archive: of the project.
        answers: recorded ones that this worker may lack, as a JSON list of key and text.
    """
    from distributed import get_worker

    worker, asked = get_worker(), json.loads(job)
    differs = mismatch(asked["versions"])
    if differs:
        return json.dumps({"error": f"worker {worker.address} has another version: there {differs}"})
    area = Path(worker.local_directory) / "fapo"
    root = _unpacked(area, asked["tree"], archive)
    job_folder = Path(tempfile.mkdtemp(prefix="job-", dir=area))
    try:
        with closing(AnswerCache(area / "cache")) as cache:
            if asked["cached"]:
                known = json.loads(answers)
                new = [(key, RecordedAnswer.from_text(text)) for key, text in known if cache.get(key) is None]
                cache.put_all(new)
            report = _Report(worker, asked["job"], job_folder / "spend.jsonl")
            request = _request(asked, root, area, job_folder, report.grant())
            files = {path: base64.b64decode(text) for path, text in asked["files"].items()}
            evaluation = _evaluated(asked, root, files, request, report.is_over)
            found = list(_new_answers(evaluation, cache)) if asked["cached"] else []
        text = evaluation.model_dump_json()
        said = {"attempt": report.attempt, "spent": report.lines(), "answers": found}
        return json.dumps({**said, "evaluation": moved(text, os.fspath(root), asked["root"])})
    except FapoError as error:
        return json.dumps({"error": f"worker {worker.address}: {error}"})
    finally:
        shutil.rmtree(job_folder, ignore_errors=True)


def _evaluated(
    asked: dict[str, Any],
    root: Path,
    files: dict[str, bytes],
    request: EvaluationRequest,
    is_over: Callable[[], bool],
) -> Evaluation:
    with _tree(asked["tree"], root) as tree:
        tree.apply(files)
        if asked["blind"] is None:
            return evaluate(tree, request, cancelled=is_over)
        plan = BlindPlan.model_validate_json(moved(_json(asked["blind"]), asked["root"], os.fspath(root)))
        hidden = [*plan.hidden, os.fspath(root.parent.parent / "cache")]
        excluded = list(map(Path, plan.excluded))
        with ShadowTree.create(root, exclude=excluded) as copy:
            following = Following(lambda _: None, is_over)
            return evaluate_blind(
                plan.model_copy(update={"hidden": hidden}), files, request, tree, copy, following
            )


def moved(text: str, old: str, new: str) -> str:
    """Return JSON text with the paths below one folder told as those below another one."""
    return re.sub(re.escape(_json(old)[1:-1]) + r'(?=[/":\s\\]|$)', lambda _: _json(new)[1:-1], text)


def _json(value: Any) -> str:
    """As pydantic writes it."""
    return json.dumps(value, ensure_ascii=False)


def _request(
    asked: dict[str, Any], root: Path, area: Path, folder: Path, allotment: dict[str, Any]
) -> EvaluationRequest:
    request = EvaluationRequest.model_validate_json(moved(_json(asked["request"]), asked["root"], str(root)))
    cage = request.cage
    if cage is not None:  # what stands elsewhere on this machine cannot be granted
        kept = {
            name: list(filter(os.path.exists, getattr(cage, name))) for name in ("read", "write", "programs")
        }
        cage = cage.model_copy(update=kept)
    left = allotment.pop("seconds", None)
    limits = {**allotment, "deadline": None if left is None else time.monotonic() + left}
    return request.model_copy(
        update={
            "cage": cage,
            "cache_folder": os.fspath(area / "cache"),
            "cache_files": list(filter(os.path.exists, request.cache_files)),
            "spend_file": os.fspath(folder / "spend.jsonl"),
            "allotment": request.allotment.model_copy(update=limits),
        }
    )


def _new_answers(evaluation: Evaluation, cache: AnswerCache) -> Iterator[tuple[str, str]]:
    """Yield key and text of what was asked for."""
    calls = [call for trace in evaluation.traces.values() for call in trace.llm_calls]
    calls += [call for item in evaluation.items.values() for call in item.test_calls]
    for key in dict.fromkeys(call.key for call in calls if call.answered and not call.cache_hit):
        found = cache.get(key)
        if found is not None:
            yield key, found.to_text()


class _Report:
    """Tells the controller of an attempt while it runs, and learns when nobody waits for it any more.

    Args:
        worker: that runs it.
        job: names the evaluation, whoever attempts it.
        spend_file: what it sends is written there.
    """

    def __init__(self, worker: Worker, job: str, spend_file: Path) -> None:
        self.attempt = uuid.uuid4().hex
        self._worker = worker
        self._job = job
        self._key = worker.get_current_task()
        spend_file.touch()
        self._spent = _SpendLines(spend_file, f"{self.attempt}-")

    def grant(self) -> dict[str, Any]:
        """Ask how much may be spent. By then all is counted that an attempt on a lost worker has told."""
        from distributed import Variable, get_client

        self._tell(began=True)
        variable = Variable(f"fapo-grant-{self.attempt}", client=get_client())
        try:
            found: dict[str, Any] = json.loads(variable.get(timeout=_GRANT))
        except (TimeoutError, asyncio.TimeoutError):
            raise FapoError("the process that started this evaluation does not answer") from None
        return found

    def is_over(self) -> bool:
        """True if nobody waits for this evaluation any more; tells what it has spent meanwhile."""
        new = self._spent.new()
        if new:
            self._tell(spent=new)
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state not in ("executing", "long-running")

    def lines(self) -> list[str]:
        """Return all that was spent."""
        self._spent.new()
        return self._spent.seen

    def _tell(self, **said: Any) -> None:
        self._worker.log_event("fapo-" + self._job, {"attempt": self.attempt, **said})


class _SpendLines:
    """The lines of a spend file as they come; ids get a prefix, since those of two machines may be equal."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.seen: list[str] = []
        self._path = path
        self._prefix = prefix
        self._offset = 0

    def new(self) -> list[str]:
        """Return the whole lines that have come since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = []
        for text in whole.splitlines():
            line = json.loads(text)
            if "id" in line:
                line["id"] = self._prefix + line["id"]
            found.append(json.dumps(line))
        self.seen += found
        return found


_TREES: dict[str, list[ShadowTree]] = {}

_lock = threading.Lock()


@contextmanager
def _tree(name: str, root: Path) -> Iterator[ShadowTree]:
    """A copy that nobody else in this worker uses; kept for the next evaluation of the same project."""
    with _lock:
        for other in [other for other in _TREES if other != name]:
            for idle in _TREES.pop(other):
                idle.close()
        free = _TREES.setdefault(name, [])
        tree = free.pop() if free else None
    tree = tree or ShadowTree.create(root)
    try:
        yield tree
    finally:
        with _lock:
            _TREES.setdefault(name, []).append(tree)


def _unpacked(area: Path, name: str, archive: bytes) -> Path:
    """Return the project's folder on this machine; its name in the archive is the project's own."""
    place = area / name
    with _lock:
        if not place.exists():
            area.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = Path(tempfile.mkdtemp(prefix="new-", dir=area))
            with tarfile.open(fileobj=io.BytesIO(archive)) as file:
                # A project's own links may lead anywhere; they are those of the user who started this.
                trusted: dict[str, Any] = (
                    {"filter": "fully_trusted"} if hasattr(tarfile, "data_filter") else {}
                )
                file.extractall(new, **trusted)
            try:
                new.rename(place)
            except OSError:  # another worker in the same folder was first
                shutil.rmtree(new, ignore_errors=True)
    return next(path for path in place.iterdir() if path.is_dir())
