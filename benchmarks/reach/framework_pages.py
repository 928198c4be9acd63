"""The projects of the how-to pages in docs/frameworks, read from the pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.reach.framework_table import Framework

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = Path(__file__).resolve().parents[2] / "docs" / "frameworks"

PACKAGES = {
    "crewai": "crewai",
    "dspy": "dspy",
    "haystack": "haystack",
    "instructor": "instructor",
    "langchain": "langchain_openai",
    "langgraph": "langgraph",
    "litellm": "litellm",
    "llamaindex": "llama_index.llms.openai",
    "openai-agents": "agents",
    "pydantic-ai": "pydantic_ai",
}
"""Page to the module that must be importable."""

_FILE = re.compile(r"^<!-- file: (?P<path>\S+) -->\n```\w*\n(?P<text>.*?)^```$", re.M | re.S)


def framework_of(page: str) -> Framework:
    """Return the project of a page."""
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    files = {found["path"]: found["text"] for found in _FILE.finditer(text)}
    scope = tomllib.loads(files.pop("pyproject.toml"))["tool"]["fapo"]["scope"]
    return Framework(page, PACKAGES[page], files, tuple(scope["prompts"]))


def framework_pages() -> tuple[Framework, ...]:
    """Return the projects of all pages."""
    return tuple(framework_of(page) for page in sorted(PACKAGES))
