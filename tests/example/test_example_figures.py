"""The number of the example's tests on tickets that pass with good prompts in people's own words.

What passes as shipped is told where the example is optimized.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.desk_example import SPLITS, WORDINGS, Outcome, copy_example, run_pytest, unit_tests_pass

pytestmark = pytest.mark.slow
PEOPLE = sorted(path.name for path in WORDINGS.iterdir())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("example")

    def run(name: str) -> Outcome:
        return run_pytest(copy_example(Path(folder / name), wording=name))

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(PEOPLE, pool.map(run, PEOPLE), strict=True))


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("split", SPLITS)
def test_with_good_prompts_most_of_it_passes(outcomes: dict[str, Outcome], person: str, split: str) -> None:
    assert outcomes[person].rate(split) >= 0.9, outcomes[person].output[-2000:]


@pytest.mark.parametrize("person", PEOPLE)
def test_good_prompts_are_not_perfect(outcomes: dict[str, Outcome], person: str) -> None:
    assert not all(outcomes[person].passed.values())


@pytest.mark.parametrize("person", PEOPLE)
def test_the_unit_tests_pass(outcomes: dict[str, Outcome], person: str) -> None:
    unit_tests_pass(outcomes[person])
