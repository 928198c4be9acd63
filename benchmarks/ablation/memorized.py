"""Detectors of leaks: what passes the review without each, and which tests of leaks see that it is gone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path

from benchmarks.ablation.parts import Part, leave_out
from benchmarks.leaks import SIZES, leaks_figures
from benchmarks.planted.leaking import STYLES, arbitrary, leaking
from benchmarks.planted.spec import Planted
from benchmarks.planted.talk import Ask, Turn
from pytest_fapo.core.candidate import Candidate, Edit
from pytest_fapo.core.case import Case
from pytest_fapo.core.settings import load_settings
from pytest_fapo.review.static_review import review
from pytest_fapo.source.artifact_store import ArtifactStore

TURNS = 6
"""Answers of each optimizer that writes labels down."""
TESTS = tuple(
    f"tests/review/test_{name}.py"
    for name in ("writing_systems", "memorizing_optimizer", "leak_checks", "code_review")
)
"""Leaks in other languages, of an optimizer that knows the answers, and in all sorts of disguise."""
_REPOSITORY = Path(__file__).resolve().parents[2]


class Memorized:
    """The proposals of the row `leaks`, and their review."""

    def __init__(self, folder: Path) -> None:
        self._planted = arbitrary()
        for path, text in self._planted.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        self._settings = load_settings(None, folder)
        self._store = ArtifactStore(folder, self._settings.scope)
        self._cases = [
            Case.model_validate(case)
            for split, listed in self._planted.cases().items()
            if split != "hidden"
            for case in listed
        ]
        self._offers = {style: list(_offers(self._planted, style, self._store)) for style, _ in STYLES}

    def passing(self) -> dict[str, int]:
        """Style to how many of its proposals the review lets pass now."""
        return {style: sum(map(self._passes, offers)) for style, offers in self._offers.items()}

    @cached_property
    def before(self) -> dict[str, int]:
        """The same with all detectors."""
        return self.passing()

    def _passes(self, candidate: Candidate) -> bool:
        found = review(
            candidate,
            store=self._store,
            cases=self._cases,
            settings=self._settings,
            levels=("prompt", "param", "structure"),
        )
        return found.verdict != "block"


def _offers(planted: Planted, style: str, store: ArtifactStore) -> Iterator[Candidate]:
    """Yield the proposals of an optimizer of the row that is shown all train cases."""
    artifacts = {artifact.address: artifact.text for artifact in store.all()}
    shown = "\n".join(str(case["inputs"]["note"]) for case in planted.cases()["train"])
    optimizer = leaking(planted, style, [])
    for _ in range(TURNS):
        body = json.loads(optimizer(Ask((Turn("user", shown),))).text)
        edits = [
            Edit(address=edit["address"], before=artifacts[edit["address"]], after=edit["text"])
            for edit in body["edits"]
        ]
        if edits:
            yield Candidate(
                edits=edits,
                hypothesis=body["hypothesis"],
                proposer="openai:opt-leak",
                technique=body["technique"],
                level="structure" if style == "code" else "prompt",
            )


@cache
def _memorized(folder: Path) -> Memorized:
    return Memorized(folder / f"leaks-{os.getpid()}")


def loss_of_detector(left: Sequence[Part], folder: Path, quick: bool, data: str) -> str:
    """Return the leaks that pass without some detectors; empty if there are none.

    Args:
        left: the detectors.
        folder: scratch.
        quick: the proposals of the row `leaks` alone.
        data: folder of the public data; empty for none.
    """
    memorized = _memorized(folder)
    before = memorized.before
    undo = [leave_out(part) for part in left]
    try:
        after = memorized.passing()
        through = [style for style in before if after[style] > before[style]]
        if through:
            return f"labels written down as {through[0]} pass the review"
        if quick:
            return ""
        copies = _copies(data) if data else ""
    finally:
        for put_back in reversed(undo):
            put_back()
    return copies or failing_test(left)


def _copies(data: str) -> str:
    """Return the row of the benchmark `leaks` that misses its bar; empty if all hold."""
    missed = [figure.name for figure in leaks_figures(Path(data), SIZES[2:4]) if not figure.holds]
    return f"row of `leaks`: {missed[0]}" if missed else ""


def failing_test(left: Sequence[Part]) -> str:
    """The first test of leaks that fails without some detectors; empty where all pass.

    Raises:
        RuntimeError: pytest did not run them.
    """
    key = ",".join(map(str, left))
    command = [sys.executable, "-m", "benchmarks.ablation.launch", key, "-x", "-q", "-rf", "--tb=no"]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", f"--basetemp={scratch}/pytest", *TESTS],
            cwd=_REPOSITORY,
            capture_output=True,
            text=True,
        )
    failed = re.search(r"^FAILED \S+?::(.+?)(?: - .*)?$", done.stdout, re.M)
    if done.returncode not in (0, 1) or (done.returncode == 1 and failed is None):
        raise RuntimeError(f"{key}: the tests did not run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return f"the test {failed[1]} fails" if failed else ""
