"""What the list of runs says of each."""

from __future__ import annotations

import time

from pydantic import Field

from pytest_fapo.models import Record
from pytest_fapo.optimize import RunDirectory
from pytest_fapo.optimize.finding import began
from pytest_fapo.report import Summary


class RunFacts(Record):
    """What the list of runs says of one."""

    id: str
    began: str
    """Local time, ISO 8601."""
    state: str
    """`finished`, `unfinished` (killed or interrupted: it can be resumed) or `unreadable`."""
    stop: str = ""
    """Why it ended, one of `report.StopReason`."""
    accepted: int = 0
    tried: int = 0
    """Candidates that have a verdict."""
    scores: dict[str, list[float | None]] = Field(default_factory=dict)
    """Split to its score before and after, 0 to 1; None where it was not measured."""
    calls: int = 0
    cost: float = 0.0
    """USD of the calls whose model has a known price."""
    unpriced_models: list[str] = Field(default_factory=list)
    stand_in: str = ""
    """Name of the offline model that answered in place of a real one."""
    writing: str = ""
    """What became of the files, one of `report.Writing`; `applied`, `undone` or `reviewed` where that came
    later."""


def summary_of(run: RunDirectory) -> Summary | None:
    """The run's closing summary; None where it has none that this version can read."""
    try:
        return Summary.model_validate_json((run.path / "summary.json").read_bytes())
    except (OSError, ValueError):
        return None


def facts_of(run: RunDirectory) -> RunFacts:
    """What the list says of a run; a run that another version wrote is listed as unreadable."""
    finished = run.find("finished")
    facts = RunFacts(
        id=run.path.name,
        began=time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(began(run))),
        state="finished" if finished else "unfinished",
    )
    summary = summary_of(run)
    if summary is None:
        facts.tried = sum(event.get("event") == "judged" for event in run.events())
        if finished:
            facts.state = "unreadable"
        return facts
    facts.stop = summary.stop
    facts.accepted = summary.accepted
    facts.tried = summary.accepted + summary.merged + summary.rejected
    facts.scores = {row.split: [row.before, row.after] for row in summary.splits}
    facts.calls = summary.spending.calls
    facts.cost = summary.spending.cost
    facts.unpriced_models = summary.spending.unpriced_models
    facts.stand_in = summary.stand_in
    facts.writing = written_later(run) or summary.writing
    return facts


def written_later(run: RunDirectory) -> str:
    """`applied`, `undone` or `reviewed`, whichever happened last to the run's patch; else empty."""
    last = ""
    for event in run.events():
        if event.get("event") in ("applied", "undone", "reviewed") and event.get("files"):
            last = str(event["event"])
    return last
