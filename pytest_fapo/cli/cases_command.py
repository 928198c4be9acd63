"""`fapo cases check`: duplicates, conflicting labels, leaked answers and splits that are too small."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.core.record import SPLITS, canonical_json
from pytest_fapo.core.similar_cases import input_text
from pytest_fapo.core.text import count, one_line, percent
from pytest_fapo.session.case_check import CaseProblem, Kind, check_cases
from pytest_fapo.session.case_loading import read_cases
from pytest_fapo.session.cases_decorator import CaseSource
from pytest_fapo.session.splits import split_called

if TYPE_CHECKING:
    from pytest_fapo.core.settings import Settings
    from pytest_fapo.verdict.policy import GatePolicy

_BEFORE, _AFTER, _SLIGHT = 0.9, 0.7, 0.85
_OFTEN = 0.8
"""A split is large enough if it sees the greater fall in so many runs."""

_SHOWN = 5
"""Problems of one kind that are listed, and cases of one problem."""
_TEXT, _LABEL = 70, 30

_TITLES: dict[Kind, tuple[str, str]] = {
    "id": ("Duplicate ids", "give each case an id of its own"),
    "empty": ("Empty inputs", "fill them in or remove the cases"),
    "conflict": ("Labels that contradict each other", "one label of each pair may be wrong; look at both"),
    "copy": ("Equal inputs", "keep one of each; copies in two splits leak held-out cases"),
    "near-copy": ("Nearly equal inputs", "keep one of each, or put them into one split"),
    "spelling": ("Labels in several spellings", "choose one, unless the test takes all of them"),
    "leak": ("Cases quoted in a prompt", "their score says nothing; remove them, or the examples"),
    "split": ("Splits that are too small", "add cases"),
}


def check(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo cases check FILE...`.

    Raises:
        CaseError: a file cannot be read, or a row is no case.
    """
    from pytest_fapo.core.settings import load_settings

    root = find_root(settings=options.settings)
    settings = load_settings(Path(options.settings) if options.settings else None, root)
    cases = [case for name in options.files for case in _read(name, root, options)]
    problems = [*check_cases(cases), *_leaks(cases, root, settings)]
    power = list(_power(cases, settings))
    problems += [CaseProblem("split", sentence) for sentence, enough in power if not enough]
    if options.json:
        console.json(
            {"cases": len(cases), "splits": _counts(cases), "problems": list(map(_as_json, problems))}
        )
    else:
        _show(cases, problems, [sentence for sentence, enough in power if enough], console, options.all)
    return NOTHING_DONE if problems else OK


# --- reading ------------------------------------------------------------------------------------------


def _read(name: str, root: Path, options: argparse.Namespace) -> list[Case]:
    source = CaseSource(
        _source(name, root),
        inputs=_columns(options.inputs),
        expected=options.expected,
        id=options.id,
        split=options.split,
        encoding=options.encoding,
    )
    cases, given = read_cases(source, folders=[Path.cwd(), root])
    split = None if given or "::" in name else split_called(Path(name).name.partition(".")[0])
    if split is not None:  # `train.csv`, whose rows name no split themselves
        cases = [case.model_copy(update={"split": split}) for case in cases]
    return cases


def _columns(given: str | None) -> list[str] | None:
    return None if given is None else [column.strip() for column in given.split(",")]


def _source(name: str, root: Path) -> Any:
    """Return a path, or what a Python file calls by a name: `rows.py::CASES`, a list or a function."""
    path, mark, variable = name.partition("::")
    if not path.endswith(".py"):
        return name
    if not mark:
        raise CaseError(f"{path}: name the list or the function in it: {path}::NAME")
    file = next((each / path for each in (Path.cwd(), root) if (each / path).is_file()), None)
    if file is None:
        raise CaseError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"fapo_cases_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path[:0] = [str(file.parent), str(root)]
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CaseError(
            f"{path}: cannot be imported: {type(error).__name__}: {one_line(str(error))}"
        ) from None
    if not hasattr(module, variable):
        raise CaseError(f"{path}: there is no {variable!r} in it")
    return getattr(module, variable)


# --- checks that need the project ----------------------------------------------------------------------


def _leaks(cases: Sequence[Case], root: Path, settings: Settings) -> Iterator[CaseProblem]:
    from pytest_fapo.review.leakage.leak_checks import standing_leaks
    from pytest_fapo.source.artifact_store import ArtifactStore

    prompts = ArtifactStore(root, settings.scope).all("prompt")
    for artifact, hit in standing_leaks(prompts, cases):
        yield CaseProblem("leak", f"{artifact.address}: {hit.what}", [hit.case])


def _power(cases: Sequence[Case], settings: Settings) -> Iterator[tuple[str, bool]]:
    """Yield what each split can see, and whether that is enough."""
    from pytest_fapo.verdict.policy import GatePolicy
    from pytest_fapo.verdict.split_power import chance_merge_fails, chance_seen

    policy = GatePolicy(settings.policy, settings.margin, settings.confidence, settings.target)
    counts = _counts(cases)
    for split in SPLITS:
        number = counts.get(split, 0)
        if not number:
            yield f"{split} has no case", False
        elif split != "train":
            great = chance_seen(policy, split, number, before=_BEFORE, after=_AFTER)
            slight = chance_seen(policy, split, number, before=_BEFORE, after=_SLIGHT)
            yield _sentence(f"with {count(number, f'{split} case')}", great, slight, policy), great >= _OFTEN
    if policy.name == "paired":
        great = chance_merge_fails(policy, len(cases), before=_BEFORE, after=_AFTER)
        slight = chance_merge_fails(policy, len(cases), before=_BEFORE, after=_SLIGHT)
        yield _sentence(f"at a merge, with all {len(cases):,} cases,", great, slight, policy), great >= _OFTEN


def _sentence(what: str, great: float, slight: float, policy: GatePolicy) -> str:
    return (
        f"{what} a fall from {percent(_BEFORE)} to {percent(_AFTER)} is seen in {round(100 * great)} of 100 "
        f"runs, one to {percent(_SLIGHT)} in {round(100 * slight)} (policy {policy.name})"
    )


# --- output -------------------------------------------------------------------------------------------


def _counts(cases: Sequence[Case]) -> dict[str, int]:
    counts = Counter(case.split for case in cases)
    return {split: counts[split] for split in SPLITS if counts[split]}


def _as_json(problem: CaseProblem) -> dict[str, Any]:
    cases = [
        {"id": case.id, "split": case.split, "origin": case.origin, "expected": case.expected}
        for case in problem.cases
    ]
    return {"kind": problem.kind, "message": problem.message, "cases": cases}


def _show(
    cases: Sequence[Case],
    problems: Sequence[CaseProblem],
    enough: Sequence[str],
    console: CommandConsole,
    everything: bool,
) -> None:
    splits = ", ".join(f"{number:,} {split}" for split, number in _counts(cases).items())
    console.line(f"{count(len(cases), 'case')}: {splits}")
    for sentence in enough:
        console.line(f"{sentence[0].upper()}{sentence[1:]}.")
    for kind, (title, remedy) in _TITLES.items():
        found = [problem for problem in problems if problem.kind == kind]
        if not found:
            continue
        console.line("")
        console.line((f"{title}: {len(found):,}", "bold"), f" ({remedy})")
        shown = found if everything else found[:_SHOWN]
        for problem in shown:
            _show_problem(problem, console, everything)
        if len(found) > len(shown):
            console.line(f"  and {len(found) - len(shown):,} more: --all lists them", indent=2)
    if not problems:
        console.line("Nothing was found that should be changed.")


def _show_problem(problem: CaseProblem, console: CommandConsole, everything: bool) -> None:
    console.line(f"  {problem.message}", indent=2)
    shown = problem.cases if everything else problem.cases[:_SHOWN]
    for case in shown:
        text = one_line(input_text(case.inputs), most=_TEXT)
        label = "" if case.expected is None else f" → {one_line(canonical_json(case.expected), most=_LABEL)}"
        console.verbatim(f"    {case.id} ({case.split}, {case.origin}): {text}{label}")
    if len(problem.cases) > len(shown):
        console.line(f"    and {len(problem.cases) - len(shown):,} more", indent=4)
