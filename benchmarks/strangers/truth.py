"""The row that judges the pipelines themselves: what was planted is what fails, and what fixes it does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.planted.lab import Lab
from benchmarks.planted.table import Figure, share
from benchmarks.strangers.spec import Stranger
from pytest_fapo.core.candidate import Edit
from pytest_fapo.core.project_file import read_toml
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore

_FEWEST, _MOST = 0.2, 0.8
"""Shares of the cases that fail at least and at most: every pipeline does something right."""


def truth(lab: Lab, strangers: Sequence[Stranger]) -> Figure:
    """Each pipeline fails in part; its clean twin and the fixed pipeline fail on wrong labels alone."""
    notes = [note for notes in lab.each(lambda each: _objections(lab, each), strangers) for note in notes]
    wrong = {note.partition(":")[0] for note in notes}
    count = len(strangers)
    return Figure(
        "pipelines that are what they say", "all", share(count - len(wrong), count), not wrong, notes=notes
    )


def _objections(lab: Lab, stranger: Stranger) -> list[str]:
    wrong, found = stranger.wrong_ids(), []
    cases = stranger.cases()
    total = sum(map(len, cases.values()))
    if not 40 <= total - len(cases["hidden"]) <= 80:
        found.append(f"{total - len(cases['hidden'])} cases that are seen")
    failing = _failing(lab, stranger, stranger.faulty)
    share_failing = len(failing - wrong) / total
    if not _FEWEST <= share_failing <= _MOST:
        found.append(f"{share_failing:.0%} of the cases fail")
    if not wrong <= failing:
        found.append(f"wrong labels that pass: {', '.join(sorted(wrong - failing))}")
    for name, files in (("clean twin", stranger.files), ("fixed pipeline", fixed(lab, stranger))):
        left = _failing(lab, stranger, files)
        if left != wrong:
            found.append(
                f"the {name} fails elsewhere: {', '.join(sorted(left ^ wrong)[:5])} ({len(left ^ wrong)})"
            )
    return [f"{stranger.name}: {each}" for each in found]


def fixed(lab: Lab, stranger: Stranger) -> dict[str, str]:
    """The faulty files with the fixes that a helpful model knows."""
    project = lab.project(stranger, stranger.faulty)
    scope = Scope.model_validate(read_toml(project.root / "pyproject.toml")["tool"]["fapo"]["scope"])
    store = ArtifactStore(project.root, scope)
    known = {artifact.address: artifact.text for artifact in store.all()}
    missing = set(stranger.fixes) - set(known)
    if missing:
        raise ValueError(f"{stranger.name}: no artifact {missing}; there are {sorted(known)}")
    edits = [
        Edit(address=address, before=known[address], after=text) for address, text in stranger.fixes.items()
    ]
    return {**stranger.faulty, **{path: content.decode() for path, content in store.render(edits).items()}}


def _failing(lab: Lab, stranger: Stranger, files: Mapping[str, str]) -> set[str]:
    project = lab.project(stranger, files, hidden=True)
    ran = project.pytest("--tb=no", "-rfE", "--fapo-cache=off")
    failing = set(re.findall(r"^(?:FAILED|ERROR) \S+?\[([^\]]+)\]", ran.output, re.M))
    if ran.code not in (0, 1) or (ran.code == 1 and not failing):
        raise RuntimeError(f"{stranger.name}: {ran.output[-2000:]}")
    return failing
