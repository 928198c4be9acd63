"""The page about many machines: its compose file fits our options and Dask's, its arithmetic is computed."""

from __future__ import annotations

import shlex

import pytest
import yaml
from support.documents import REPOSITORY, blocks

from benchmarks._large_run import LargeRun, Rates
from pytest_fapo.core.cache_url import check_cache_url, variables_in
from pytest_fapo.loop.dask_executor import dask_address

PAGE = REPOSITORY / "docs" / "many-machines.md"


def services() -> dict[str, dict[str, object]]:
    [block] = [each for each in blocks(PAGE) if each.language == "yaml"]
    found: dict[str, dict[str, object]] = yaml.safe_load(block.text)["services"]
    return found


def test_the_compose_file_gives_pytest_options_that_it_takes(pytestconfig: pytest.Config) -> None:
    found = services()
    assert set(found) == {"redis", "scheduler", "worker", "tests"}
    command = found["tests"]["command"]
    assert isinstance(command, list)
    assert command[0] == "pytest"
    words = [word.replace("$$", "$") for word in command[1:]]  # as Compose gives them
    options = pytestconfig._parser.parse(words)
    address = dask_address(options.fapo_executor)
    assert address == shlex.split(str(found["worker"]["command"]))[2]
    assert address == "tcp://scheduler:8786"
    check_cache_url(options.fapo_cache_url, in_file=True)
    assert variables_in(options.fapo_cache_url) == ["CACHE_PASSWORD"]
    for name in ("worker", "tests"):
        assert "CACHE_PASSWORD" in str(found[name]["environment"])


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_the_compose_file_gives_dask_options_that_it_takes(name: str) -> None:
    pytest.importorskip("distributed", reason="needs the extra dask")
    from distributed.cli import dask_scheduler, dask_worker

    program, kind, *words = shlex.split(str(services()[name]["command"]))
    assert (program, kind) == ("dask", name)
    known = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[name]
    options = {option for parameter in known.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    assert any(word.startswith("--") for word in words)


def test_the_table_has_the_computed_figures() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## The arithmetic")[2]
    figures = dict(LargeRun().figures(Rates()))
    assert len(figures) == 10
    assert {name: figure for name, figure in figures.items() if figure not in text} == {}
