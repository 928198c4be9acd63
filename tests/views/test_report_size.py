"""2,000 cases and 50 candidates: the file stays below 30 MB and opens in less than two seconds."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_pages import diagnosis, evaluation, nodeid, optimization, prose, tried
from views.conftest import Open

from pytest_fapo.verdict.case_effect import CaseEffect
from pytest_fapo.views.html.report_data import ReportData
from pytest_fapo.views.html.report_page import write_report

CASES, CANDIDATES = 2_000, 50


def large(words: int) -> ReportData:
    """Every candidate changes the output of 1,000 cases; every third is accepted."""
    data = optimization(CASES)
    attempts, parent = [], ""
    for number in range(1, CANDIDATES + 1):
        accepted = number % 3 == 0
        state = "accepted" if accepted else "rejected"
        made = tried(number, state=state, parent=parent, fixes=300, cases=CASES)
        changed = [
            CaseEffect(
                nodeid=nodeid(each),
                kind="changed",
                result_before="passed",
                result_after="passed",
                after=prose(number * each, 60),
            )
            for each in range(500, 1_500)
        ]
        attempts.append(replace(made, effects=[*made.effects, *changed]))
        parent = f"c{number}" if accepted else parent
    trees = ["", *(f"c{number}" for number in range(3, CANDIDATES, 3))]
    return replace(
        data,
        before=evaluation(CASES, lambda number: number >= 1_000, extra=words),
        after=evaluation(CASES, lambda number: number >= 10, extra=words),
        attempts=attempts,
        diagnoses={tree: diagnosis(list(range(1_000 - 50 * place))) for place, tree in enumerate(trees)},
    )


@pytest.mark.slow
def test_a_large_run_opens_at_once(open_report: Open) -> None:
    report = open_report(large(words=300))
    page = report.page
    assert report.path.stat().st_size < 30_000_000
    page.goto("about:blank")
    page.goto(report.path.as_uri())
    page.wait_for_selector("#score-chart canvas")
    report.until("document.documentElement.dataset.view")
    assert page.locator("#cases-table tbody tr").count() <= 1  # no case is drawn before it is asked for
    page.get_by_role("link", name="Cases 2,000").click()
    page.wait_for_selector("#cases-table tbody tr")
    page.fill("#case-search", "ticket 1999:")
    report.until("document.getElementById('cases-count').textContent.startsWith('1 case ')")
    page.locator("#cases-table a").click()
    page.wait_for_selector("#view-case .timeline")
    report.go("#candidate=c50").page.wait_for_selector("#view-candidate .diff")


@pytest.mark.slow
def test_what_does_not_fit_is_cut_shorter_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    after = evaluation(300, lambda _: True, extra=12_000)
    write_report(path, ReportData(title="desk", kind="plain", after=after))
    assert path.stat().st_size < 30_000_000
    pack = path.read_text(encoding="utf-8").partition('id="cases-0">')[2].partition("<")[0]
    steps = json.loads(gzip.decompress(base64.b64decode(pack)))[0]["runs"][0]["after"]["steps"]
    assert re.search(r"… \([\d,]+ more characters\)$", steps[-1]["output"])
