"""On a terminal pytest colors the difference of two values; what is recorded of it is plain."""

from __future__ import annotations

import pytest


def test_colors_of_an_assertion_are_not_recorded(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import json, pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def pipeline(): return lambda text: 'lamps'\n"
        "def pytest_fapo_item(record): print('recorded:', json.dumps(record['item']['explanation']))\n"
    )
    pytester.makepyfile(
        "import pytest_fapo as fapo\n"
        "@fapo.cases([{'id': 'a', 'inputs': 'x', 'expected': 'lamp'}], split='train')\n"
        "def test_it(case, run): assert run.output == case.expected\n"
    )
    done = pytester.runpytest_inprocess("--color=yes", "-s", "-p", "no:cacheprovider")
    text = done.stdout.str()
    (said,) = (line for line in text.splitlines() if "recorded: " in line)
    assert "- lamp" in said
    assert "u001b" not in said
    assert "\x1b[" in text
