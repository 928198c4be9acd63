from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.llm_server import Answer, LLMServer, Received
from support.scripted_provider import chat, words_of

Program = Callable[[str], Path]
Python = Callable[..., Any]

QUIET = ("-m", "pytest", "-q", "--tb=no", "--no-header", "-p", "no:cacheprovider", "-rN")
INTENTS = ("card_arrival", "exchange_rate", "lost_or_stolen_card")


def small_model(request: Received) -> Answer:
    """Knows what is meant; says it in the right form only when it is told the names of the intents."""
    prompt = words_of(request)
    question = prompt.rpartition("Customer:")[2].strip().lower()
    if re.search("exchange|rate|currenc", question):
        intent = "exchange_rate"
    elif re.search("lost|stole|missing|misplaced|find", question):
        intent = "lost_or_stolen_card"
    else:
        intent = "card_arrival"
    told = all(name in prompt for name in INTENTS)
    return chat(intent if told else f"The customer asks about: {intent.replace('_', ' ')}.")


@pytest.mark.slow
def test_banking_is_optimized_against_an_openai_compatible_server(program: Program, python: Python) -> None:
    folder = program("banking77")
    with LLMServer(small_model) as server:
        env = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "any", "FAPO_MODEL": "small"}
        before = python(folder, *QUIET, env=env)
        assert "120 failed" in before.stdout, before.stdout + before.stderr
        optimized = python(folder, *QUIET, "--fapo-optimize", "--fapo-target=0.9", env=env)
        after = python(folder, *QUIET, env=env)
    prompt = (folder / "prompts" / "intent.md").read_text()
    assert all(name in prompt for name in INTENTS), optimized.stdout + optimized.stderr
    assert "Changed in your project: prompts/intent.md" in optimized.stdout
    found = re.search(r"(\d+) passed", after.stdout)
    assert found is not None
    assert int(found[1]) >= 108
