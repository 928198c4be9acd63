"""The report of a real run, made from what the run directory holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.teams import BAD_PROMPT, GOOD_PROMPT, Project, Server, make_project, obedient, proposal, serving
from views.conftest import Open

from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.views.html.report_data import load_run_report
from pytest_fapo.views.html.report_page import write_report

pytestmark = pytest.mark.slow
LOUD = BAD_PROMPT + "Answer in CAPITALS.\n"


def loud(prompt: str) -> str:
    return obedient(prompt).upper() if "CAPITALS" in prompt else obedient(prompt)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A run whose first candidate changes answers to no avail, and whose second one is accepted."""
    answers = iter([proposal(LOUD), proposal(GOOD_PROMPT)])
    with serving(Server(task=loud, optimizer=lambda body: next(answers))) as server:
        root = tmp_path_factory.mktemp("run") / "teams"
        root.mkdir()
        project = make_project(root, server)
        result = project.optimize("--fapo-write=patch")
        assert "1 accepted, 1 rejected" in result.text, result.text
        yield project


def test_run_directory_gives_verdicts_effects_diagnoses_and_spending(ran: Project) -> None:
    data = load_run_report(RunFolder(ran.run_directory))
    assert (data.title, data.kind) == ("teams", "optimize")
    rejected, accepted = data.attempts
    assert (rejected.attempt.verdict.accepted, accepted.attempt.verdict.accepted) == (False, True)
    assert accepted.at is not None
    assert rejected.at is not None
    assert 0 < rejected.at <= accepted.at
    assert any("I THINK THIS IS FOR BILLING." in json.dumps(effect.after) for effect in rejected.effects)
    assert {effect.result_after for effect in rejected.effects} == {"failed"}
    answers = {json.loads(json.dumps(effect.after))["team"] for effect in accepted.effects}
    assert answers == {"billing", "shipping", "other"}
    assert data.before is not None
    assert data.after is not None
    shown = {effect.nodeid for effect in accepted.effects}
    assert not shown & {item.nodeid for item in data.before.in_split("holdout")}
    assert (data.before.score("holdout"), data.after.score("holdout")) == (0.0, 1.0)
    assert [cluster.step for cluster in data.diagnoses[""].clusters] != []
    assert data.diagnoses[""].clusters[0].findings
    assert data.summary is not None
    assert (data.spending[-1].calls, data.spending[-1].cache_hits) == (
        data.summary.spending.calls,
        data.summary.spending.cache_hits,
    )
    assert data.spending[0].at < data.spending[-1].at


def test_a_run_that_was_killed_has_a_report_too(ran: Project, tmp_path: Path) -> None:
    folder = tmp_path / "teams" / ".fapo" / "runs" / "1"
    folder.mkdir(parents=True)
    lines = (ran.run_directory / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    judged = next(number for number, line in enumerate(lines) if json.loads(line)["event"] == "judged")
    (folder / "journal.jsonl").write_text("\n".join([*lines[: judged + 1], lines[judged + 1][:40]]))
    baseline = Evaluation()
    data = load_run_report(RunFolder(folder), baseline)
    assert [tried.attempt.candidate.id for tried in data.attempts] == ["c1"]
    assert data.before is baseline
    assert (data.after, data.summary, list(data.spending)) == (None, None, [])
    write_report(tmp_path / "report.html", data)
    assert "did not finish" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_report_shows_what_a_rejected_candidate_answered(ran: Project, open_report: Open) -> None:
    report = open_report(load_run_report(RunFolder(ran.run_directory)), "#candidate=c1")
    text = report.text()
    for words in ("rejected", "I THINK THIS IS FOR", "other output", "Answer in CAPITALS."):
        assert words in text, words
    report.page.locator("#view-candidate table.effects a").first.click()
    report.page.wait_for_selector("#view-case h1:focus")
    assert "I think this is for" in report.text()
