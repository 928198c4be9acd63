"""Snapshots as a person meets them: written with the baseline, compared by the merge gate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.ready_pytest import run_pytest

FILES = {
    "pyproject.toml": """
[tool.pytest.ini_options]
pythonpath = ["."]
[tool.fapo]
steps = ["shop:sort", "shop:reply"]
redact = ["Zo[eë]"]
[tool.fapo.scope]
prompts = ["prompts/*.md"]
[tool.fapo.offline]
model = "stand_in:answer"
""",
    "prompts/sort.md": "Which team should read this letter: refund or billing?\\n\\n{letter}\\n",
    "prompts/reply.md": "Write a short reply for team {team}.\\n\\n{letter}\\n",
    "shop.py": """
from pathlib import Path
import httpx

def handle(letter):
    return reply(letter, sort(letter))

def sort(letter):
    return ask("sort", letter=letter)

def reply(letter, team):
    return ask("reply", letter=letter, team=team)

def ask(prompt, **values):
    text = (Path(__file__).parent / "prompts" / f"{prompt}.md").read_text().format(**values)
    body = {"model": "small", "messages": [{"role": "user", "content": text}]}
    answer = httpx.post("https://llm.example/v1/chat/completions", json=body)
    return answer.raise_for_status().json()["choices"][0]["message"]["content"]
""",
    "stand_in.py": """
import os, time

def answer(request):
    time.sleep(float(os.environ.get("TAKES", "0")))
    if request.text.startswith("Which team"):
        return "refund" if "money" in request.text else "billing"
    return "We look into it." + os.environ.get("MOOD", "")
""",
    "test_shop.py": """
import pytest
import pytest_fapo as fapo
import shop

TRAIN = ("Zoe wants her money back.", "A wrong invoice.")
TEXTS = {"train": TRAIN, "val": ("My money!",), "holdout": ("Oh no",)}
CASES = [
    {"id": f"{split}-{number}", "inputs": text, "split": split}
    for split, texts in TEXTS.items()
    for number, text in enumerate(texts)
]

@pytest.fixture
def pipeline():
    return shop.handle

@fapo.cases(CASES)
def test_reply(case, run):
    assert run.output.startswith("We look")
""",
}
DROPPED = ("CI", "GITHUB_ACTIONS", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "PYTEST_ADDOPTS")


@dataclass
class Shop:
    """The project, and pytest runs in it."""

    root: Path

    @property
    def page(self) -> str:
        return (self.root / "fapo-snapshots" / "pipeline.md").read_text(encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def pytest(self, *arguments: str, code: int = 0, **environment: str) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        done = run_pytest(
            ["-q", "-p", "no:cacheprovider", *arguments],
            cwd=self.root,
            environment=kept | environment,
            timeout=120,
        )
        assert done.code == code, done.text
        return done.text

    def update(self, *arguments: str) -> str:
        return self.pytest("--fapo-update-baseline", *arguments)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.lstrip().replace("\\n", "\n"), encoding="utf-8")
    return Shop(tmp_path)


@pytest.mark.slow
def test_workers_write_the_same_page_and_only_a_changed_question_makes_it_stale(shop: Shop) -> None:
    pytest.importorskip("xdist")
    assert "snapshots: fapo-snapshots/pipeline.md" in shop.update("-n", "2")
    page = shop.page
    assert "[redacted] wants her money back." in page
    assert "Zoe" not in page
    assert "Oh no" not in page
    assert "snapshots: " not in shop.update()
    assert shop.page == page
    shop.pytest("--fapo-gate", "--fapo-cache=off", MOOD=" It may take a while, we are sorry to say.")
    shop.replace("shop.py", 'ask("sort", letter=letter)', 'ask("sort", letter=letter + "?")')
    said = shop.pytest("--fapo-gate", "-n", "2", code=11)
    assert "fapo-snapshots/pipeline.md: the snapshot of pipeline 'pipeline' is out of date: " in said
    assert "step 'sort' asks its model something else than it shows" in said
    assert "pytest --fapo-update-baseline" in said


@pytest.mark.slow
def test_a_replay_writes_the_page_that_the_live_run_wrote(shop: Shop) -> None:
    # A replayed call carries the live call's duration, which reaches beyond the calls that followed it here.
    shop.pytest("--fapo-update-baseline", TAKES="0.3")
    live = shop.page
    assert "answer of sort" in live
    shop.update("--fapo-cache=only")
    assert shop.page == live
    shop.pytest("--fapo-gate", "--fapo-cache=only")


@pytest.mark.slow
def test_no_snapshots_where_none_are_wanted(shop: Shop) -> None:
    shop.replace("pyproject.toml", "[tool.fapo]\n", '[tool.fapo]\nsnapshots = ""\n')
    shop.update()
    assert not (shop.root / "fapo-snapshots").exists()
    shop.replace("prompts/reply.md", "short reply", "brief reply")
    shop.pytest("--fapo-gate")


def test_a_part_of_the_cases_writes_no_snapshot(shop: Shop) -> None:
    shop.pytest("--fapo-update-baseline", "-k", "train", code=4)
    assert not (shop.root / "fapo-snapshots").exists()
