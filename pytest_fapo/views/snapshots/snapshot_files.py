"""Write the snapshots of all pipelines, and check whether they are up to date."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_fapo.capture.redaction import Redactor
from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.baseline import Baseline
from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateProblem
from pytest_fapo.core.record import text_digest
from pytest_fapo.core.text import listing
from pytest_fapo.views.snapshots.sample_calls import SampleCall, may_know
from pytest_fapo.views.snapshots.snapshot_page import SnapshotPage, foreign_prompts
from pytest_fapo.views.snapshots.snapshot_state import (
    RecordedCall,
    SnapshotState,
    UnreadableState,
    is_snapshot,
    read_state,
)

UPDATE_COMMAND = "pytest --fapo-update-baseline"


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of all pipelines of a session.

    Args:
        folder: where they are.
        evaluation: of this session; only its train cases are shown.
        baseline: of this session where it is written, else the committed one.
        artifacts: every editable artifact as it is now (`ArtifactStore.all`).
        redactor: what keeps credentials and private texts out of the record.
        root: folder of the project; it is shown nowhere, and paths in messages are relative to it.
    """

    folder: Path
    evaluation: Evaluation
    baseline: Baseline
    artifacts: Sequence[Artifact]
    redactor: Redactor | None = None
    root: Path | None = None

    def page(self, pipeline: str, sample: str = "") -> SnapshotPage:
        """Return the snapshot of one pipeline as it should be.

        Args:
            pipeline: one of `baseline.pipelines`.
            sample: id of the train case whose prompts are shown; default: the first by id.
        """
        return SnapshotPage(
            pipeline,
            evaluation=self.evaluation,
            baseline=self.baseline,
            artifacts=self.artifacts,
            foreign=self._foreign[pipeline],
            sample=sample,
            redactor=self.redactor,
            root=self.root,
        )

    def write(self) -> list[Path]:
        """Write the snapshots of all pipelines of the baseline; those of other pipelines are removed.

        The sample case of a snapshot stays as long as it is a train case, so that a new case with a lower id
        changes nothing.

        Returns:
            The files that were written or removed; what is up to date is left alone.

        Raises:
            ConfigError: a file cannot be written.
        """
        changed = []
        for pipeline, name in self._names.items():
            path = self.folder / name
            sample = _state(read_snapshot(path)).sample
            if write_snapshot(path, self.page(pipeline, sample).text):
                changed.append(path)
        left = other_snapshots(self.folder, self._names.values())
        for path in left:
            remove_snapshot(path)
        return [*changed, *left]

    def check(self) -> list[GateProblem]:
        """Return the snapshots that are not there or do not say what the pipelines do, each with the command
        that renews it.

        Raises:
            ConfigError: a file cannot be read.
        """
        texts = {pipeline: read_snapshot(self.folder / name) for pipeline, name in self._names.items()}
        states = {pipeline: _state(text) for pipeline, text in texts.items()}
        problems = []
        for pipeline, text in texts.items():
            reason = "there is none yet"
            if text is not None:
                others = {each for name in states if name != pipeline for each in states[name].artifacts}
                reason = staleness(text, self.page(pipeline, states[pipeline].sample), others)
            if reason:
                message = f"the snapshot of pipeline {pipeline!r} is out of date: {reason}"
                problems.append(_problem(self.folder / self._names[pipeline], message, self.root))
        left = other_snapshots(self.folder, self._names.values())
        outside = "its pipeline is not in the baseline"
        return [*problems, *(_problem(path, outside, self.root) for path in left)]

    @cached_property
    def _names(self) -> dict[str, str]:
        return snapshot_names(self.baseline.pipelines)

    @cached_property
    def _foreign(self) -> dict[str, set[str]]:
        return foreign_prompts(self.evaluation, self.baseline.pipelines, self.artifacts)


def _state(text: str | None) -> SnapshotState:
    """Return the state that a snapshot was made from; empty if it has none."""
    try:
        return read_state(text or "")
    except UnreadableState:
        return SnapshotState()


def _problem(path: Path, message: str, root: Path | None) -> GateProblem:
    inside = root is not None and path.is_relative_to(root)
    shown = path.relative_to(root).as_posix() if root and inside else f"{path.parent.name}/{path.name}"
    return GateProblem(
        kind="stale-snapshot", message=f"{shown}: {message}", command=UPDATE_COMMAND, path=shown
    )


def staleness(text: str, page: SnapshotPage, elsewhere: Collection[str] = ()) -> str:
    """Return why the snapshot is out of date, as the end of a sentence; empty if it is not.

    What a model answers may vary from run to run and makes nothing stale. A prompt is compared as long as
    all answers that came before it are those that the snapshot was made with; the files are compared always.

    Args:
        text: of the file, its lines ended by `\\n`.
        page: newly made for the same sample case.
        elsewhere: addresses that are in other pipelines' snapshots.
    """
    try:
        state = read_state(text)
    except UnreadableState as problem:
        return str(problem)
    changed = _changed(state, page.state, elsewhere)
    if changed:
        return f"{listing(changed, most=3)} changed since it was written"
    if _plain(page.scores) not in _plain(text):
        return "its scores are not those of the baseline"
    if not page.sample:
        return ""  # no case ran to compare with; that is the gate's own business
    if state.sample != page.sample:
        return f"its sample case {state.sample!r} is no longer among the train cases"
    return _calls_differ(state, page) or _text_differs(state, page, text)


def _changed(state: SnapshotState, now: SnapshotState, elsewhere: Collection[str]) -> list[str]:
    """Return the addresses whose content differs, is new or is gone.

    Which prompts belong to which pipeline is known from what its cases asked, and may vary with the answers.
    """
    both = {*state.artifacts, *now.artifacts}
    return sorted(
        address
        for address in both
        if state.artifacts.get(address) != now.artifacts.get(address)
        and not (address not in state.artifacts and address in elsewhere)
    )


def _calls_differ(state: SnapshotState, page: SnapshotPage) -> str:
    answered = {(call.question, call.answer) for call in (*state.calls, *state.judges)}
    recorded = {call.question for call in state.calls}
    for each in page.calls[: len(state.calls)]:
        before = [other for other in page.calls if may_know(each.call, other.call)]
        if _as_shown(before, answered) and each.question not in recorded:
            where = f"step {each.step!r}" if each.step else "the pipeline"
            return f"{where} asks its model something else than it shows"
    recorded = {call.question for call in state.judges}
    for number, each in enumerate(page.judges[: len(state.judges)]):
        before = [*page.calls, *(other for other in page.judges[:number] if other.path == each.path)]
        if _as_shown(before, answered) and each.question not in recorded:
            return f"test {each.step!r} asks its model something else than it shows"
    return ""


def _as_shown(before: Sequence[SampleCall], answered: Collection[tuple[str, str]]) -> bool:
    """True if all that was answered before a prompt is what the snapshot was made with."""
    return all((other.question, other.answer) in answered and other.answer_is_known for other in before)


def _text_differs(state: SnapshotState, page: SnapshotPage, text: str) -> str:
    """Return the difference in the rest, if all questions and answers are the same."""
    same = _equal(state.calls, page.state.calls) and _equal(state.judges, page.state.judges)
    if not same or not all(each.answer_is_known for each in (*page.calls, *page.judges)):
        return ""
    if state.steps != page.state.steps:
        return f"case {page.sample!r} goes through other steps than it shows"
    shown = _plain(text)
    if any(_plain(block) not in shown for block in (*page.blocks, *page.judge_blocks)):
        return "its text was changed by hand or by a merge"
    return ""


def _equal(recorded: Sequence[RecordedCall], now: Sequence[RecordedCall]) -> bool:
    return len(recorded) == len(now) and set(recorded) == set(now)


def _plain(text: str) -> str:
    """Without what a formatter of Markdown may change: the width of a table's columns."""
    return re.sub(r"-{3,}", "---", re.sub(r"[ \t]+", " ", text))


_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}(?<![.-])")

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|readme|index)(\..*)?", re.I)


def snapshot_names(pipelines: Iterable[str]) -> dict[str, str]:
    """Return a file name for each pipeline: its own name where that is safe and unlike all others."""
    names = sorted(pipelines)
    folded = [name.casefold() for name in names]
    return {
        name: f"{name}.md" if _is_plain(name) and folded.count(name.casefold()) == 1 else _safe(name)
        for name in names
    }


def read_snapshot(path: Path) -> str | None:
    """Return a snapshot's text; None where there is none.

    Raises:
        ConfigError: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None


def write_snapshot(path: Path, text: str) -> bool:
    """Write the text, all or nothing; False where the file holds it already.

    Raises:
        ConfigError: it cannot be written there.
    """
    if read_snapshot(path) == text:
        return False
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    return True


def remove_snapshot(path: Path) -> None:
    """Remove a snapshot.

    Raises:
        ConfigError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be removed: {error.strerror or error}") from None


def other_snapshots(folder: Path, names: Iterable[str]) -> list[Path]:
    """Snapshots in the folder that are none of `names`; files that are no snapshots are not ours."""
    if not folder.is_dir():
        return []
    known = set(names)
    found = (path for path in sorted(folder.glob("*.md")) if path.name not in known)
    return [path for path in found if is_snapshot(read_snapshot(path) or "")]


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and not _RESERVED.fullmatch(name)


def _safe(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-')[:60] or 'pipeline'}-{text_digest(name)[:8]}.md"
