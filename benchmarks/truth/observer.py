"""A pytest plugin that writes down every test's verdict, and turns the order of the tests where asked.

`TRUTH_LOG` names the file of verdicts, `TRUTH_ROOT` the project whose verdicts they are; `TRUTH_ORDER` is
`reversed` or a number that seeds a shuffle.
"""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

_VARYING = re.compile(r"0x[0-9a-f]+|127\.0\.0\.1:\d+|/tmp/\S+|\d+\.\d+ ?s\b")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = os.environ.get("TRUTH_ORDER", "")
    if order == "reversed":
        items.reverse()
    elif order:
        random.Random(int(order)).shuffle(items)


class Writer:
    """Appends each report that says something of a verdict; under xdist on the controller alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        words = crash.message if crash is not None else str(report.longrepr or "")
        line = {
            "nodeid": report.nodeid.partition("@")[0],  # xdist adds the group of --dist loadgroup
            "outcome": (getattr(report, "wasxfail", None) and "x" + report.outcome) or report.outcome,
            "when": report.when,
            "words": _VARYING.sub("…", words)[:400],
            "sections": [[name, text] for name, text in report.sections if "call" in name],
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    path, root = os.environ.get("TRUTH_LOG"), os.environ.get("TRUTH_ROOT")
    if path and root == str(config.rootpath) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(Path(path)), "truth-writer")  # not in a candidate's process


def read(path: Path) -> dict[str, list[Any]]:
    """Return each test's verdict: outcome and words, those of its last attempt."""
    found: dict[str, list[Any]] = {}
    if not path.exists():
        return found
    for line in path.read_text(encoding="utf-8").splitlines():
        report = json.loads(line)
        if report["outcome"] != "rerun":
            found[report["nodeid"]] = [report["outcome"], report["when"], report["words"]]
    return found
