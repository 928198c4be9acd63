"""`--fapo-resume`: go on with a run that was cut off."""

from __future__ import annotations

import json
from pathlib import Path

from pytest_fapo.artifacts import recover
from pytest_fapo.errors import FapoError
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.optimize.snapshot import Snapshot
from pytest_fapo.report import Summary, summary_markdown


def resumable(runs: Path) -> RunDirectory:
    """The newest run, which must be unfinished.

    Raises:
        FapoError: there is none.
    """
    run = RunDirectory.newest_unfinished(runs)
    if run is None:
        raise FapoError(
            "--fapo-resume: the newest run came to its end, or there is none; start a new one "
            "with --fapo-optimize"
        )
    return run


def finish_writing(run: RunDirectory) -> Summary | None:
    """Bring a write-back that a kill has interrupted to its end.

    Returns:
        The run's summary where its files are written now; None where the run has to go on instead.
    """
    if not run.write_journal.is_file():
        return None
    result = recover(run.write_journal)
    planned = run.path / "planned-summary.json"
    if result is None or result.conflicts or not result.written or not planned.is_file():
        return None
    summary = Summary.model_validate(json.loads(planned.read_text(encoding="utf-8")))
    summary.writing, summary.files = "written", sorted(result.written)
    run.save_text("summary.json", summary.model_dump_json(indent=1))
    run.save_text("summary.md", summary_markdown(summary))
    run.log("finished", stop=summary.stop, writing="written", recovered=True)
    return summary


def check_unchanged(run: RunDirectory, snapshot: Snapshot) -> None:
    """Refuse to resume on other prompts than the run began with.

    Raises:
        FapoError: names the files that changed.
    """
    began = run.find("began") or {}
    before = began.get("files", {})
    changed = sorted(path for path, digest in snapshot.hashes.items() if before.get(path) != digest)
    changed += sorted(path for path in before if path not in snapshot.hashes)
    if changed:
        raise FapoError(
            f"--fapo-resume: {', '.join(changed)} changed since the run {run.path.name} began; start a "
            f"new run with --fapo-optimize (what it asks again is answered from the cache)"
        )
