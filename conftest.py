"""For the whole repository: pytest's own tool for testing plugins, and how the tests are dealt to workers."""

from __future__ import annotations

import compileall
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

# The CI that runs these tests must not be taken for the CI that the tested projects would run in: their
# annotations and summaries are not its own, and what it accepts it writes.
for _name in [name for name in os.environ if name == "CI" or name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
    del os.environ[_name]

if sys.dont_write_bytecode and "PYTEST_XDIST_WORKER" not in os.environ:
    # The tests start hundreds of interpreters; where none may write bytecode, each would compile the plugin.
    compileall.compile_dir(Path(__file__).parent / "pytest_fapo", quiet=2)

_SHARED = re.compile(r'^@pytest\.fixture\(.*scope="module"', re.M)


@cache
def _shares_fixtures(path: str) -> bool:
    file = Path(__file__).parent / path
    sources = [each for each in (file, file.with_name("conftest.py")) if each.is_file()]
    return any(_SHARED.search(each.read_text(encoding="utf-8")) for each in sources)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test to the next free worker; a file whose tests share what takes long to make, to one of them."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Dealer(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if _shares_fixtures(path) else nodeid

    return Dealer(config, log)
