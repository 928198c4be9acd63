"""The extension points that pytest-fapo adds to pytest; implement them in a conftest.py or in a plugin.

docs/hooks.md has an example of each. Records are those that `pytest_fapo` exports.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_fapo.answers.model_client import StructuredClient
    from pytest_fapo.core.candidate import Attempt, Candidate, ReviewProblem, Verdict
    from pytest_fapo.core.case import Case
    from pytest_fapo.core.diagnosis import Finding
    from pytest_fapo.core.evaluation import Evaluation, ItemResult
    from pytest_fapo.core.settings import Settings
    from pytest_fapo.core.trace import Trace
    from pytest_fapo.loop.run_summary import Summary
    from pytest_fapo.propose.proposer import Proposer


@pytest.hookspec
def pytest_fapo_item(record: dict[str, Any]) -> None:
    """Receive the result of an item.

    Args:
        record: JSON data: `item` (an `ItemResult`), `case` (a `Case` or None) and `trace` (a `Trace`, or None
            if the item has none, or another item of the same run has already delivered it);
            `further_keys`, the cache keys of LLM calls that the test itself made.
    """


@pytest.hookspec(firstresult=True)
def pytest_fapo_load_cases(path: Path) -> Iterable[dict[str, Any]] | None:
    """Read a case file in a custom format.

    Args:
        path: the file that `@fapo.cases` names, with a suffix that the plugin does not know.

    Returns:
        one mapping per case, with the keys that a JSONL line would have; None to leave it to others.
    """


@pytest.hookspec
def pytest_fapo_redact(text: str) -> str | None:
    """Remove from a text what no trace and no report may contain. Called in every process, for every text.

    Returns:
        the redacted text; None to keep the text unchanged.
    """


@pytest.hookspec(firstresult=True)
def pytest_fapo_attribute(item: ItemResult, case: Case, trace: Trace | None) -> Finding | None:
    """Attribute a failure to a step, before the plugin's own rules do.

    Returns:
        the finding, its `source` set to `hook`; None to leave it to the rules.
    """


@pytest.hookspec(firstresult=True)
def pytest_fapo_proposer(spec: str, settings: Settings, root: Path) -> Proposer | None:
    """Return the proposer that an entry of the setting `optimizer` names.

    Args:
        spec: the entry, `mine` or `mine:option`; never one that the plugin knows itself.
        settings: `[tool.fapo]`.
        root: pytest's rootdir.

    Returns:
        an object with the methods of `pytest_fapo.propose.proposer.Proposer`; None to leave it to others.
    """


@pytest.hookspec(firstresult=True)
def pytest_fapo_llm_client(spec: str, settings: Settings) -> StructuredClient | None:
    """Return the client of a model that proposes, diagnoses or reviews, for example another `openai:<model>`.

    Returns:
        a `pytest_fapo.answers.model_client.StructuredClient`; None for the official SDK's.
    """


@pytest.hookspec
def pytest_fapo_review(candidate: Candidate) -> list[ReviewProblem] | None:
    """Return problems of a candidate before it is run. A problem blocks it unless its `blocks` is False."""


@pytest.hookspec
def pytest_fapo_gate(
    candidate: Candidate, before: Evaluation, after: Evaluation, verdict: Verdict
) -> str | None:
    """Reject a candidate that passed the gate. A hook cannot accept what the gate rejects.

    Args:
        candidate: the edits.
        before: the best tree's evaluation.
        after: the candidate's.
        verdict: the gate's.

    Returns:
        the reason for rejecting it, in one sentence; None to let it pass.
    """


@pytest.hookspec
def pytest_fapo_accepted(attempt: Attempt) -> None:
    """Receive an accepted candidate: the next ones build on it. The source is not written yet."""


@pytest.hookspec
def pytest_fapo_rejected(attempt: Attempt) -> None:
    """Receive a rejected candidate; `attempt.verdict` has the stage and the reason."""


@pytest.hookspec
def pytest_fapo_report_section(summary: Summary) -> tuple[str, str] | None:
    """Add a section to the closing summary.

    Returns:
        its title and its text in Markdown; None for none.
    """
