"""Turn `@fapo.cases` into parametrization: one pytest item per case, with the case's id."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_fapo.core.errors import CaseError
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import MARK, CaseSource
from pytest_fapo.session.fixture_closure import definitions_of

if TYPE_CHECKING:
    from pytest_fapo.core.case import Case
    from pytest_fapo.session.case_loading import Loader


@dataclass(frozen=True, slots=True)
class BoundCase:
    """A case as it stands on an item: with the pipeline that it is for, and which of its repeats this is."""

    case: Case
    pipeline: str
    """Name of its fixture."""
    timeout: float | None
    identity: str
    """Names the case within its pipeline: the id, told apart where two sources use one id."""
    repeat: int = 1

    @property
    def id(self) -> str:
        """The case's id; `id~r2` for the second repeat."""
        return self.case.id if self.repeat == 1 else f"{self.case.id}~r{self.repeat}"

    @property
    def sample(self) -> str:
        """Names the repeat's own sample of LLM answers; empty for the first, whose answers any run shares."""
        return f"repeat {self.repeat}" if self.repeat > 1 else ""


class CaseRules(NamedTuple):
    """The defaults for a test's cases that its `cases` does not set."""

    pipeline: str
    """Name of the pipeline fixture."""
    timeout: float | None
    """Seconds per case."""
    repeats: int
    """The number of times each case is run."""


class CaseBinder:
    """Parametrizes marked tests; a source used by several tests is read once.

    Args:
        folders: where case files are looked for that are not beside the test, the rootdir last.
        rules: gives those of a test file.
        loader: reads case files of unknown kinds.
    """

    def __init__(
        self, folders: Sequence[Path], rules: Callable[[Path], CaseRules], loader: Loader | None = None
    ) -> None:
        self._folders = folders
        self._rules = rules
        self._loader = loader
        self._loaded: dict[tuple[int, Path], tuple[CaseSource, list[Case]]] = {}
        self._identities: dict[str, dict[str, Case]] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize one test function.

        Raises:
            CaseError: a source cannot be used, or the test asks for neither `case` nor `run`.
        """
        sources = [mark.args[0] for mark in metafunc.definition.iter_markers(MARK)]
        name = metafunc.function.__name__
        if "case" not in metafunc.fixturenames:
            raise CaseError(
                f"{name} is marked with cases(...) but asks for neither 'case' nor 'run': add one of them to "
                f"its arguments"
            )
        rules = self._rules(Path(metafunc.definition.path))
        once = [
            self._bind(case, source, rules) for source in sources for case in self._load(source, metafunc)
        ]
        double = _double(entry.id for entry in once)
        if double:
            raise CaseError(f"{name}: duplicate id {double!r} in two of its case sources")
        bound = [replace(entry, repeat=number) for entry in once for number in range(1, rules.repeats + 1)]
        double = _double(entry.id for entry in bound)
        if double:
            raise CaseError(
                f"{name}: the case id {double!r} is also that of a repeat (--fapo-repeats); rename the case"
            )
        metafunc.parametrize("case", bound, ids=[entry.id for entry in bound], indirect=True)

    def _load(self, source: CaseSource, metafunc: pytest.Metafunc) -> list[Case]:
        test_file = Path(metafunc.definition.path)
        key = (id(source), test_file)
        if key not in self._loaded:  # the source is kept too, so that its id stays its own
            cases = load_cases(source, test_file=test_file, folders=self._folders, loader=self._loader)
            self._loaded[key] = (source, cases)
        return self._loaded[key][1]

    def _bind(self, case: Case, source: CaseSource, rules: CaseRules) -> BoundCase:
        pipeline = source.pipeline or rules.pipeline
        timeout = source.timeout if source.timeout is not None else rules.timeout
        return BoundCase(case, pipeline, timeout, self._identity(pipeline, case))

    def _identity(self, pipeline: str, case: Case) -> str:
        """Return the id; with a number where another source of this pipeline has the id for other inputs."""
        known = self._identities.setdefault(pipeline, {})
        name, number = case.id, 1
        while (other := known.setdefault(name, case)).id != case.id or other.inputs != case.inputs:
            number += 1
            name = f"{case.id}~{number}"
        return name


def ask_for_pipeline(collector: Any, function: Any, default: str) -> None:
    """Let a marked test that asks for `run` ask for its pipeline's fixture too, as `usefixtures` would, so
    that the parameters of a parametrized pipeline become parameters of the test.

    Args:
        collector: module or class of the test.
        function: the test.
        default: name of the pipeline's fixture where `cases` names none.
    """
    marks = [*getattr(function, "pytestmark", ()), *collector.iter_markers(MARK)]
    sources = [mark.args[0] for mark in marks if mark.name == MARK]
    names = {source.pipeline or default for source in sources}
    known = {mark_name for mark in marks if mark.name == "usefixtures" for mark_name in mark.args}
    asked = set(inspect.signature(function).parameters)
    if len(names) != 1 or names <= known | asked:
        return
    pipeline = names.pop()
    if definitions_of(collector, pipeline) and _asks_for_run(collector, asked):
        pytest.mark.usefixtures(pipeline)(function)


def _asks_for_run(collector: Any, names: Iterable[str]) -> bool:
    """True if `run` is among these fixtures or what they are made of."""
    todo, seen = list(names), set()
    while todo:
        name = todo.pop()
        if name == "run":
            return True
        if name not in seen:
            seen.add(name)
            todo += [argument for each in definitions_of(collector, name) for argument in each.argnames]
    return False


def _double(ids: Iterable[str]) -> str | None:
    return next((name for name, times in Counter(ids).items() if times > 1), None)


def bound_case(item: pytest.Item) -> BoundCase | None:
    """Return the case of an item; None for tests that are not ours."""
    callspec = getattr(item, "callspec", None)
    value = callspec.params.get("case") if callspec is not None else None
    return value if isinstance(value, BoundCase) else None
