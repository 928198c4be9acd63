"""How many tests on tickets pass in the example: as shipped, and with good prompts in people's own words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.desk_example import SPLITS, WORDINGS, Outcome, copy_example, run_pytest

pytestmark = pytest.mark.slow
SHIPPED = "shipped"
PEOPLE = sorted(path.name for path in WORDINGS.iterdir())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("example")

    def run(name: str) -> Outcome:
        copy = copy_example(Path(folder / name), wording=None if name == SHIPPED else name)
        return run_pytest(copy)

    names = [SHIPPED, *PEOPLE]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(names, pool.map(run, names), strict=True))


@pytest.mark.parametrize("split", SPLITS)
def test_as_shipped_about_half_of_it_fails(outcomes: dict[str, Outcome], split: str) -> None:
    assert 0.35 <= outcomes[SHIPPED].rate(split) <= 0.55, outcomes[SHIPPED].output[-2000:]


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("split", SPLITS)
def test_with_good_prompts_most_of_it_passes(outcomes: dict[str, Outcome], person: str, split: str) -> None:
    assert outcomes[person].rate(split) >= 0.9, outcomes[person].output[-2000:]


@pytest.mark.parametrize("person", PEOPLE)
def test_good_prompts_are_not_perfect(outcomes: dict[str, Outcome], person: str) -> None:
    assert not all(outcomes[person].passed.values())


@pytest.mark.parametrize("name", [SHIPPED, *PEOPLE])
def test_the_unit_tests_pass(outcomes: dict[str, Outcome], name: str) -> None:
    unit = {test: good for test, good in outcomes[name].passed.items() if "[KD-" not in test}
    assert len(unit) >= 30
    assert all(unit.values()), [test for test, good in unit.items() if not good]
