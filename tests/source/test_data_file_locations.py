"""Every place in data and prompt files where people write prompts: listed, edited, written, read, undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from source.conftest import MakeStore

from benchmarks.reach.data_edits import problems
from benchmarks.reach.data_table import LOCATIONS, REFUSED
from pytest_fapo.core.errors import ArtifactError


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_text_is_edited_where_it_stands(name: str, tmp_path: Path) -> None:
    assert list(problems(tmp_path, LOCATIONS[name])) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_out_of_reach_says_what_to_do(name: str, make_store: MakeStore) -> None:
    path, content, key, words = REFUSED[name]
    with pytest.raises(ArtifactError) as caught:
        make_store({path: content}, f"{path}::{key}").all()
    assert f"{path}::{key}" in str(caught.value)
    assert words in str(caught.value)
