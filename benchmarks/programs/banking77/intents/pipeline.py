"""One step: the model names the intent."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import OpenAI

MODEL = os.environ.get("FAPO_MODEL", "gpt-4o-mini")
INTENT_PROMPT = (Path(__file__).parents[1] / "prompts" / "intent.md").read_text(encoding="utf-8")


@cache
def client() -> OpenAI:
    from openai import OpenAI

    return OpenAI()


def classify(question: str) -> str:
    """The intent, as the model words it."""
    response = client().chat.completions.create(
        model=MODEL,
        temperature=0,
        max_tokens=40,
        messages=[{"role": "user", "content": INTENT_PROMPT.format(question=question)}],
    )
    return (response.choices[0].message.content or "").strip()


def intent_of(question: str) -> dict[str, str]:
    """The pipeline."""
    return {"intent": classify(question)}
