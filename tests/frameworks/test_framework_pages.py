"""The how-to pages of docs/frameworks: each project goes from failing to fixed, its code as it is.

For the real frameworks: `pip install '.[frameworks]'`, for CrewAI `'.[crewai]'`.
"""

from __future__ import annotations

import pytest

from benchmarks.planted.lab import Lab
from benchmarks.reach.clients import installed
from benchmarks.reach.framework_pages import PACKAGES, PAGES, framework_of
from benchmarks.reach.frameworks import OPTIMIZERS, problem_of


def test_every_page_is_driven() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == {*PACKAGES}


@pytest.mark.parametrize("page", PACKAGES)
def test_page_holds_a_project(page: str) -> None:
    project = framework_of(page)
    assert {"app/pipeline.py", "tests/conftest.py", "tests/test_team.py"} <= {*project.files}
    for path, text in project.files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values())
@pytest.mark.parametrize("page", PACKAGES)
def test_project_goes_from_failing_to_fixed(page: str, optimizer: str, lab: Lab) -> None:
    if not installed(PACKAGES[page]):
        pytest.skip(f"{PACKAGES[page]} is not installed: see the extras of pyproject.toml")
    assert problem_of(framework_of(page), lab, optimizer) == ""
