"""GPT-4's recorded answers to the official prompts, served in place of a model while no key is set."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import dataset

if TYPE_CHECKING:
    from pytest_fapo.answers.offline import OfflineRequest


@cache
def _by_cve() -> dict[str, tuple[str, str]]:
    """CVE to the official prompt and what GPT-4 answered to it."""
    pairs = zip(dataset.rows(), dataset.answers(), strict=True)
    return {dataset.cve(row): (row["Prompt"], answer) for row, answer in pairs}


def answer(request: OfflineRequest) -> str:
    """The recorded answer to exactly this prompt.

    Raises:
        LookupError: the prompt is not the official one; a recording cannot answer an edited prompt.
    """
    prompt = str(request.body["messages"][-1]["content"])
    official, recorded = _by_cve().get(str(request.body.get("user")), ("", ""))
    if prompt != official:
        raise LookupError(
            "GPT-4's answers are recorded for the official prompt only; "
            "set OPENAI_API_KEY (and OPENAI_BASE_URL) to ask a model"
        )
    return recorded
