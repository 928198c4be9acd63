"""The gate over recorded answers: free, without a network, and closed where an answer is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gated_project import PYPROJECT, gated_project

APP = """
from pathlib import Path
import httpx

client = httpx.Client(base_url="http://127.0.0.1:9/v1")
PROMPT = Path(__file__).with_name("sort.md").read_text(encoding="utf-8")

def sort(text):
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT + text}]}
    answer = client.post("/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]

def handle(text):
    return {"team": sort(text), "text": text}
"""

MODEL = """
def reply(request):
    prompt, _, text = request.messages[-1]["content"].partition("Ticket: ")
    pairs = [line.split("=") for line in prompt.splitlines() if "=" in line]
    return next((team for word, team in pairs if text.startswith(word)), "unknown")
"""

PROMPT = "Name the team that this ticket belongs to.\npaid=billing\nbroken=warranty\nlate=delivery\nTicket: "
OFFLINE = '[tool.fapo.offline]\nmodel = "model:reply"\n'


@pytest.mark.slow
def test_a_refused_call_that_the_pipeline_hides_is_no_verdict(tmp_path: Path) -> None:
    hiding = APP.replace("def sort(text):", "def asked(text):") + (
        "\ndef sort(text):\n    try:\n        return asked(text)\n"
        "    except BaseException:\n        return 'unknown'\n"
    )
    project = gated_project(
        tmp_path,
        {
            "app.py": hiding,
            "model.py": MODEL,
            "rules.md": "",
            "sort.md": PROMPT,
            "pyproject.toml": PYPROJECT + OFFLINE,
        },
    )
    assert project.update().code == 0
    before = project.baseline.read_bytes()
    done = project.gate("--fapo-cache=off", "--fapo-max-calls=3")
    assert done.code == 11, done.text
    assert "9 tests went past a limit of calls or cost" in done.text
    done = project.update("--fapo-cache=off", "--fapo-max-calls=0")
    assert done.code == 11, done.text
    assert "12 tests could not ask their model" in done.text
    assert project.baseline.read_bytes() == before


@pytest.mark.slow
def test_recorded_answers_are_enough_and_a_missing_one_is_no_pass(tmp_path: Path) -> None:
    project = gated_project(
        tmp_path,
        {
            "app.py": APP,
            "model.py": MODEL,
            "rules.md": "",
            "sort.md": PROMPT,
            "pyproject.toml": PYPROJECT + OFFLINE,
        },
    )
    assert project.update().code == 0
    before = project.baseline.read_bytes()
    done = project.gate("--fapo-cache=only")
    assert done.code == 0
    assert "0 calls, 12 from the cache" in done.text

    project.write({"sort.md": PROMPT.replace("warranty", "repairs")})
    assert "1 test asked a model" in project.gate("--fapo-cache=only", "-x").text
    done = project.gate("--fapo-cache=only")
    assert done.code == 11
    assert "12 tests asked a model something without a recorded answer" in done.text
    assert "fapo cache export" in done.text
    assert "0 %" not in done.text.partition("fapo: accuracy")[2]
    done = project.update("--fapo-cache=only")
    assert done.code == 11
    assert "12 tests could not ask their model" in done.text
    assert project.baseline.read_bytes() == before

    done = project.gate()
    assert done.code == 10
    assert any("test_team[c01]" in line and "warranty" in line for line in done.text.splitlines())
    assert "one cause: sort gives another answer since this change of sort.md" in done.text

    project.write({"sort.md": PROMPT, "app.py": APP.replace('"model": "m"', '"model": "n"')})
    done = project.gate()
    assert done.code == 0
    assert (
        "pipeline 'pipeline' asked its models something else than when the baseline was written" in done.text
    )
