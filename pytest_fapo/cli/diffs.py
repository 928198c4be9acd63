"""`fapo diff`: what a run changes, and what a candidate of it would have changed."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping

from pytest_fapo.cli.console import Console
from pytest_fapo.cli.exit_codes import NOTHING_DONE, OK
from pytest_fapo.cli.original_tree import OriginalTree
from pytest_fapo.cli.project import find_root
from pytest_fapo.cli.runs import attempts_of
from pytest_fapo.errors import FapoError
from pytest_fapo.models import Candidate, Edit
from pytest_fapo.optimize import RunDirectory
from pytest_fapo.optimize.finding import find_run

_STYLES = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}


def show_diff(options: argparse.Namespace, console: Console) -> int:
    """`fapo diff RUN [A [B]]`; what it prints is a patch for `git apply` wherever the files of then are
    known."""
    run = find_run(find_root(), options.name)
    if options.a is None:
        text = _whole_patch(run)
    else:
        candidates = {attempt.candidate.id: attempt.candidate for attempt in attempts_of(run)}
        first = _chain(candidates, options.a, run)
        second = _chain(candidates, options.b, run) if options.b is not None else None
        text = _between(run, first, second)
    if not text:
        console.line("There is no difference.")
        return NOTHING_DONE
    for line in text.removesuffix("\n").split("\n"):
        console.verbatim((line, "" if line.startswith(("---", "+++")) else _STYLES.get(line[:1], "")))
    return OK


def _whole_patch(run: RunDirectory) -> str:
    patch = run.path / "changes.patch"
    if not patch.is_file():
        raise FapoError(
            f"run {run.path.name} has no patch: nothing was accepted; one candidate's change is shown by "
            f"`fapo diff {run.path.name} c1`"
        )
    return patch.read_bytes().decode("utf-8", "surrogateescape")


def _chain(candidates: Mapping[str, Candidate], name: str, run: RunDirectory) -> list[Candidate]:
    """The candidate with those that it builds on, the first one first.

    Raises:
        FapoError: there is no such candidate, or it holds no edit.
    """
    chain: list[Candidate] = []
    wanted = name
    while wanted:
        candidate = candidates.get(wanted)
        if candidate is None or candidate in chain:
            known = ", ".join(candidates) or "none"
            raise FapoError(f"run {run.path.name} has no candidate {wanted!r}; there are: {known}")
        chain.insert(0, candidate)
        wanted = candidate.parent
    if not chain[-1].edits:
        raise FapoError(f"{name} holds no edit: no proposal could be made")
    return chain


def _between(run: RunDirectory, first: list[Candidate], second: list[Candidate] | None) -> str:
    try:
        with OriginalTree(run) as tree:
            before = tree.files_after(first)
            return tree.patch({}, before) if second is None else tree.patch(before, tree.files_after(second))
    except FapoError as error:
        sys.stderr.write(f"fapo: texts are compared, not files, and git cannot apply it: {error}\n")
    original, changed = _texts(first)
    if second is None:
        return _of_texts(original, changed)
    more_original, other = _texts(second)
    original = {**more_original, **original}
    return _of_texts({**original, **changed}, {**original, **other})


def _texts(chain: list[Candidate]) -> tuple[dict[str, str], dict[str, str]]:
    """Address to text, before the first and after the last candidate."""
    edits: list[Edit] = [edit for candidate in chain for edit in candidate.edits]
    before = {edit.address: edit.before for edit in reversed(edits)}
    return before, {edit.address: edit.after for edit in edits}


def _of_texts(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    lines: list[str] = []
    for address in sorted(after):
        old, new = (texts.get(address, "").splitlines() for texts in (before, after))
        lines += difflib.unified_diff(old, new, f"a/{address}", f"b/{address}", lineterm="")
    return "\n".join(lines)
