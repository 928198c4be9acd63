"""Cases, prompts and answers are other people's text: it is shown as it is, and never obeyed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.report_pages import case, nodeid, optimization, trace
from views.conftest import Open

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.views.html.report_data import ReportData
from pytest_fapo.views.html.report_page import write_report

ATTACKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(3)>",
    "\"'><svg onload=alert(4)>",
    "javascript:alert(5)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "\u2028\u2029 </style><b>",
    "http://127.0.0.1:9/beacon.png",
    "]]><!DOCTYPE x>",
]
ATTACK = " ".join(ATTACKS)
RTL = "\u202egnp.exe \u2066מחיר\u2069 \x1b[31mred\x07"


def hostile(text: str) -> ReportData:
    """Every text that a stranger can write is `text`."""
    found = Evaluation(stopped=text, complete=False)
    each = case(
        1, inputs={text[:100]: text}, expected=text, tags=[text], origin=text, metadata={"note": text}
    )
    each.id = text
    made = trace(each, right=False, prompt=text)
    for step in made.steps:
        step.name, step.output, step.error = text, text, text
    for call in made.llm_calls:
        call.model, call.answer, call.error, call.refusal = text, text, text, text
        call.parameters, call.offered = {text[:50]: text}, [text]
    item = ItemResult(
        nodeid=f"{nodeid(1)}{text}", outcome="failed", case_id=text, pipeline=text, split="train"
    )
    item.explanation, item.feedback, item.scores, item.trace_id = text, [text], {text: 0.5}, "one"
    found.take({"item": item.model_dump(), "case": each, "trace": made})
    other = ItemResult(nodeid=text, outcome="failed")
    found.items[text] = other
    data = optimization()
    attempt = data.attempts[2].attempt.model_copy(deep=True)
    attempt.candidate.hypothesis = attempt.candidate.technique = attempt.candidate.step = text
    attempt.candidate.edits[0].address = attempt.candidate.edits[0].after = text
    attempt.verdict.reason = text
    attempt.verdict.fixed = [item.nodeid, text]
    assert data.summary is not None
    summary = data.summary.model_copy(update={"artifacts": [text], "stop_detail": text, "patch": text})
    finding = data.diagnoses[""].clusters[0].findings[0]
    finding.nodeid, finding.evidence, finding.step = item.nodeid, text, text
    data.diagnoses[""].clusters[0].label = text
    return replace(
        data,
        title=text,
        before=found,
        after=found.model_copy(deep=True),
        attempts=[*data.attempts[:2], replace(data.attempts[2], attempt=attempt)],
        summary=summary,
    )


@pytest.mark.slow
def test_hostile_text_is_shown_and_runs_nothing(open_report: Open) -> None:
    report = open_report(hostile(ATTACK))
    page = report.page
    for view in ("#overview", "#candidates", "#candidate=c3", "#cases"):
        report.go(view)
        if view == "#candidates":
            page.locator("#candidates-table summary").click()
        text = report.text()
        assert "<script>alert(1)</script>" in text, view
        assert "49" not in text.replace("0049", ""), view
    page.locator("#cases-table a").first.click()
    page.wait_for_selector("#view-case h1:focus")
    for summary in page.locator(".timeline summary").all()[1:]:
        summary.click()
    page.wait_for_selector(".timeline > details:last-child .inside")
    text = report.text()
    for attack in ATTACKS[:7]:
        assert attack in text, attack
    page.keyboard.press("Escape")
    page.wait_for_selector("#view-cases:not([hidden])")
    assert page.evaluate("document.querySelectorAll('script').length") == _own_scripts(report.path)
    assert page.evaluate("document.querySelectorAll('main img, main b, main i').length") == 0


def _own_scripts(path: Path) -> int:
    return len(re.findall(r"<script[ >]", path.read_text(encoding="utf-8")))


def test_policy_stops_a_script_that_got_in(open_report: Open) -> None:
    report = open_report(optimization())
    page = report.page
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          const image = "<img src='http://127.0.0.1:9/x.png' onerror='window.ran = true'>";
          document.body.insertAdjacentHTML("beforeend", image);
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    refused = [text for text in report.trouble if "Content Security Policy" in text]
    assert len(refused) >= 2
    report.trouble.clear()
    report.requests.clear()


def test_bidirectional_and_control_characters_are_spelled_out(open_report: Open) -> None:
    report = open_report(hostile(RTL))
    for view in ("#overview", "#candidate=c3", "#cases"):
        text = report.go(view).text()
        assert "\\u202e" in text, view
        assert not re.search("[\u202e\u2066\u2069\x1b\x07]", text), view
    report.page.locator("#cases-table a").first.click()
    report.page.wait_for_selector("#view-case h1:focus")
    assert "\\u001b[31mred" in report.text()


def test_a_line_of_a_megabyte_and_half_a_character_make_no_trouble(open_report: Open) -> None:
    report = open_report(hostile("\ud800 " + "word " * 200_000), "#cases")
    report.page.locator("#cases-table a").first.click()
    report.page.wait_for_selector("#view-case h1:focus")
    assert "more characters)" in report.text()
    assert report.path.stat().st_size < 20_000_000


def test_no_text_can_end_the_element_that_it_stands_in(tmp_path: Path) -> None:
    counts = []
    for text in ("harmless", ATTACK):
        write_report(tmp_path / "report.html", hostile(text))
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        counts.append(
            [len(re.findall(tag, page)) for tag in ("<script", "</script", "</style", "<!--", "<img")]
        )
    assert counts[0] == counts[1]
