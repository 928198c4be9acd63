"""extract → classify → answer."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import OpenAI

MODEL = os.environ.get("FAPO_MODEL", "gpt-4-turbo")
CLASSIFY_PROMPT = (
    (Path(__file__).parents[1] / "prompts" / "classify.md").read_text(encoding="utf-8").removesuffix("\n")
)


@cache
def client() -> OpenAI:
    from openai import OpenAI

    return OpenAI()


def extract(url: str, description: str) -> dict[str, str]:
    """The CVE's number from its NVD page's address, and its description."""
    return {"cve": url.rstrip("/").rsplit("/", 1)[-1], "description": description}


def classify(cve: str, description: str) -> str:
    """What the model says about the description."""
    response = client().chat.completions.create(
        model=MODEL,
        temperature=0,
        messages=[{"role": "user", "content": CLASSIFY_PROMPT.format(description=description)}],
        user=cve,  # some CVEs share one description; their requests stay apart by this
    )
    return response.choices[0].message.content or ""


def answer(text: str) -> str:
    """The CWE: the whole last line, as the prompt demands it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def map_to_cwe(url: str, description: str) -> dict[str, str]:
    """The pipeline."""
    record = extract(url, description)
    return {"cve": record["cve"], "cwe": answer(classify(record["cve"], record["description"]))}
