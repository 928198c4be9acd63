"""`--fapo-resume`: continue an interrupted run, on the tree and the packages that it began with."""

from __future__ import annotations

import contextlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field

from pytest_fapo import __version__
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import Record
from pytest_fapo.core.text import listing
from pytest_fapo.loop.events import RunBegan, RunFinished
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.shadow.tree_state import TreeState
from pytest_fapo.source.write_back import recover

_TREE = "tree.json"

_PACKAGES = ("pytest", "openai", "anthropic", "httpx", "httpx2", "litellm", "langchain-core", "dspy")


def resumable(runs: Path) -> RunFolder:
    """Return the newest run, which must be unfinished.

    Raises:
        FapoError: there is none.
    """
    run = RunFolder.newest_unfinished(runs)
    if run is None:
        raise FapoError(
            "--fapo-resume: the newest run finished, or there is none; start a new one with --fapo-optimize"
        )
    return run


def finish_writing(run: RunFolder) -> Summary | None:
    """Bring a write-back that a kill has interrupted to its end.

    Returns:
        The run's summary where its files are written now, or where only its report is missing; None where the
        run has to go on instead.
    """
    if run.journal.last(RunFinished) is not None:
        return Summary.model_validate_json((run.path / "summary.json").read_bytes())
    if not run.write_journal.is_file():
        return None
    result = recover(run.write_journal)
    planned = run.path / "planned-summary.json"
    if result is None or result.conflicts or not result.written or not planned.is_file():
        return None
    summary = Summary.model_validate(json.loads(planned.read_text(encoding="utf-8")))
    summary.writing, summary.files = "written", sorted(result.written)
    run.save_text("summary.json", summary.model_dump_json(indent=1))
    run.journal.write(RunFinished(stop=summary.stop, writing="written"))
    return summary


class RunTree(Record):
    """The state that a run's verdicts depend on beside its prompts; stored in the run's folder with the first
    verdict.
    """

    state: TreeState
    """The project as it was copied."""
    written: list[str] = Field(default_factory=list)
    """Files of the project that the tests themselves have written before it was copied."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the packages that make the requests and judge the answers."""

    def save(self, run: RunFolder) -> None:
        """Write it into the run's folder."""
        run.save_text(_TREE, self.model_dump_json())


def versions() -> dict[str, str]:
    """Return the versions of Python, pytest, this plugin and the SDKs that are installed."""
    versions = {"python": platform.python_version(), "pytest-fapo": __version__}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def check_unchanged(
    run: RunFolder, snapshot: ScopeSnapshot, state: TreeState, outputs: Sequence[str] = ()
) -> None:
    """Refuse to resume on another project, or with other packages, than the run's verdicts rest on.

    Args:
        run: the run.
        snapshot: the files of the scope now.
        state: all files of the project now.
        outputs: files that a session writes by itself, such as reports.

    Raises:
        FapoError: names what changed.
    """
    began = run.journal.last(RunBegan)
    before = began.files if began is not None else {}
    changed = {path for path, digest in snapshot.hashes.items() if before.get(path) != digest}
    changed.update(path for path in before if path not in snapshot.hashes)
    changes = [f"{path} changed" for path in sorted(changed)]
    tree = _load_run_tree(run)
    if tree is not None:
        changed_files = tree.state.changes(state, besides={*tree.written, *outputs, *changed})
        changes += [change_sentence(path, what) for path, what in changed_files.items()]
        now, then = versions(), tree.versions
        changes += [
            f"{name} is {now.get(name, 'not installed')} instead of {then.get(name, 'not installed')}"
            for name in sorted({*now, *then})
            if now.get(name) != then.get(name)
        ]
    if changes:
        raise FapoError(
            f"--fapo-resume: {listing(changes, most=5)} since the run {run.path.name} began, and what it has "
            f"judged does not hold any more; start a new run with --fapo-optimize (what it asks again is "
            f"answered from the cache)"
        )


def check_same_cases(reference: Evaluation, baseline: Evaluation) -> None:
    """Refuse to resume where cases of equal tests hold something else, wherever they were loaded from.

    Raises:
        FapoError: names them.
    """
    other = [
        nodeid
        for nodeid, case in baseline.cases.items()
        if nodeid in reference.cases and reference.cases[nodeid] != case
    ]
    if other:
        verb = "has" if len(other) == 1 else "have"
        raise FapoError(
            f"--fapo-resume: {listing(sorted(other), most=3)} {verb} another case (inputs, expected, split "
            f"or weight) than when the run began, and its verdicts no longer hold; start a "
            f"new run with --fapo-optimize"
        )


def change_sentence(path: str, what: str) -> str:
    """`tests/test_mail.py changed`, `conftest.py was deleted`, `cases.csv is new`."""
    return f"{path} {({'deleted': 'was deleted', 'new': 'is new'}).get(what, what)}"


def _load_run_tree(run: RunFolder) -> RunTree | None:
    """None where nothing was judged yet."""
    try:
        return RunTree.model_validate_json((run.path / _TREE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        raise FapoError(
            f"--fapo-resume: the run {run.path.name} was begun by another version of pytest-fapo; start a "
            f"new one with --fapo-optimize"
        ) from None
