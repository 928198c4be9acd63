from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fapo.core.printable import encodable, shown
from pytest_fapo.core.spending import Spending, cost_text, money
from pytest_fapo.core.text import count, duration, git_apply, listing, one_line, percent, percents
from pytest_fapo.views.html import report_page


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (0.004, "0.1 %"),
        (0.61, "61 %"),
        (0.625, "63 %"),
        (0.615, "62 %"),
        (0.998, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_a_share_never_claims_all_or_none_wrongly(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_the_script_of_the_report_rounds_as_everything_else() -> None:
    script = (Path(report_page.__file__).parent / "static/dom.js").read_text()
    function = script[script.index("function percent") :].split("\nfunction")[0]
    shares = [number / 1000 for number in range(1001)] + [number / 64 for number in range(65)]
    code = f"{function}\nconsole.log(JSON.stringify({json.dumps(shares)}.map(percent)))"
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    told = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == [percent(share) for share in shares]


def test_two_shares_that_differ_look_different() -> None:
    assert percents(0.881, 0.884) == ("88.1 %", "88.4 %")
    assert percents(0.5, 0.5) == ("50 %", "50 %")


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0.0, "$0.00"), (1204.5, "$1,204.50"), (0.0031, "$0.0031"), (0.00000002, "under $0.0001")],
)
def test_money(usd: float, text: str) -> None:
    assert money(usd) == text


def test_a_cost_is_never_guessed() -> None:
    assert cost_text(Spending(calls=3, unpriced_models=["smol"])) == "no price known for smol"
    listed = cost_text(Spending(calls=3, unpriced_models=["gpt"], listed=0.02))
    assert listed == "no price: gpt at this host (list price would be about $0.02)"
    assert cost_text(Spending(calls=3, cost=0.5, unpriced_models=["a", "b"])) == (
        "$0.50 and more: no price known for a and b"
    )
    assert cost_text(Spending(cache_hits=9)) == "nothing: no call was sent"


def test_small_words() -> None:
    assert count(1, "case") == "1 case"
    assert count(1034, "case") == "1,034 cases"
    assert duration(7.9) == "0:07"
    assert duration(3750) == "1:02:30"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert one_line(" a\n b\tc ", most=4) == "a b…"
    assert git_apply("a b/x.patch") == "git apply 'a b/x.patch'"


def test_control_characters_are_shown_not_obeyed() -> None:
    assert shown("a\x1b[31m\rb\u202ec\n\td") == "a\\x1b[31m\\rb\\u202ec\n\td"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "é → ✓ 日"),
        ("latin-1", "é -> + \\u65e5"),
        ("ascii", "\\xe9 -> + \\u65e5"),
        ("klingon", "\\xe9 -> + \\u65e5"),
    ],
)
def test_every_encoding_gets_readable_text(encoding: str, text: str) -> None:
    assert encodable("é → ✓ 日", encoding) == text


def test_rich_is_imported_only_when_something_is_shown() -> None:
    code = (
        "import sys, pytest_fapo.views.closing_summary, pytest_fapo.views.progress; "
        "print([m for m in sys.modules if m.split('.')[0] == 'rich'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
