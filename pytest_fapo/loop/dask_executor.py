"""Evaluations on an existing Dask cluster (`--fapo-executor=dask:<address>`), from the side of the run.

The project travels once as an archive that is named by its content, an evaluation as JSON, and so does its
result. Dask itself sends what workers lack, and tries again elsewhere what a lost worker was doing. Each
attempt is granted a share of what is left of the budget, and tells what it spends while it spends it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import queue
import tarfile
import threading
import time
import uuid
import warnings
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.spend_file import SpendFile
from pytest_fapo.capture.http_answer import RecordedAnswer
from pytest_fapo.core.errors import ConfigError, EvaluationError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import text_digest
from pytest_fapo.core.text import count, listing
from pytest_fapo.loop import dask_worker
from pytest_fapo.loop.blind_evaluation import BlindPlan, Following
from pytest_fapo.loop.events import Note
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.shadow.child_process import started_as_module
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.shadow_tree import ShadowTree

if TYPE_CHECKING:
    from distributed import Client, Future, Variable

_CONNECT = 15.0
"""Seconds to wait for the scheduler."""

_POLL = 0.05

_DESERTED = 120.0
"""Seconds without any worker after which an evaluation is given up."""


@dataclass
class _Grant:
    """The limits of one evaluation, all of its attempts together."""

    calls: int | None = None
    cost: float | None = None
    attempts: list[str] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)
    """Lines that an attempt has told so far."""
    used_calls: int = 0
    used_cost: float = 0.0

    def open_calls(self) -> int:
        """Return the calls that it may still send."""
        return max(0, (self.calls or 0) - self.used_calls)

    def open_cost(self) -> float:
        return max(0.0, (self.cost or 0.0) - self.used_cost)


class DaskExecutor:
    """Runs evaluations on the workers of a cluster.

    Args:
        address: of its scheduler, as Dask writes it.
        request: of the run.

    Raises:
        ConfigError: there is no such cluster, or its workers are of no use.
    """

    def __init__(self, address: str, request: OptimizeRequest) -> None:
        self.side_by_side = 1
        """The number of evaluations that share what is left of the budget."""
        self._address = address
        self._request = request
        self._client = _connected(address)
        self._grants: dict[str, _Grant] = {}
        self._lock = threading.Lock()
        self._spent = SpendFile(request.budget.spend_file)
        self._archive: tuple[str, bytes] | None = None
        self._keys = dict.fromkeys(_question_keys([request.baseline]))
        self._sent: dict[str, Future] = {}
        try:
            self._check_workers()
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        """Give up what is under way, and leave the cluster as it was."""
        self._sent.clear()
        with suppress(Exception):  # the scheduler may be gone
            self._client.close()

    def _check_workers(self) -> None:
        found: Mapping[str, Any] = self._client.run(dask_worker.describe, on_error="return")
        if not found:
            raise ConfigError(f"--fapo-executor: the cluster at {self._address} has no workers; start some")
        wrong = []
        for worker, said in found.items():
            if isinstance(said, Exception):
                wrong.append(f"{worker} ({type(said).__name__}: {said}; is pytest-fapo installed there?)")
            elif differs := dask_worker.mismatch(said):
                wrong.append(f"{worker} ({differs})")
        if wrong:
            raise ConfigError(
                f"--fapo-executor: workers have other versions: {listing(wrong, most=3)}; "
                f"install the same Python and pytest-fapo everywhere"
            )
        if self._request.settings.cage == "off":
            return
        lacking = sorted({each for said in found.values() for each in said["no_lock"]})
        if lacking and self._request.settings.cage == "require":
            raise ConfigError(
                f'[tool.fapo] cage = "require", and workers cannot lock candidates out of {listing(lacking)}'
            )
        if lacking:
            self._tell(f"on workers candidates are not locked out of {listing(lacking)}")
        self._tell(f"candidates are evaluated by {count(len(found), 'worker')} of {self._address}")

    def _tell(self, text: str) -> None:
        self._request.run.journal.tell(Note(text))

    # --- one evaluation -------------------------------------------------------------------------------

    def evaluate(
        self,
        tree: ShadowTree,
        files: Mapping[str, bytes],
        asked: EvaluationRequest,
        following: Following,
        blind: BlindPlan | None = None,
    ) -> Evaluation:
        """Run an evaluation on some worker.

        Args:
            tree: the project's copy here; only what it held at first is looked at.
            files: of the candidate.
            asked: the request.
            following: its listeners.
            blind: how to judge it without labels, where that is to be.

        Raises:
            EvaluationError: it was cancelled, or the cluster cannot do it.
        """
        job = uuid.uuid4().hex
        inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._client.subscribe_topic(f"fapo-{job}", lambda event: inbox.put(event[1]))
        with self._lock:
            grant = self._grants[job] = _Grant()
        future = None
        try:
            future = self._submit(job, tree, files, asked, blind)
            self._wait(future, grant, inbox, following)
            said = _result(future, self._address)
            self._count(grant, said["attempt"], said["spent"])
        finally:
            with self._lock:
                del self._grants[job]
            with suppress(Exception):  # the scheduler may be gone
                self._client.unsubscribe_topic(f"fapo-{job}")
                for attempt in grant.attempts:
                    self._granted(attempt).delete()
                if future is not None and not future.done():
                    future.cancel()
        self._keep(said["answers"])
        evaluation = Evaluation.model_validate_json(said["evaluation"])
        for item in evaluation.items.values():
            following.on_item(item)
        return evaluation

    def _submit(
        self,
        job: str,
        tree: ShadowTree,
        files: Mapping[str, bytes],
        asked: EvaluationRequest,
        blind: BlindPlan | None,
    ) -> Future:
        with self._lock:
            if self._archive is None:
                data = tree_archive(tree)
                self._archive = hashlib.sha256(data).hexdigest(), data
                if tree.survey.linked:
                    self._tell(f"not sent to workers, being too large: {listing(tree.survey.linked, most=3)}")
            name, data = self._archive
        here = {"cwd_on_path": started_as_module()}
        text = json.dumps(
            {
                "job": job,
                "versions": dask_worker.versions(),
                "tree": name,
                "root": os.fspath(tree.root),
                "cached": asked.cache_mode != "off",
                "files": {path: base64.b64encode(content).decode() for path, content in files.items()},
                "blind": blind.model_dump(mode="json") if blind is not None else None,
                "request": asked.model_copy(update=here).model_dump(mode="json"),
            }
        )
        archive = self._send(f"fapo-tree-{name}", data)
        answers = self._send_answers(asked)
        return self._client.submit(
            dask_worker.work, text, archive, answers, key=f"fapo-evaluation-{job}", pure=False
        )

    def _send(self, key: str, data: Any) -> Future:
        """Data as a task: the scheduler keeps it, so that no loss of a worker can lose it."""
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask's, of large data: it is sent once
            if key not in self._sent:
                self._sent[key] = self._client.submit(dask_worker.same, data, key=key)
            return self._sent[key]

    def _send_answers(self, asked: EvaluationRequest) -> Future:
        """Return the recorded answers of this run, where workers cannot look for them in Redis."""
        found: list[tuple[str, str]] = []
        if not asked.cache_url and asked.cache_mode != "off":
            with closing(AnswerCache(self._request.cache_folder)) as cache:
                known = ((key, cache.get(key)) for key in list(self._keys))
                found = [(key, answer.to_text()) for key, answer in known if answer is not None]
        text = json.dumps(found)
        return self._send(f"fapo-answers-{text_digest(text)}", text)

    def _wait(
        self, future: Future, grant: _Grant, inbox: queue.Queue[dict[str, Any]], following: Following
    ) -> None:
        seen = time.monotonic()
        while not future.done():
            if following.cancelled():
                raise EvaluationError("the evaluation was cancelled")
            with suppress(queue.Empty):
                self._hear(grant, inbox.get(timeout=_POLL))
            if time.monotonic() > seen + 5:
                if self._client.scheduler_info()["workers"]:
                    seen = time.monotonic()
                elif time.monotonic() > seen + _DESERTED:
                    raise EvaluationError(
                        f"the cluster at {self._address} has had no worker for {_DESERTED:g} s"
                    )

    # --- the budget -----------------------------------------------------------------------------------

    def _hear(self, grant: _Grant, said: Mapping[str, Any]) -> None:
        """Take in what an attempt says: that it begins, or what it has spent."""
        if "spent" in said:
            self._count(grant, said["attempt"], said["spent"], streamed=True)
        if "began" in said:
            grant.attempts.append(said["attempt"])
            self._granted(said["attempt"]).set(json.dumps(self._share(grant)))
            if len(grant.attempts) > 1:
                self._tell("a worker was lost; its evaluation restarts on another one")

    def _granted(self, attempt: str) -> Variable:
        from distributed import Variable

        return Variable(f"fapo-grant-{attempt}", client=self._client)

    def _count(self, grant: _Grant, attempt: str, lines: list[str], *, streamed: bool = False) -> None:
        """Write down here what was spent there, each line once: a result repeats what was told before."""
        told = grant.told.get(attempt, 0)
        new = lines if streamed else lines[told:]
        grant.told[attempt] = told + len(new)
        for text in new:
            line = json.loads(text)
            grant.used_calls += line["event"] == "sent"
            grant.used_cost += line.get("budgeted") or 0.0
            self._spent.append(line)

    def _share(self, grant: _Grant) -> dict[str, Any]:
        """Return what an attempt may spend: its part of what is left and granted to nobody else."""
        budget = self._request.budget
        with self._lock:
            # What a lost attempt sent and could not tell any more: no more than it may have had in flight.
            lost = (len(grant.attempts) - 1) * self._request.settings.concurrency
            spent = self._spent.read()
            others = [other for other in self._grants.values() if other is not grant and other.attempts]
            parts = max(1, self.side_by_side - len(others))
            grant.used_calls, grant.used_cost = 0, 0.0
            share: dict[str, Any] = {"max_calls": None, "max_cost": None}
            if budget.max_calls is not None:
                left = budget.max_calls - spent.calls - lost - sum(other.open_calls() for other in others)
                share["max_calls"] = grant.calls = max(0, -(-left // parts))
            if budget.max_cost is not None:
                rest = budget.max_cost - spent.budgeted - sum(other.open_cost() for other in others)
                share["max_cost"] = grant.cost = max(0.0, rest / parts)
            if budget.deadline is not None:
                share["seconds"] = max(0.0, budget.deadline - time.monotonic())
            return share

    def _keep(self, answers: Iterable[tuple[str, str]]) -> None:
        """Take answers that a worker has paid for into the local cache: the final proof asks nobody else."""
        found = {key: RecordedAnswer.from_text(text) for key, text in answers}
        if found:
            with self._lock, closing(AnswerCache(self._request.cache_folder)) as cache:
                cache.put_all(found.items())
                self._keys.update(dict.fromkeys(found))


def dask_address(executor: str) -> str:
    """Return the address in `dask:<address>`.

    Raises:
        ConfigError: it is of another form.
    """
    kind, _, address = executor.partition(":")
    if kind != "dask" or not address:
        raise ConfigError(
            f"--fapo-executor: {executor!r} is not of the form dask:<address of a scheduler>, "
            f"such as dask:tcp://scheduler:8786"
        )
    return address


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--fapo-executor=dask:… needs Dask: pip install 'pytest-fapo[dask]', here and on the workers"
        ) from None
    try:
        return Client(address, timeout=_CONNECT, set_as_default=False, name="pytest-fapo")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"--fapo-executor: no Dask scheduler answers at {address} ({error or type(error).__name__})"
        ) from None


def _result(future: Future, address: str) -> dict[str, Any]:
    """Return the answer of a worker.

    Raises:
        EvaluationError: it returned nothing.
    """
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        if type(error).__name__ == "KilledWorker":
            raise EvaluationError(
                f"several workers were lost while they evaluated a candidate ({error}); "
                f"do they have enough memory?"
            )
        if error is not None:
            raise EvaluationError(f"a worker of {address} failed: {type(error).__name__}: {error}")
        raise EvaluationError(f"the Dask scheduler at {address} is gone; --fapo-resume continues this run")
    said: dict[str, Any] = json.loads(future.result())
    if "error" in said:
        raise EvaluationError(said["error"])
    return said


def _question_keys(evaluations: Iterable[Evaluation]) -> Iterable[str]:
    for evaluation in evaluations:
        for trace in evaluation.traces.values():
            yield from (call.key for call in trace.llm_calls if call.answered)
        for item in evaluation.items.values():
            yield from (call.key for call in item.test_calls if call.answered)


def tree_archive(tree: ShadowTree) -> bytes:
    """Return the project as it was copied, as a tar file: equal contents give equal bytes."""
    packed = io.BytesIO()
    name = Path(tree.root).name or "root"
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=3) as pack,
        tarfile.open(fileobj=pack, mode="w", format=tarfile.PAX_FORMAT) as file,
    ):
        for path in ["", *sorted({*tree.survey.folders, *tree.survey.files, *tree.survey.links})]:
            place = tree.root / path
            info = tarfile.TarInfo(f"{name}/{path}".rstrip("/"))
            if path in tree.survey.links:
                info.type, info.linkname = tarfile.SYMTYPE, tree.survey.links[path]
                file.addfile(info)
            elif path in tree.survey.files:
                content = tree.original(path)
                info.size, info.mode = len(content), _mode(place)
                file.addfile(info, io.BytesIO(content))
            else:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                file.addfile(info)
    return packed.getvalue()


def _mode(place: Path) -> int:
    try:
        return 0o755 if place.stat().st_mode & 0o100 else 0o644
    except OSError:
        return 0o644
