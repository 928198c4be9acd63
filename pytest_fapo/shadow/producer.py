"""Outputs made blind: one process runs a candidate's code and holds no label, another one judges without it.

1. The *producer* is a child in a copy of the project of its own, without tests, case files, baseline,
   snapshots and files that hold inputs of cases (`label_files.py`); the cage grants it no such file either.
2. It runs one item that sets up the pipelines' fixtures and waits. It is sent inputs, one run at a time: no
   id, no split, no expected answer, in the order in which the judging process happens to ask.
3. The *judge* is the usual child on the project as the user has it (prompts and parameters edited, code not).
   Where a test asks for `run`, it asks for the output instead of calling the pipeline; fixtures, assertions,
   stages and the drop rule are as ever.
4. Both talk to this process alone, by JSON lines. It hands inputs on, and looks at what comes back: objects
   are of classes that the unpatched pipeline's outputs had. The judge fills them from their fields, and
   holds what was in none of these outputs against the declared types.
5. Recorded answers come by their keys (`answer_channel.py`); the cache is out of the producer's reach.
6. What cannot be made apart (tests that call the pipeline themselves, fixtures of a test's own, outputs that
   do not cross or turn out otherwise in a trial of the unpatched tree) is judged in the cage, and counted.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_fapo.core.line_sockets import LineClient, LineServer
from pytest_fapo.session.crossing import shapes_in
from pytest_fapo.shadow.child_process import LAST_WORDS, ChildProcess, answer_server_of
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.producer_child import ARGUMENTS, MODULE
from pytest_fapo.shadow.shadow_tree import ShadowTree, remove

_BEGIN = 120.0
"""Seconds that a producer has for setting its fixtures up."""

_POLL = 0.01


class Producer:
    """One producing child, for the pipelines of one folder of tests.

    Args:
        shadow: a copy without labels, with the candidate's files.
        request: of the evaluation; stages and options that name cases are left out.
        folder: in the copy, where the tests stand: its conftest files give the pipelines.
        pipelines: names of their fixtures.
        desk: socket of the recorded answers; empty where there are none.
    """

    def __init__(
        self,
        shadow: ShadowTree,
        request: EvaluationRequest,
        folder: Path,
        pipelines: Collection[str],
        desk: str,
    ) -> None:
        self._sockets = Path(tempfile.mkdtemp(prefix="s", dir=shadow.base))
        path = self._sockets / "p"
        module = folder / "fapo_produces.py"
        module.write_text(MODULE, encoding="utf-8")
        produce = {"socket": os.fspath(path), "pipelines": sorted(pipelines), "module": os.fspath(module)}
        options = {
            "produce": produce,
            **{key: request.options[key] for key in ("sample",) if key in request.options},
        }
        rules = request.cage
        if rules is not None:
            rules = rules.model_copy(update={"write": [*rules.write, os.fspath(self._sockets)]})
        asked = {
            "cage": rules,
            "args": [*request.args, *ARGUMENTS],
            "stages": [EvaluationStage(name="produce")],
            "options": options,
            "answers": desk,
            "cache_files": [],
            "results": "",
            "interventions": [],
        }
        self.child = ChildProcess(shadow, request.model_copy(update=asked))
        self._client = LineClient(os.fspath(path))
        self._path = path

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Return the answer to a question of the judge's.

        Raises:
            OSError: the child has ended, or does not begin.
        """
        end = time.monotonic() + _BEGIN
        while not self._path.exists():
            if self.child.returncode is not None or time.monotonic() > end:
                raise ConnectionError(f"it ended or did not begin: {self.child.last_output()}")
            time.sleep(_POLL)
        return self._client.ask(question)

    def close(self) -> None:
        """Let it end, and end it."""
        if self._path.exists() and self.child.returncode is None:
            with suppress(OSError, ValueError):  # code that never lets go of the interpreter answers nobody
                LineClient(os.fspath(self._path), LAST_WORDS).ask(None)
        self.child.wait_a_moment()
        self.child.stop()
        self.child.discard()
        remove(self._sockets)


class ProducedOutputs:
    """All producers of one evaluation, and the socket at which its judge asks them; a context manager.

    Args:
        request: of the evaluation.
        copy: without labels, with the candidate's files.
        judge: the copy that the judge runs in.
        wanted: pipelines by the folder (of the real project) of the tests that ask for them.
        shapes: of objects that outputs may have; None for any, as in a trial of the unpatched tree.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        copy: ShadowTree,
        judge: ShadowTree,
        wanted: Mapping[str, Collection[str]],
        shapes: Collection[str] | None,
    ) -> None:
        self.shapes: set[str] = set()
        """Those that outputs had: see `crossing.shapes_in`."""
        self._allowed = frozenset(shapes) if shapes is not None else None
        self._copy = copy
        self._judge = judge
        self._desk = answer_server_of(request, copy)
        copy.mark_unread(request.watch)
        self._producers: dict[str, Producer] = {}
        for folder, pipelines in wanted.items():
            place = copy.path / os.path.relpath(folder, copy.root)
            self._producers[folder] = Producer(
                copy, request, place, pipelines, self._desk.socket if self._desk is not None else ""
            )
        self._sockets = Path(tempfile.mkdtemp(prefix="s", dir=judge.base))
        self._server = LineServer(self._sockets / "j", self._answer)

    @property
    def socket(self) -> str:
        """The address at which the judge asks."""
        return os.fspath(self._server.path)

    def loaded(self, watched: Iterable[str]) -> set[str]:
        """Return those of the watched files that the producers have loaded."""
        noted = {path for producer in self._producers.values() for path in producer.child.noted("loaded")}
        return {path for path in watched if path in noted or self._copy.was_read(path)}

    def notes(self) -> list[str]:
        """Return the requests that producers were refused."""
        children = [producer.child for producer in self._producers.values()]
        return [
            f"refused: connecting to {target}"
            for child in children
            if child.connections is not None
            for target in child.connections.refused
        ]

    def __enter__(self) -> ProducedOutputs:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        remove(self._sockets)
        for producer in self._producers.values():
            producer.close()
        if self._desk is not None:
            self._desk.close()
        self._copy.clean()

    def _answer(self, question: Any) -> Any:
        place = os.path.relpath(question.pop("folder"), self._judge.path)
        producer = self._producers[os.path.normpath(self._copy.root / place)]
        try:
            answer = producer.ask(question)
        except (OSError, ValueError) as error:
            return _failed(f"the process that runs the pipeline gave no answer ({error})")
        if not isinstance(answer, dict) or not answer.keys() & {"output", "error"}:
            return _failed("the process that runs the pipeline gave another thing than an output")
        found = set(shapes_in(answer.get("output")))
        self.shapes |= found
        if self._allowed is None:
            return answer
        new = found - self._allowed
        if other := sorted(shape for shape in new if " " not in shape):
            return _failed(f"the pipeline returns another kind of object than before: {', '.join(other)}")
        return {**answer, "new": sorted(new)}


def _failed(reason: str) -> dict[str, Any]:
    return {"error": {"class": "builtins:RuntimeError", "args": [reason], "state": {}, "text": reason}}
