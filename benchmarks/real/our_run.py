"""A project around one task, optimized by the playbook alone, and asked about the unseen cases."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.real.local_model import LocalModel
from benchmarks.real.tasks import Cases, Row, Task

EXAMPLES = 12
"""Train cases that may be shown, by us and by DSPy."""

_BOT = '''"""Sort texts by topic."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ["SMOL_URL"], api_key="none", timeout=600)

{prompts}


{functions}
'''

_ASKING = """def {name}(text: str) -> str:
    answer = client.chat.completions.create(
        model="smol",
        temperature=0,
        max_tokens=24,
        messages=[
            {{"role": "system", "content": {prompt}}},
            {{"role": "user", "content": text}},
        ],
    )
    return (answer.choices[0].message.content or "").strip()
"""

_SUMMARY = "Say in a few words what the customer wants."

_CONFTEST = """import pytest

from app import bot


@pytest.fixture(scope="session")
def pipeline():
    return bot.answer
"""

_TEST = """import pytest_fapo as fapo


@fapo.cases("cases/texts.csv", inputs=["text"], expected="label")
def test_label(case, run):
    assert run.output == case.expected
"""

_SETTINGS = """[tool.fapo]
pipeline = "pipeline"
steps = ["app.bot:*"]
demonstrations = "train"
max_demonstrations = {examples}

[tool.fapo.scope]
prompts = ["app/bot.py::*_PROMPT"]
structure = ["app/bot.py"]
"""

_ASK_ALL = """import json, sys
from concurrent.futures import ThreadPoolExecutor
from app import bot
with ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(bot.answer, json.load(sys.stdin)))))
"""


@dataclass(frozen=True)
class OurRun:
    """Shares of unseen cases that are right, and the calls that optimizing took."""

    before: float
    after: float
    calls: int


def optimize(task: Task, cases: Cases, model: LocalModel, place: Path) -> OurRun:
    """Write the project, measure it, optimize it and measure it again."""
    write_project(task, cases, place)
    environment = {**os.environ, "SMOL_URL": model.url}
    before = _asked(cases.unseen, place, environment)
    model.calls = 0
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--fapo-optimize", "--fapo-write=auto"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    calls = model.calls
    if "fapo" not in done.stdout:
        raise RuntimeError(done.stdout[-2_000:] + done.stderr[-2_000:])
    if os.environ.get("FAPO_BENCH_VERBOSE"):
        print(done.stdout)
    return OurRun(before, _asked(cases.unseen, place, environment), calls)


def write_project(task: Task, cases: Cases, place: Path) -> None:
    """The project of a task: code, test, cases and settings."""
    label = _ASKING.format(name="label", prompt="LABEL_PROMPT")
    prompts, functions = [f"LABEL_PROMPT = {json.dumps(task.prompt)}"], [label]
    body = "return label(text)"
    if task.steps == 2:
        prompts.insert(0, f"WISH_PROMPT = {json.dumps(_SUMMARY)}")
        functions.insert(0, _ASKING.format(name="wish", prompt="WISH_PROMPT"))
        body = "return label(wish(text))"
    functions.append(f"def answer(text: str) -> str:\n    {body}")
    files = {
        "app/__init__.py": "",
        "app/bot.py": _BOT.format(prompts="\n".join(prompts), functions="\n\n".join(functions)),
        "conftest.py": _CONFTEST,
        "test_label.py": _TEST,
        "pyproject.toml": _SETTINGS.format(examples=EXAMPLES),
    }
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (place / "cases").mkdir()
    with (place / "cases" / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "split"])
        rows.writerows([text, label, split] for split, given in cases.splits.items() for text, label in given)


def _asked(rows: list[Row], place: Path, environment: dict[str, str]) -> float:
    """Share of rows for which the project gives the label."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK_ALL],
        cwd=place,
        env=environment,
        input=json.dumps([text for text, _ in rows]),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    right = sum(bool(answer == label) for answer, (_, label) in zip(answers, rows, strict=True))
    return right / len(rows)
