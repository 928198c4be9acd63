"""The request for an evaluation: arguments, stages, limits, watched files."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, JsonValue

from pytest_fapo.core.diagnosis import Intervention
from pytest_fapo.core.record import Record
from pytest_fapo.core.settings import CacheMode


class EvaluationStage(Record):
    """A part of an evaluation that must come out well for the rest to be worth its calls."""

    name: str
    nodeids: list[str] | None = None
    """The stage's items; None for every collected item that no earlier stage has taken."""
    min_passed: int = 0
    """The evaluation is dropped after this stage unless so many of its items passed."""
    protected: list[str] = Field(default_factory=list)
    """The evaluation is dropped after this stage when one of these node ids did not pass."""


class Allotment(Record):
    """The spending limits of one evaluation; None for no limit."""

    max_calls: int | None = None
    """LLM calls that are really sent."""
    max_cost: float | None = None
    """USD."""
    deadline: float | None = None
    """By `time.monotonic`. Past it no call is sent, and a little later the process is ended."""


class CageRules(Record):
    """Rights of a locked-in evaluation outside of its tree; see `pytest_fapo.shadow.inside.cage`."""

    connect: list[str] = Field(default_factory=list)
    """`host`, `host:port`, patterns, paths of Unix sockets."""
    programs: list[str] = Field(default_factory=list)
    """Absolute paths."""
    read: list[str] = Field(default_factory=list)
    """Absolute paths of files and folders, beside Python, its packages and the system's libraries."""
    write: list[str] = Field(default_factory=list)
    """Absolute paths of files and folders, beside the run's own."""
    hidden: list[str] = Field(default_factory=list)
    """Absolute paths of files and folders that are not granted, whatever grants what they are in."""
    withheld: list[str] = Field(default_factory=list)
    """Names of environment variables that the run does not get."""
    memory: int = 0
    """Bytes of data that one process may have; 0 for no limit."""


class EvaluationRequest(Record):
    """One run of pytest in a shadow tree."""

    args: list[str] = Field(default_factory=list)
    """pytest's arguments as `child_args` gives them; paths of the real tree are mapped onto the shadow."""
    stages: list[EvaluationStage] = Field(default_factory=lambda: [EvaluationStage(name="suite")])
    """In the order in which they run; every item belongs to the first stage that names it."""
    cwd: str = "."
    """The folder that the tests run in, relative to the tree's root."""
    cache_folder: str | None = None
    cache_mode: CacheMode = "auto"
    cache_files: list[str] = Field(default_factory=list)
    """Exported caches that are read below the local one, absolute paths."""
    allow_hosts: list[str] = Field(default_factory=list)
    """Under the cache mode `only`: hosts that cases may connect to, beside the setting of this name."""
    cache_url: str = ""
    """Of the answers that machines share: this process asks there, the child asks this process."""
    answers: str = ""
    """Socket that serves recorded answers one by one, in place of the cache's folder and files."""
    spend_file: str = ""
    """The file in which the child notes its spending; `Evaluation.spending` is what was added to this file.
    """
    allotment: Allotment = Field(default_factory=Allotment)
    watch: list[str] = Field(default_factory=list)
    """Relative POSIX paths of the files of which the evaluation must say whether they were read."""
    results: str = ""
    """File that takes the records as JSON lines; empty for a temporary one."""
    cwd_on_path: bool | None = None
    """`python -m pytest` puts the working folder on the path, `pytest` does not; None for as this process was
    started."""
    timeout: float | None = None
    """Seconds after which the whole run is ended."""
    fresh: bool = False
    """Start a new interpreter in any case. Else every run of a tree after the first one may be a fork of a
    process that has loaded SDKs of LLM providers, and no line of the user's own code."""
    cage: CageRules | None = None
    """Lock the run in; None to watch what it does outside of its tree instead (`Evaluation.reach`)."""
    interventions: list[Intervention] = Field(default_factory=list)
    """Cases that run with a step's output replaced, one each; see `run_interventions`."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Further settings for the plugin in the child."""


def read_request(spec: Path) -> EvaluationRequest:
    """Return the request inside the spec file that `FAPO_CHILD_SPEC` names."""
    return EvaluationRequest.model_validate(json.loads(spec.read_text(encoding="utf-8"))["request"])
