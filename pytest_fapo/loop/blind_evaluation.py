"""Evaluations of candidates that change code: outputs are made without labels, and judged without the code.

How that is done is in `pytest_fapo.shadow.producer`. Here it is decided which tests can be judged so, by
a trial of the unpatched tree, and the parts of an evaluation are put together.
"""

from __future__ import annotations

import ast
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.record import Record
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import one_line
from pytest_fapo.loop.events import Note
from pytest_fapo.loop.optimize_request import OptimizeRequest
from pytest_fapo.shadow.evaluation_request import EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.label_files import label_files
from pytest_fapo.shadow.producer import ProducedOutputs
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

HELD_OUT = "held-out"
"""Name of the stage that is asked last."""


@dataclass
class BlindTrial:
    """The result of the trial of the unpatched tree."""

    folders: dict[str, str] = field(default_factory=dict)
    """Node id of each test that can be judged so, and the folder that its pipeline is set up in."""
    shapes: set[str] = field(default_factory=set)
    """The classes of outputs and the kinds of their fields; see `crossing.shapes_in`."""
    differs: str = ""
    """The words of the first test that turned out otherwise."""


@dataclass(frozen=True)
class Following:
    """The listener to an evaluation's items, and the question if it is still wanted."""

    on_item: Callable[[ItemResult], None]
    cancelled: Callable[[], bool]


class BlindEvaluations:
    """Carries out those of one run.

    Args:
        request: the run's.
    """

    def __init__(self, request: OptimizeRequest) -> None:
        self._request = request
        self._unpatched = Evaluation()
        self._copies: dict[int, ShadowTree] = {}
        self._apart: BlindTrial | None = None
        self._labels: list[str] | None = None
        self._lock = threading.Lock()

    def watched(self, unpatched: Evaluation) -> None:
        """The unpatched tree was run: its items say which runs can be made apart from their tests."""
        self._unpatched = unpatched

    def close(self) -> None:
        for copy in self._copies.values():
            copy.close()

    def concern(self, files: Mapping[str, bytes], tree: ShadowTree) -> bool:
        """True if a tree with these files runs other code than the user's."""
        return any(_is_code(path, content, tree) for path, content in files.items())

    def plan(
        self, asked: EvaluationRequest, tree: ShadowTree, slot: int, following: Following
    ) -> BlindPlan | None:
        """Return how to judge a tree blind; None where no test that is asked for can be judged so.

        Args:
            asked: the request.
            tree: the copy that tests run in.
            slot: its number.
            following: its listeners.
        """
        apart = self._trial_result(asked, tree, slot, following)
        parts = list(_divided(asked.stages, apart.folders, self._unpatched.items))
        if not any(part.blind for part in parts):
            return None
        return BlindPlan(
            parts=parts,
            folders=apart.folders,
            wanted=self._wanted(apart.folders),
            shapes=sorted(apart.shapes),
            excluded=self._label_files(tree),
            hidden=self._hidden_files(tree),
        )

    def evaluate(
        self,
        plan: BlindPlan,
        files: Mapping[str, bytes],
        asked: EvaluationRequest,
        tree: ShadowTree,
        slot: int,
        following: Following,
    ) -> Evaluation:
        """Judge a tree with these files as planned, here."""
        return evaluate_blind(plan, files, asked, tree, self._copy(slot, tree), following)

    # --- the trial ----------------------------------------------------------------------------------------

    def _trial_result(
        self, asked: EvaluationRequest, tree: ShadowTree, slot: int, following: Following
    ) -> BlindTrial:
        with self._lock:
            if self._apart is None:
                self._apart = self._try_unpatched(asked, tree, slot, following)
                self._tell()
            return self._apart

    def _try_unpatched(
        self, asked: EvaluationRequest, tree: ShadowTree, slot: int, following: Following
    ) -> BlindTrial:
        """Judge the unpatched tree so: a test belongs to those that turn out as they did."""
        items = self._unpatched.items
        folders = {nodeid: item.producible_in for nodeid, item in items.items() if item.producible_in}
        if not folders:
            return BlindTrial()
        copy = self._copy(slot, tree)
        copy.restore()
        tree.restore()
        try:
            with _outputs(
                asked, copy, tree, self._wanted(folders), None, self._hidden_files(tree)
            ) as outputs:
                produced = {"socket": outputs.socket, "items": list(folders)}
                options: dict[str, Any] = {**asked.options, "produced": produced}
                stages = [EvaluationStage(name="without labels", nodeids=list(folders))]
                update: dict[str, Any] = {"stages": stages, "options": options, "watch": [], "results": ""}
                judged = evaluate(tree, asked.model_copy(update=update), cancelled=following.cancelled)
        except (FapoError, OSError) as error:
            return BlindTrial(differs=str(error))
        same = {nodeid for nodeid, item in judged.items.items() if _is_same(item, items[nodeid])}
        other = [nodeid for nodeid in folders if nodeid not in same]
        said = [item.explanation for nodeid in other if (item := judged.items.get(nodeid)) is not None]
        found = {nodeid: place for nodeid, place in folders.items() if nodeid in same}
        return BlindTrial(found, outputs.shapes, next(iter([*said, judged.stopped]), ""))

    def _tell(self) -> None:
        assert self._apart is not None
        of_cases = [item for item in self._unpatched.items.values() if item.case_id is not None]
        blind, total = len(self._apart.folders), len(of_cases)
        said = f"changed code makes its outputs without labels for {blind:,} of {total:,} tests on cases"
        if blind < total:
            why = "they call it themselves, or need fixtures of their own"
            if self._apart.differs:
                why = f"there it says {one_line(self._apart.differs)[:200]}"
            said += f"; {total - blind:,} run it beside their labels: {why}"
        self._request.run.journal.tell(Note(said))

    # --- copies -------------------------------------------------------------------------------------------

    def _wanted(self, folders: Mapping[str, str]) -> dict[str, list[str]]:
        """Pipelines by the folder of the tests that ask for them."""
        wanted: dict[str, set[str]] = {}
        for nodeid, folder in folders.items():
            pipeline = (self._unpatched.items[nodeid].pipeline or "").partition(" (")[0]
            wanted.setdefault(folder, set()).add(pipeline)
        return {folder: sorted(pipelines) for folder, pipelines in wanted.items()}

    def _label_files(self, tree: ShadowTree) -> list[str]:
        """Absolute paths that the copy without labels lacks."""
        if self._labels is None:
            request = self._request
            store = request.snapshot.store
            found = label_files(
                request.root,
                tree.survey.files,
                list(self._unpatched.cases.values()),
                {nodeid.partition("::")[0] for nodeid in self._unpatched.items},
                lambda path: store.in_scope(path, "prompt") or store.in_scope(path, "structure"),
            )
            records = [path for path in tree.survey.files if request.settings.is_record(path)]
            found += [request.root / path for path in records]
            found += [*map(type(request.root), request.cache_files), request.root / ".fapo"]
            self._labels = sorted(set(map(os.fspath, found)))
        return self._labels

    def _hidden_files(self, tree: ShadowTree) -> list[str]:
        return [*self._label_files(tree), os.path.realpath(self._request.cache_folder)]

    def _copy(self, slot: int, tree: ShadowTree) -> ShadowTree:
        """Return the copy without labels."""
        if slot not in self._copies:
            excluded = list(map(Path, self._label_files(tree)))
            self._copies[slot] = ShadowTree.create(self._request.root, exclude=excluded)
        return self._copies[slot]


class BlindPart(Record):
    """A run of the judge, or of the tests that cannot be judged so."""

    stages: list[EvaluationStage]
    blind: bool
    left_out: list[str] = Field(default_factory=list)


class BlindPlan(Record):
    """All that it takes to judge a tree blind, on whatever machine."""

    parts: list[BlindPart]
    folders: dict[str, str]
    """See `BlindTrial.folders`."""
    wanted: dict[str, list[str]]
    """Pipelines by the folder of the tests that ask for them."""
    shapes: list[str]
    """See `BlindTrial.shapes`."""
    excluded: list[str]
    """Absolute paths that the copy without labels lacks."""
    hidden: list[str]
    """Absolute paths that its process may not read."""


def evaluate_blind(
    plan: BlindPlan,
    files: Mapping[str, bytes],
    asked: EvaluationRequest,
    tree: ShadowTree,
    copy: ShadowTree,
    following: Following,
) -> Evaluation:
    """Judge a tree blind.

    Args:
        plan: says how.
        files: of the tree.
        asked: the request.
        tree: the copy that tests run in.
        copy: the copy without labels.
        following: its listeners.
    """
    copy.apply(files)
    own = {path: content for path, content in files.items() if not _is_code(path, content, tree)}
    made: list[Evaluation] = []
    with _outputs(asked, copy, tree, plan.wanted, plan.shapes, plan.hidden) as outputs:
        for part in plan.parts:
            if part.blind:
                more: dict[str, Any] = {"produced": {"socket": outputs.socket, "items": list(plan.folders)}}
            else:
                more = {"left_out": list(part.left_out)}
            tree.apply(own if part.blind else files)
            update: dict[str, Any] = {"stages": part.stages, "options": {**asked.options, **more}}
            request = asked.model_copy(update=update)
            made.append(evaluate(tree, request, on_item=following.on_item, cancelled=following.cancelled))
            if made[-1].dropped_at or not made[-1].complete:
                break
        together = _merged_evaluation(made, outputs.loaded(asked.watch), outputs.notes())
    return together.model_copy(update={"without_labels": len(plan.folders.keys() & together.items)})


def _outputs(
    asked: EvaluationRequest,
    copy: ShadowTree,
    tree: ShadowTree,
    wanted: Mapping[str, Collection[str]],
    shapes: Collection[str] | None,
    hidden: list[str],
) -> ProducedOutputs:
    rules = asked.cage.model_copy(update={"hidden": hidden}) if asked.cage is not None else None
    return ProducedOutputs(asked.model_copy(update={"cage": rules}), copy, tree, wanted, shapes)


def _divided(
    stages: Sequence[EvaluationStage], apart: Collection[str], known: Collection[str]
) -> Iterator[BlindPart]:
    """Yield the stages in runs: the held-out cases after all else, in each the blind ones first."""
    named = {nodeid for stage in stages for nodeid in stage.nodeids or ()}
    for late in (False, True):
        mine: list[EvaluationStage] = []
        others: list[EvaluationStage] = []
        for stage in stages:
            if (stage.name == HELD_OUT) is not late:
                continue
            nodeids = (
                stage.nodeids if stage.nodeids is not None else [each for each in known if each not in named]
            )
            left = [each for each in nodeids if each not in apart]
            blind = [each for each in nodeids if each in apart]
            least = 0 if left and blind else stage.min_passed
            if blind:
                mine.append(stage.model_copy(update={"nodeids": blind, "min_passed": least}))
            if left:
                rest = None if stage.nodeids is None else left
                others.append(stage.model_copy(update={"nodeids": rest, "min_passed": least}))
        if mine:
            yield BlindPart(stages=mine, blind=True)
        if others:
            open_end = any(stage.nodeids is None for stage in others)
            left_out = sorted({*apart, *named}) if open_end else []
            yield BlindPart(stages=others, blind=False, left_out=left_out)


def _is_code(path: str, content: bytes, tree: ShadowTree) -> bool:
    return path.endswith(".py") and changes_code(tree.original(path), content)


def _is_same(judged: ItemResult, before: ItemResult) -> bool:
    return judged.outcome == before.outcome and (judged.passed or judged.explanation == before.explanation)


def _merged_evaluation(
    made: Sequence[Evaluation], loaded: Collection[str], notes: Sequence[str]
) -> Evaluation:
    """Return the parts as one evaluation."""
    spending = Spending()
    for part in made:
        spending += part.spending
    return Evaluation(
        items={nodeid: item for part in made for nodeid, item in part.items.items()},
        traces={name: trace for part in made for name, trace in part.traces.items()},
        cases={nodeid: case for part in made for nodeid, case in part.cases.items()},
        spending=spending,
        exit_code=max((part.exit_code for part in made), key=abs, default=0),
        complete=all(part.complete for part in made),
        stopped=next((part.stopped for part in made if part.stopped), ""),
        dropped_at=next((part.dropped_at for part in made if part.dropped_at), ""),
        loaded_files=sorted({*loaded, *(path for part in made for path in part.loaded_files)}),
        outside_files=list(dict.fromkeys(path for part in made for path in part.outside_files)),
        notes=list(dict.fromkeys([*(note for part in made for note in part.notes), *notes])),
        duration=sum(part.duration for part in made),
    )


def changes_code(before: bytes, after: bytes) -> bool:
    """True if a Python file does something else, whatever its constants are: also where it does not parse.

    Args:
        before: its content; empty for a new file.
        after: its new content.
    """
    return before != after and _without_constants(before) != _without_constants(after)


def _without_constants(content: bytes) -> str | None:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float)):
            node.value, node.kind = type(node.value)(), None
    try:
        return ast.dump(tree)
    except RecursionError:
        return None
