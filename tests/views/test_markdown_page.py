"""The page of a pull request: verdict first, everything told, nothing obeyed, never too long."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from pydantic import JsonValue

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.gate_result import GateProblem, GateResult, Regression, SplitScore
from pytest_fapo.core.spending import Spending
from pytest_fapo.loop.run_summary import SplitResult, Summary
from pytest_fapo.verdict.case_effect import CaseEffect
from pytest_fapo.views.pull_request.markdown_page import pull_request_markdown
from pytest_fapo.views.pull_request.page_record import ArtifactChange, PullRequest

EVIL = '</details><script>alert(1)</script> | `x` ``` @admin #1 <img src=x>\n# title\n"'
RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")


class Reader(HTMLParser):
    """Tags that are open at each text, and the rows of tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.folded = ""
        self.open = ""
        self.prose = ""
        self._code = 0
        self._depth = 0
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._depth += tag == "details"
        self._code += tag in ("code", "pre")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "details"
        self._code -= tag in ("code", "pre")
        self._cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.folded += data
        else:
            self.open += data
        if not self._code:
            self.prose += data
        if self._cell:
            self.rows[-1][-1] += data


def page(data: PullRequest, limit: int = 65_000) -> tuple[str, Reader]:
    text = pull_request_markdown(data, limit=limit)
    assert len(text.encode()) <= limit
    reader = Reader()
    reader.feed(RENDERER.render(text))
    return text, reader


def item(name: str, outcome: Any = "passed", split: Any = "train") -> ItemResult:
    return ItemResult(
        nodeid=f"t.py::test[{name}]", outcome=outcome, case_id=name, pipeline="answer", split=split
    )


def evaluation(*items: ItemResult) -> Evaluation:
    return Evaluation(items={each.nodeid: each for each in items})


def regression(number: int = 1, **more: Any) -> Regression:
    values: dict[str, Any] = {
        "nodeid": f"t.py::test[{number}]",
        "split": "val",
        "result_before": "passed",
        "result_after": "failed",
        "output_before": '"billing"',
        "output_after": '"shipping"',
        "explanation": "assert 'shipping' == 'billing'",
        "step": "classify",
        **more,
    }
    return Regression(**values)


def fallen(*regressions: Regression, **more: Any) -> PullRequest:
    gate = GateResult(
        policy="strict",
        verdict="fell",
        baseline="fapo-baseline.json",
        regressions=list(regressions),
        scores=[
            SplitScore(pipeline="answer", group="val", cases=40, before=0.9, after=0.875),
            SplitScore(pipeline="answer", group="tag:refunds", cases=9, before=1.0, after=0.5, floor=0.8),
            SplitScore(pipeline="answer", group="metric:brevity", cases=40, before=0.25, after=0.5),
        ],
        **more,
    )
    return PullRequest(kind="gate", evaluation=evaluation(), gate=gate)


def test_verdict_regressions_scores_and_how_to_accept_come_in_this_order() -> None:
    text, read = page(fallen(regression(1), regression(2)))
    assert text.startswith(
        "## ❌ Accuracy fell against fapo-baseline.json: 2 tests that passed no longer pass\n"
    )
    assert "2 tests, one cause: classify gives another answer" in read.open
    assert text.index("| test |") < text.index("| group |") < text.index("To accept these results on purpose")
    assert read.rows[1] == ["test[1]", "val", '"billing" → "shipping"']
    assert read.rows[4][:5] == ["val", "40", "90 %", "88 %", "-2.5"]
    assert read.rows[5] == ["tag refunds", "9", "100 %", "50 %", "-50.0", "80 % missed"]
    assert read.rows[6] == ["metric brevity", "40", "0.25", "0.5", "+0.25", ""]
    assert "assert 'shipping' == 'billing'" in read.folded


def test_a_thousand_regressions_of_one_cause_are_read_in_a_minute() -> None:
    """The cause, the changed line and five examples stand in the open; what to type stands last."""
    prompt = "app/prompts/classify.md"
    long: dict[str, JsonValue] = {"reply": "Dear customer, thank you. " * 40, "kind": "bug"}
    wrong: dict[str, JsonValue] = {**long, "kind": "This is a bug ticket."}
    data = fallen(
        *(
            regression(
                number,
                nodeid=f"tests/test_tickets.py::test_fields[ticket-{number:04}-kind]",
                output_before=json.dumps(long),
                output_after=json.dumps(wrong),
                step_output=json.dumps("This is a bug ticket."),
                prompt=prompt,
                explanation="E" * 5_000 + "\n" * 200,
            )
            for number in range(1_000)
        ),
        changed_outputs=[f"t.py::test_other[{number}]" for number in range(2_000)],
        problems=[
            GateProblem(kind="stale-baseline", message="a changed", command="pytest --again", fails=False)
        ],
    )
    lines = [f"- rule {number}" for number in range(300)]
    after = "\n".join(line for line in lines if line != "- rule 7")
    data.changes = [ArtifactChange(address=prompt, path=prompt, before="\n".join(lines), after=after)]
    data.effect.rows = [
        CaseEffect(
            nodeid=f"tests/test_tickets.py::test_other[{number}]",
            kind="changed",
            result_before="passed",
            result_after="passed",
            before=long,
            after=wrong,
            step="classify",
        )
        for number in range(2_000)
    ]
    text, read = page(data)
    assert len(text.splitlines()) < 150
    assert len(text.encode()) < 10_000
    said = "1,000 tests, one cause: classify wraps its answer in more text since this change"
    assert said in read.open
    assert "-- rule 7\n" in read.open
    assert read.open.count('kind: "bug" → "This is a bug ticket."') == 5
    assert "The other 995 tests" in read.folded
    assert text.index(said) < text.index("-- rule 7") < text.index("test_fields") < text.index("| group |")
    assert text.rstrip().endswith(
        "To accept these results on purpose: `pytest --again`, then commit what it writes."
    )
    assert text.count("pytest --again") == 1


@pytest.mark.parametrize(
    ("verdict", "kind", "start"),
    [
        ("passed", "test", "## ⚠️ No regressions, but other tests fail\n"),
        ("undecided", "missing-baseline", "## ⚠️ Accuracy could not be judged, so the gate does not pass\n"),
    ],
)
def test_other_verdicts(verdict: Any, kind: Any, start: str) -> None:
    problem = GateProblem(kind=kind, message="there is no baseline", command="pytest -q")
    said = GateProblem(kind="new-cases", message="3 cases are new", fails=False)
    gate = GateResult(policy="strict", verdict=verdict, problems=[said, problem], fixed=["a"])
    text, read = page(PullRequest(kind="gate", evaluation=evaluation(), gate=gate))
    assert text.startswith(start)
    assert read.open.index("❌ there is no baseline. To do: pytest -q") < read.open.index("3 cases are new")
    assert "Fixed: 1." in text


def test_a_branch_that_gives_tests_up_is_not_told_that_all_is_well() -> None:
    gate = GateResult(policy="strict", verdict="passed")
    data = PullRequest(
        kind="gate", evaluation=evaluation(), gate=gate, branch=gate, compared="the baseline of main"
    )
    assert page(data)[0].startswith("## ✅ No regressions\n")
    data.effect.rows = [
        CaseEffect(nodeid="t.py::test[a]", kind="broken", result_before="passed", result_after="failed")
    ]
    data.gone = ["t.py::test[b]"]
    text, read = page(data)
    assert text.startswith("## ⚠️ The gate passes, but this branch's own baseline gives up 2 tests\n")
    assert "### Effect per case, compared with the baseline of main" in text
    assert "t.py::test[b]" in read.folded


def test_snapshots_that_are_out_of_date_are_not_told_as_an_open_question() -> None:
    stale = GateProblem(kind="stale-snapshot", message="p.md is out of date", path="p.md")
    rows = [SplitScore(pipeline="answer", group="val", cases=4, before=1.0, after=1.0)]
    gate = GateResult(policy="strict", verdict="undecided", problems=[stale], scores=rows)
    text, read = page(PullRequest(kind="gate", evaluation=evaluation(), gate=gate))
    assert text.startswith("## ⚠️ No regressions, but committed files are out of date\n")
    assert ["val", "4", "100 %", "100 %", "±0"] in read.rows


def test_scores_of_cases_that_could_not_be_asked_are_not_shown() -> None:
    rows = [SplitScore(pipeline="answer", group="val", cases=4, before=1.0, after=0.0)]
    missed = GateProblem(kind="cache-miss", message="4 tests asked something new")
    gate = GateResult(policy="strict", verdict="undecided", scores=rows, problems=[missed])
    assert "100 %" not in page(PullRequest(kind="gate", evaluation=evaluation(), gate=gate))[0]


def test_a_changed_prompt_shows_what_why_and_its_effect() -> None:
    data = fallen(regression())
    data.base = "main"
    data.changes = [
        ArtifactChange(
            address="app/prompts/sort.md",
            path="app/prompts/sort.md",
            before="one\ntwo\n",
            after="one\nthree\nfour\n",
            why=["the label is never defined"],
            origin="c3 by playbook",
        )
    ]
    data.effect.rows = [
        CaseEffect(
            nodeid="t.py::test[f]", kind="fixed", result_before="failed", result_after="passed", after="x"
        ),
        CaseEffect(
            nodeid="t.py::test[c]",
            kind="changed",
            result_before="passed",
            result_after="passed",
            step="classify",
        ),
    ]
    text, read = page(data)
    assert "### What changed against main\n" in text
    assert "app/prompts/sort.md (+2 −1)" in read.open
    assert "Why: the label is never defined (c3 by playbook)" in read.open
    assert "-two\n+three\n+four" in read.folded
    assert "Fixed: 1 test" in read.folded
    assert ["t.py::test[c]", "", "passed → passed", "", "classify"] in read.rows
    assert read.tags.count("details") == 4


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    data = fallen(
        regression(
            nodeid=EVIL, output_before=EVIL, output_after=EVIL, step=EVIL, step_output=EVIL, explanation=EVIL
        ),
        problems=[GateProblem(kind="floor", message=EVIL, command=EVIL, path=EVIL)],
    )
    data.base = data.report = EVIL
    data.notes = [EVIL]
    data.changes = [ArtifactChange(address=EVIL, path="x", before=EVIL, after="", why=[EVIL], origin=EVIL)]
    data.effect.rows = [
        CaseEffect(nodeid=EVIL, kind="broken", result_before=EVIL, result_after=EVIL, before=EVIL)
    ]
    _, read = page(data)
    assert {"script", "img", "h1"} & set(read.tags) == set()
    assert read.tags.count("details") == 2
    assert {len(row) for row in read.rows} == {3, 5, 6}
    assert read.open.count("alert(1)") >= 9
    assert "@\u2060admin" in read.prose
    assert "@admin" not in read.prose


def test_runs_say_what_was_proven() -> None:
    summary = Summary(
        stop="nothing-left",
        writing="patch",
        patch=".fapo/runs/1/changes.patch",
        artifacts=["app/prompts/sort.md"],
        fixed=4,
        tests=10,
        splits=[SplitResult(split="train", tests=10, before=0.5, after=0.9, fixed=4)],
        candidates=["c1 sort — accepted: train 50 % → 90 %"],
    )
    text, read = page(PullRequest(kind="optimize", evaluation=evaluation(), summary=summary))
    assert text.startswith("## ✅ 1 change proven: 4 tests fixed\n")
    assert "git apply .fapo/runs/1/changes.patch" in read.open
    assert ["train", "10", "50 %", "90 %", "4", "0"] in read.rows
    assert "c1 sort — accepted" in read.folded


def test_what_tests_asked_beside_their_runs_is_told_apart() -> None:
    spent = Spending(
        calls=1_200, cache_hits=300, cost=0.5, test_calls=700, test_cache_hits=10, test_cost=0.25
    )
    session = fallen(regression())
    session.evaluation.spending = spent
    _, reader = page(session)
    said = "LLM calls: 1,200 sent (700 judge calls), 300 (20 %) from recordings (10 judge calls)."
    assert said in " ".join((reader.open + reader.folded).split())
    summary = Summary(stop="target", tests=2, spending=spent, run_directory=".fapo/runs/1")
    run = PullRequest(kind="optimize", evaluation=evaluation(item("a")), summary=summary)
    _, reader = page(run)
    text = " ".join((reader.open + reader.folded).replace("\u2060", "").split())
    assert "1,200 sent (700 judge calls), 300 answered from the cache (10 judge calls)" in text
    assert "$0.50 ($0.25 for judges)" in text


def test_plain_sessions_have_their_scores() -> None:
    data = PullRequest(
        kind="plain", evaluation=evaluation(item("a"), item("b", "failed"), item("c", split="val"))
    )
    text, read = page(data)
    assert text.startswith("## 1 of 3 tests on cases fails\n")
    assert read.rows[1:] == [["train", "2", "1", "50 %"], ["val", "1", "1", "100 %"]]


def test_ten_thousand_regressions_of_as_many_causes_fit() -> None:
    data = fallen(
        *(regression(number, output_after="x" * 5_000, step=f"step{number}") for number in range(10_000))
    )
    text, read = page(data)
    assert "10,000 tests, 10,000 causes" in read.open
    assert "9,997 more causes" in read.folded
    small, _ = page(data, limit=1_500)
    assert len(small) < len(text)


def test_where_nothing_helps_parts_are_left_out_and_it_is_said() -> None:
    data = fallen(regression(nodeid="x" * 150))
    data.changes = [
        ArtifactChange(
            address=f"p{number}.md", path="p.md", before="a", after="b" * 400, why=[f"reason {number}"]
        )
        for number in range(200)
    ]
    text, read = page(data, limit=20_000)
    assert text.startswith("## ❌ Accuracy fell")
    assert "left out: this page would be larger than 20,000 bytes" in read.open
    assert read.tags.count("details") == text.count("</details>")
    assert page(data, limit=900)[0].startswith("## ❌ Accuracy fell")
