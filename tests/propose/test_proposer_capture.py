"""The optimizer's calls go through the same capture, cache and budget as everybody's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.evidence import TRIAGE, TRIAGE_TEXT, an_evidence
from support.llm_server import Answer, LLMServer
from support.scripted_provider import chat, failure, message, page, scripted, tool_use

from pytest_fapo.answers.budget import SpendLedger
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.answers.spend_file import read_spending
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.capture.http_capture import Capture
from pytest_fapo.commands.run_request import make_proposer
from pytest_fapo.core.candidate import Candidate
from pytest_fapo.core.errors import BudgetExceeded
from pytest_fapo.core.settings import CacheMode, Settings
from pytest_fapo.propose.proposer import ProposalFailed

ANSWER = {
    "hypothesis": "h",
    "technique": "t",
    "edits": [{"address": TRIAGE, "text": TRIAGE_TEXT + "More.\n"}],
}
GOOD = {"openai": chat(json.dumps(ANSWER)), "anthropic": message(tool_use(ANSWER))}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")


@contextmanager
def captured(folder: Path, mode: CacheMode = "auto") -> Iterator[None]:
    cache = AnswerCache(folder / "cache")
    capture = Capture(cache=cache, mode=mode)
    capture.install()
    try:
        yield
    finally:
        capture.uninstall()
        cache.close()


def propose(server: LLMServer, folder: Path, provider: str = "openai", **limits: Any) -> list[Candidate]:
    """As a session does: a fresh proposer, the run's spend file."""
    ledger = SpendLedger(folder / "spend.jsonl", who="optimizer", **limits)
    base = f"{server.url}/v1" if provider == "openai" else server.url
    settings = Settings.model_validate({"llm": {provider: {"base_url": base}}})
    proposer = make_proposer(
        f"{provider}:m", settings=settings, root=folder, calls=lambda: optimizer_calls(ledger)
    )
    return list(proposer.propose(an_evidence()))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_resumed_run_gets_the_same_proposal_without_a_paid_call(tmp_path: Path, provider: str) -> None:
    with scripted(GOOD[provider]) as server, captured(tmp_path):
        first = propose(server, tmp_path, provider)
        again = propose(server, tmp_path, provider)
        assert len(server.requests) == 1
    assert again == first
    spent = read_spending(tmp_path / "spend.jsonl", who="optimizer")
    assert (spent.calls, spent.cache_hits) == (1, 1)
    assert spent.usage.output_tokens == 5
    assert spent.unpriced_models


def test_every_attempt_of_the_sdk_counts_against_the_budget(tmp_path: Path) -> None:
    with (
        scripted(failure(500, "oops")) as server,
        captured(tmp_path),
        pytest.raises(BudgetExceeded, match="--fapo-max-calls"),
    ):
        propose(server, tmp_path, max_calls=2)
    assert len(server.requests) == 2


def test_a_spent_budget_stops_the_second_question(tmp_path: Path) -> None:
    with (
        scripted(chat("garbage")) as server,
        captured(tmp_path),
        pytest.raises(BudgetExceeded, match="--fapo-max-calls"),
    ):
        propose(server, tmp_path, max_calls=1)
    assert len(server.requests) == 1


def test_cache_only_never_asks_the_optimizer(tmp_path: Path) -> None:
    with scripted(GOOD["openai"]) as server:
        with captured(tmp_path, "only"), pytest.raises(ProposalFailed, match="--fapo-cache=only") as failed:
            propose(server, tmp_path)
        assert server.requests == []
    assert failed.value.again is False


@pytest.mark.parametrize("bad", [page(b"<html>", "text/html"), page(b"{broken")])
def test_a_server_that_talks_nonsense_through_the_capture_is_a_failed_attempt(
    tmp_path: Path, bad: Answer
) -> None:
    with scripted(bad) as server, captured(tmp_path), pytest.raises(ProposalFailed) as failed:
        propose(server, tmp_path)
    assert str(failed.value).startswith("openai:m")
