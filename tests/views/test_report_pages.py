"""The report in a browser, as its readers use it: by mouse, keyboard and screen reader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.report_pages import case, evaluation, gate, nodeid, optimization, trace, tried
from views.conftest import Open

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.views.html.report_data import ReportData


def test_from_the_verdict_over_a_candidate_to_a_case_and_back(open_report: Open) -> None:
    report = open_report(optimization())
    page = report.page
    overview = report.text()
    for words in (
        "1 change proven, 3 tests fixed",
        "git apply .fapo/runs/1/changes.patch",
        "the wrong label",
    ):
        assert words in overview
    assert page.locator("#score-chart canvas").count() == 1
    assert page.locator("#spend-chart canvas").count() == 1

    page.get_by_role("link", name="Candidates 3").click()
    folded = page.locator("#candidates-table details")
    assert folded.get_attribute("open") is None
    assert folded.locator("summary").inner_text() == "2 not accepted"
    page.get_by_role("link", name="c2", exact=True).first.click()
    page.wait_for_selector("#view-candidate h1:focus")
    candidate = report.text()
    for words in ("how short the answer has to be (2)", "accepted", "1 line added, 0 removed", "4 fixed"):
        assert words in candidate
    assert "Answer with one word. (2)" in page.inner_text(".diff li.plus")

    page.locator("#view-candidate").get_by_role("link", name="t-0001").click()
    page.wait_for_selector("#view-case h1:focus")
    assert page.url.endswith("#case=t-0001")
    text = report.text()
    for words in ("ticket 1:", "assert 'Billing, I think.'", "Output before", "Output after", "small-model"):
        assert words in text
    assert "Fixed by c2 (accepted), c3 (rejected)" in text
    page.go_back()
    page.wait_for_selector("#view-candidate:not([hidden])")


def test_case_is_opened_by_its_link_with_what_its_first_differing_step_was_asked(open_report: Open) -> None:
    report = open_report(optimization(), "#case=t-0002")
    page = report.page
    steps = page.locator(".timeline > details")
    assert [steps.nth(place).get_attribute("open") is not None for place in range(3)] == [True, False, False]
    inside = steps.nth(0).inner_text()
    assert "The prompt" not in inside
    assert "Rule 39: be exact about matter 39." in inside
    assert page.locator(".timeline mark.come").first.inner_text().strip().startswith("Answer with one word")
    assert "\nUser, the same before and after\n" in f"\n{inside}\n"
    steps.nth(2).locator("summary").click()
    steps.nth(2).locator(".inside").wait_for()
    assert "temperature 0" in steps.nth(2).inner_text()


@pytest.mark.slow
def test_cases_are_filtered_searched_sorted_and_paged_and_the_address_says_how(open_report: Open) -> None:
    report = open_report(optimization(120), "#cases")
    page = report.page
    rows = page.locator("#cases-table tbody tr")
    status = page.locator("#cases-count")
    assert (rows.count(), status.inner_text()) == (50, "120 cases, page 1 of 3")
    page.get_by_role("button", name="Next page").click()
    assert status.inner_text() == "120 cases, page 2 of 3"
    page.get_by_role("button", name="Fixed 59").click()
    page.select_option("select[name=split]", "val")
    assert status.inner_text() == "15 cases of 120"
    page.fill("#case-search", "ticket 1")
    report.until("document.getElementById('cases-count').textContent.startsWith('3 ')")
    assert page.url.endswith("#cases?q=ticket+1&status=fixed&split=val")
    page.get_by_role("button", name="Case", exact=True).click()
    page.get_by_role("button", name="Case", exact=True).click()
    assert rows.first.inner_text().startswith("t-0018")
    assert page.locator("th[aria-sort=descending]").inner_text() == "Case"
    address = page.url.partition("#")[2]
    assert report.go(f"#{address}").text().count("t-00") == 3
    assert rows.first.inner_text().startswith("t-0018")
    rows.first.get_by_role("link").click()
    page.wait_for_selector("#view-case:not([hidden])")
    page.get_by_role("link", name="Next →").click()
    report.until("document.querySelector('#view-case h1').textContent === 't-0014'")
    page.fill("#case-search", "") if page.locator("#case-search").is_visible() else page.keyboard.press(
        "Escape"
    )
    page.wait_for_selector("#view-cases:not([hidden])")
    assert status.inner_text() == "3 cases of 120"
    page.fill("#case-search", "no such words")
    report.until("document.getElementById('cases-table').textContent === 'No case matches.'")


def test_everything_is_reached_by_keyboard(open_report: Open) -> None:
    report = open_report(optimization())
    page = report.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    names = []
    for _ in range(5):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent"))
    assert [name.split()[0] for name in names[:3]] == ["Overview", "Candidates", "Cases"]
    assert names[3] == "Colors: as the system"
    page.focus("nav [data-view=cases]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#cases-title:focus")
    report.go("#case=t-0001")
    page.keyboard.press("ArrowRight")
    report.until("document.querySelector('#view-case h1').textContent === 't-0002'")
    page.focus(".timeline details:nth-of-type(2) summary")
    page.keyboard.press("Enter")
    assert page.locator(".timeline details").nth(1).get_attribute("open") is not None
    page.keyboard.press("Escape")
    page.wait_for_selector("#cases-title:focus")
    page.focus("[data-status=failing]")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.dataset.status") == "failing"
    assert page.locator("#cases-count").inner_text() == "1 case of 8"


def test_a_screen_reader_finds_landmarks_headings_tables_and_the_charts_figures(open_report: Open) -> None:
    report = open_report(optimization())
    page = report.page
    tree = page.locator("body").aria_snapshot()
    for line in (
        'navigation "Report"',
        'heading "1 change proven, 3 tests fixed" [level=1]',
        'heading "Scores" [level=2]',
        'table "Share of passing tests"',
        'rowheader "train"',
        'img "Scores per split over the candidates; the table below has the same figures"',
        'columnheader "Step and cause"',
    ):
        assert line in tree, f"{line} is not in\n{tree}"
    page.locator("summary", has_text="As a table").first.click()
    table = page.locator("#score-table").aria_snapshot()
    assert 'row "c2 accepted 52 % – – 52 %' in table
    cases = report.go("#cases").page.locator("#view-cases").aria_snapshot()
    for line in (
        'search "Cases"',
        'searchbox "Search ids, inputs, outputs, tags"',
        "status: 8 cases",
        'table "Cases"',
    ):
        assert line in cases, f"{line} is not in\n{cases}"
    for view in ("#overview", "#candidates", "#candidate=c2", "#cases", "#case=t-0001"):
        report.go(view)
        assert page.evaluate(_UNNAMED) == [], view


_UNNAMED = """
  [...document.querySelectorAll("main > section:not([hidden]) :is(a, button, select, input, summary)")]
    .filter((each) => each.checkVisibility() && !(each.ariaLabel || each.textContent.trim()))
    .map((each) => each.outerHTML)
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colors_follow_the_system_until_the_reader_chooses(open_report: Open, scheme: str) -> None:
    report = open_report(optimization(), color_scheme=scheme)
    page = report.page
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(245, 244, 239)", "rgb(18, 21, 23)"
    assert page.evaluate(paper) == (light if scheme == "light" else dark)
    button = page.locator("#theme")
    button.click()
    assert (button.get_attribute("aria-label"), page.evaluate(paper)) == ("Colors: light", light)
    button.click()
    assert (button.get_attribute("aria-label"), page.evaluate(paper)) == ("Colors: dark", dark)
    report.go("#cases")
    assert page.evaluate(paper) == dark


@pytest.mark.slow
def test_texts_stand_out_enough_from_what_is_behind_them(open_report: Open) -> None:
    for scheme in ("light", "dark"):
        report = open_report(optimization(), color_scheme=scheme)
        for view in ("#overview", "#candidate=c3", "#cases", "#case=t-0001"):
            weak = report.go(view).page.evaluate(_CONTRAST)
            assert weak == [], f"{scheme} {view}"


_CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (parts) => {
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = parts.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const weak = new Set();
  const view = document.querySelector("main > section:not([hidden])");
  const walker = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("svg, :disabled")) continue;
    const behind = [];
    for (let up = element; up; up = up.parentElement) behind.unshift(getComputedStyle(up).backgroundColor);
    const style = getComputedStyle(element);
    const [one, two] = [light(rgb([...behind, style.color])), light(rgb(behind))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) weak.add(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return [...weak];
}"""


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone(open_report: Open) -> None:
    report = open_report(optimization(), viewport={"width": 390, "height": 844}, has_touch=True)
    for view in ("#overview", "#candidates", "#candidate=c2", "#cases", "#case=t-0001"):
        report.go(view)
        assert report.page.evaluate("document.documentElement.scrollWidth") == 390, view


def test_print_shows_the_overview_without_what_can_only_be_clicked(open_report: Open) -> None:
    report = open_report(optimization())
    report.page.emulate_media(media="print")
    assert report.page.locator("nav[aria-label=Report]").is_hidden()
    assert report.page.locator("#theme").is_hidden()
    assert report.page.locator("#verdict").is_visible()
    assert len(report.page.pdf()) > 10_000


def test_a_gate_shows_regressions_with_their_outputs_and_floors(open_report: Open) -> None:
    report = open_report(gate())
    text = report.text()
    for words in (
        "Accuracy fell",
        "1 test on cases that passed",
        "Prompts changed.",
        "t-0002",
        "90 %",
        "triage",
    ):
        assert words in text, words
    assert report.page.locator("nav [data-view=candidates]").count() == 0
    report.page.get_by_role("link", name="t-0002").click()
    report.page.wait_for_selector("#view-case h1:focus")
    case_text = report.text()
    for words in ("broken", "Against the baseline", "Output before", "First differing step: triage"):
        assert words in case_text, words
    listed = report.go("#cases").text()
    assert "Broken1" in listed.replace(" ", "").replace("\n", "")


def test_a_plain_run_has_one_side(open_report: Open) -> None:
    after = evaluation(8, lambda number: number != 2)
    after.items["tests/test_units.py::test_sum"] = ItemResult(
        nodeid="tests/test_units.py::test_sum", outcome="failed"
    )
    report = open_report(ReportData(title="desk", kind="plain", after=after))
    text = report.text()
    for words in ("2 of 9 tests fail", "tests/test_units.py::test_sum", "24 sent"):
        assert words in text, words
    case_text = report.go("#case=t-0002").text()
    assert "before" not in case_text.lower().replace("before friday", "")
    assert "Output of the pipeline" in case_text


def test_addresses_that_lead_nowhere_say_so(open_report: Open) -> None:
    report = open_report(optimization(), "#case=nobody")
    assert "This report has no case nobody." in report.text()
    assert "This report has no candidate c99." in report.go("#candidate=c99").text()
    assert "1 change proven" in report.go("#no=such").text()


def test_repeats_and_two_pipelines_with_one_id_are_told_apart(open_report: Open) -> None:
    found = Evaluation()
    for pipeline in ("desk", "shop"):
        for repeat in (1, 2):
            each, right = case(1), repeat == 2
            name = f"{nodeid(1).replace('team', pipeline)}{'' if repeat == 1 else '~r2'}"
            item = ItemResult(
                nodeid=name, outcome="passed" if right else "failed", case_id=each.id, pipeline=pipeline
            )
            item.split, item.repeat, item.trace_id = each.split, repeat, f"{pipeline}-{repeat}"
            made = trace(each, right=right).model_copy(update={"pipeline": pipeline})
            found.take({"item": item.model_dump(), "case": each, "trace": made})
    report = open_report(ReportData(title="desk", kind="plain", after=found), "#cases")
    assert "2 cases" in report.text()
    report.page.get_by_role("link", name="t-0001").nth(1).click()
    report.page.wait_for_selector("#view-case h1:focus")
    assert report.page.url.endswith("#case=shop%3A%3At-0001")
    text = report.text()
    assert "Run 1 of 2" in text
    assert "Run 2 of 2" in text
    assert "1 of 2 passed" in text


def test_a_candidate_that_was_blocked_or_is_named_strangely_has_a_page(open_report: Open) -> None:
    data = optimization()
    report = open_report(data, "#candidate=c1")
    text = report.text()
    for words in ("blocked", "leakage", "quotes case t-0001", "No score was measured."):
        assert words in text, words
    odd = tried(9, parent="c2")
    odd.attempt.candidate.id = "c9 <i>&#39;"
    report = open_report(replace(data, attempts=[*data.attempts, odd]), "#candidates")
    report.page.locator("#candidates-table summary").click()
    report.page.get_by_role("link", name="c9 <i>&#39;").click()
    report.page.wait_for_selector("#view-candidate h1:focus")
    assert "c9 <i>&#39;" in report.text()
