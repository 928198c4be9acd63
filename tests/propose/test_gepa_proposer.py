"""GEPA's reflection as a proposer: on train evidence, through our clients, reviewed like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.evidence import TRIAGE, TRIAGE_TEXT, an_evidence
from support.scripted_provider import chat, scripted, words_of

from pytest_fapo.commands.run_request import make_proposer
from pytest_fapo.core.candidate import Review, ReviewProblem
from pytest_fapo.core.errors import ConfigError
from pytest_fapo.core.settings import Settings
from pytest_fapo.propose.proposer import ProposalFailed


def _reply(text: str) -> str:
    return json.dumps({"text": f"I looked at it.\n```\n{text}\n```\nThat should do."})


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")


def test_a_name_without_a_model_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gepa:openai:<model>"):
        make_proposer("gepa", settings=Settings(optimizer=["gepa"]), root=tmp_path)
    settings = Settings(optimizer=["playbook", "gepa", "openai:m"])
    assert make_proposer("gepa", settings=settings, root=tmp_path).name == "gepa"
    assert Settings(optimizer=["gepa:openai:m"]).model_for("reviewer") == "openai:m"


def test_a_missing_package_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyed: None
) -> None:
    monkeypatch.setattr("pytest_fapo.propose.gepa.gepa_proposer.find_spec", lambda name: None)
    proposer = make_proposer("gepa:openai:m", settings=Settings(), root=tmp_path)
    with pytest.raises(ConfigError, match=r"pytest-fapo\[gepa\]"):
        proposer.check()


def test_failing_runs_with_feedback_become_a_new_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyed: None
) -> None:
    pytest.importorskip("gepa")
    wanted = "Sort the message into refund or other.\n\nMessage: {message}"
    with scripted(chat(_reply(wanted)), chat(_reply(TRIAGE_TEXT))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        proposer = make_proposer("gepa:openai:m", settings=Settings(), root=tmp_path)
        proposer.check()
        evidence = an_evidence()
        (candidate,) = proposer.propose(evidence)
        with pytest.raises(ProposalFailed, match="the text that is there"):
            list(proposer.propose(evidence))
        asked = words_of(server.requests[0])
    assert [(edit.address, edit.before) for edit in candidate.edits] == [(TRIAGE, TRIAGE_TEXT)]
    assert candidate.edits[0].after == f"{wanted}\n"
    assert (candidate.proposer, candidate.level, candidate.step) == ("gepa", "prompt", evidence.cluster.step)
    assert sorted(candidate.targets) == sorted(item.nodeid for item in evidence.failing())
    assert "Sort the message into a queue." in asked
    assert "assert 'billing' == 'refund'" in asked


def test_an_objection_of_the_review_goes_back_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyed: None
) -> None:
    pytest.importorskip("gepa")
    with scripted(chat(_reply("First. {message}")), chat(_reply("Second. {message}"))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        proposer = make_proposer("gepa:openai:m", settings=Settings(), root=tmp_path)
        evidence = an_evidence()
        (candidate,) = proposer.propose(evidence)
        review = Review(problems=[ReviewProblem(check="leakage", message="It copies a case.")])
        better = proposer.revise(candidate, review, evidence)
        asked = words_of(server.requests[-1])
    assert better is not None
    assert better.edits[0].after == "Second. {message}\n"
    assert "It copies a case." in asked
