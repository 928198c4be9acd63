"""What the loop is given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pytest_fapo.config import CacheMode, GuardMode, Settings, WriteMode
from pytest_fapo.diagnose.reader import LLMReader
from pytest_fapo.evaluate import TreeState
from pytest_fapo.gate import GatePolicy
from pytest_fapo.models import LEVELS, Evaluation, Level
from pytest_fapo.optimize.budget import Budget
from pytest_fapo.optimize.hooks import Hooks
from pytest_fapo.optimize.run_directory import RunDirectory
from pytest_fapo.optimize.snapshot import Snapshot
from pytest_fapo.propose import Proposer
from pytest_fapo.review import LLMReviewer


@dataclass(frozen=True)
class OptimizeRequest:
    """One optimization: the baseline, the limits, and what may be done with the result."""

    root: Path
    """The project: pytest's rootdir."""
    settings: Settings
    baseline: Evaluation
    """What this session's tests gave on the user's own tree."""
    proposers: Sequence[Proposer]
    run: RunDirectory
    snapshot: Snapshot
    budget: Budget
    child_args: list[str]
    """pytest arguments for the evaluations' child processes."""
    cwd: str
    """Working directory of the session, relative to `root`."""
    cache_folder: Path
    cache_mode: CacheMode
    begun: TreeState | None = None
    """The project before the session's tests began, where that was looked at."""
    cache_files: Sequence[Path] = ()
    """Exported caches below the local one."""
    guard: GuardMode = "all"
    write: WriteMode = "auto"
    target: float | None = None
    max_candidates: int | None = None
    level: Level = "structure"
    """`--fapo-level`: the highest level that may be edited."""
    policy: GatePolicy = field(default_factory=GatePolicy)
    reviewer: LLMReviewer | None = None
    """Reads each candidate in a fresh context."""
    reader: LLMReader | None = None
    """Reads the failures that the rules leave unsure."""
    hooks: Hooks = field(default_factory=Hooks)
    stand_in: str = ""
    """Name of the offline model where it answers."""
    read_line: Callable[[str], str] = input
    """Asks the user; see `--fapo-write=ask`."""
    file: TextIO = sys.stderr
    tty: bool = False
    color: bool = False

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that may be edited: those with a scope, up to `level`."""
        scope = self.settings.scope
        named = {"prompt": scope.prompts, "param": scope.params, "structure": scope.structure}
        return tuple(level for level in LEVELS[: LEVELS.index(self.level) + 1] if named[level])
