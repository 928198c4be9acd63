"""The file itself: it needs nothing but itself, and says when it cannot be written."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

import pytest
from support.report_pages import diagnosis, evaluation, gate, nodeid, optimization, tried

import pytest_fapo.views.html.report_page as page_module
from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.spending import Spending
from pytest_fapo.views.html import report_data
from pytest_fapo.views.html.case_pages import case_index
from pytest_fapo.views.html.report_data import ReportData, case_rows
from pytest_fapo.views.html.report_page import write_report

VENDORED = Path(page_module.__file__).parent / "vendor" / "uplot"


@pytest.fixture
def page(tmp_path: Path) -> str:
    write_report(tmp_path / "deep" / "er" / "report.html", optimization())
    return (tmp_path / "deep" / "er" / "report.html").read_text(encoding="utf-8")


def test_nothing_is_loaded(page: str) -> None:
    assert not re.search(r"<(?:link|img|iframe|object|embed|base)\b", page)
    assert not re.search(r"\bsrc\s*=\s*[\"']|@import|url\(", page)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\beval\(|new Function", page)


def test_policy_names_exactly_the_script_and_the_style_that_are_in_it(page: str) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert found is not None
    policy = html.unescape(found[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    style = page.partition("<style>")[2].partition("</style>")[0]
    for text in (script, style):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    body = page.replace(script, "").replace(style, "")
    assert not re.search(r"<[a-z][^>]*\s(?:style|on[a-z]+)=", body)


def test_equal_sessions_give_equal_files_and_a_report_is_replaced_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "one.html", gate())
    (tmp_path / "two.html").write_text("an older and much longer report" * 100_000)
    write_report(tmp_path / "two.html", gate())
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_what_tests_asked_beside_their_runs_is_told_apart(tmp_path: Path) -> None:
    spent = Spending(calls=1_200, cache_hits=30, cost=0.5, test_calls=700, test_cache_hits=10, test_cost=0.25)
    data = optimization()
    assert data.summary is not None
    data.summary.spending = spent
    data.attempts[1].attempt.spending = spent
    write_report(tmp_path / "run.html", data)
    text = html.unescape((tmp_path / "run.html").read_text(encoding="utf-8"))
    assert "1,200 sent (700 judge calls), 30 answered from the cache (10 judge calls)" in text
    assert "$0.50 ($0.25 for judges)" in text
    assert '"testCalls":" (700 judge calls)","testHits":" (10 judge calls)"' in text
    session = gate()
    assert session.after is not None
    session.after.spending = spent
    write_report(tmp_path / "session.html", session)
    text = html.unescape((tmp_path / "session.html").read_text(encoding="utf-8"))
    assert "1,200 sent (700 judge calls), 30 answered from the cache (10 judge calls)" in text


def test_a_report_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(FapoError, match=r"taken: the report cannot be written: .*directory"):
        write_report(tmp_path / "taken", gate())
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_session_without_anything_gives_a_report_that_says_so(tmp_path: Path) -> None:
    write_report(tmp_path / "none.html", ReportData(title="desk", kind="plain"))
    assert "No test has run" in (tmp_path / "none.html").read_text(encoding="utf-8")
    write_report(tmp_path / "broken.html", ReportData(title="desk", kind="optimize"))
    assert "did not finish" in (tmp_path / "broken.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("passing", "says"),
    [(8, "All 8 tests pass"), (7, "1 of 8 tests fails"), (0, "8 of 8 tests fail")],
)
def test_plain_runs_say_how_many_fail(tmp_path: Path, passing: int, says: str) -> None:
    data = ReportData(title="desk", kind="plain", after=evaluation(8, lambda number: number < passing))
    write_report(tmp_path / "report.html", data)
    assert f'tabindex="-1">{says}</h1>' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_charting_library_is_the_version_that_is_named_with_its_license() -> None:
    version = page_module.UPLOT
    assert f"(v{version})" in (VENDORED / "uPlot.iife.min.js").read_text(encoding="utf-8")[:120]
    assert f"uPlot {version}" in (VENDORED / "README.md").read_text(encoding="utf-8")
    assert "MIT License" in (VENDORED / "LICENSE").read_text(encoding="utf-8")


def test_the_failing_step_is_that_of_the_tree_that_is_shown() -> None:
    before = evaluation(4, lambda _: False)
    after = evaluation(4, lambda number: number == 0)
    after.items[nodeid(2)].explanation = "fails in other words now"
    found = diagnosis([0, 1, 2, 3])
    data = ReportData(
        title="desk",
        kind="optimize",
        before=before,
        after=after,
        attempts=[tried(1, state="accepted")],
        diagnoses={"": found},
    )
    index = case_index(data, case_rows(data))
    shown = [index["steps"][row[7]] if row[7] >= 0 else "" for row in index["rows"]]
    step = found.clusters[0].findings[0].step
    assert shown == ["", step, "", step], "neither of a case that passes now, nor of one that fails otherwise"


@pytest.mark.parametrize(
    ("node", "case_id", "name"),
    [
        ("t.py::test_a[c-1]", "c-1", "test_a"),
        ("t.py::TestX::test_a[c-1]", "c-1", "TestX::test_a"),
        ("t.py::test_a[small-c-1]", "c-1", "test_a[small]"),
        ("t.py::test_a[c-1-small]", "c-1", "test_a[small]"),
        ("t.py::test_a[big-c-1-fast]", "c-1", "test_a[big-fast]"),
        ("t.py::test_plain", "", "test_plain"),
    ],
)
def test_tests_of_one_function_are_told_apart_by_their_parameters(node: str, case_id: str, name: str) -> None:
    case = Case(id=case_id, inputs="x", split="train") if case_id else None
    assert report_data.TestPair(node, case=case).name == name
