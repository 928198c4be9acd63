from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Program = Callable[[str], Path]
Python = Callable[..., Any]


def printed(python: Python, folder: Path, code: str, **env: str) -> Any:
    result = python(folder, "-c", f"import json\n{code}", env=env)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_the_prompt_is_the_official_one_for_every_cve(program: Program, python: Python) -> None:
    same = printed(
        python,
        program("cti_rcm"),
        """
import dataset
from rcm.pipeline import CLASSIFY_PROMPT
rows = dataset.rows()
print(json.dumps([CLASSIFY_PROMPT.format(description=row["Description"]) == row["Prompt"] for row in rows]))
""",
    )
    assert same == [True] * 1000


def test_what_gpt4_answered_told_apart_into_right_form_and_wrong(program: Program, python: Python) -> None:
    counts = printed(
        python,
        program("cti_rcm"),
        """
import re
import dataset
from rcm.pipeline import answer
counts = {"right": 0, "wrong form": 0, "wrong": 0}
for row, text in zip(dataset.rows(), dataset.answers(), strict=True):
    last = answer(text)
    named = re.findall(r"CWE-\\d+", last)[-1:]
    kind = "right" if last == row["GT"] else "wrong form" if named == [row["GT"]] else "wrong"
    counts[kind] += 1
print(json.dumps(counts))
""",
    )
    assert counts == {"right": 591, "wrong form": 87, "wrong": 322}


def test_a_recording_answers_only_the_prompt_that_it_was_made_for(program: Program, python: Python) -> None:
    answers = printed(
        python,
        program("cti_rcm"),
        """
from types import SimpleNamespace
import dataset, recorded
row = dataset.rows()[0]
def ask(prompt):
    body = {"messages": [{"role": "user", "content": prompt}], "user": dataset.cve(row)}
    try:
        return recorded.answer(SimpleNamespace(body=body))
    except LookupError as error:
        return str(error)
print(json.dumps([ask(row["Prompt"]), ask(row["Prompt"] + "Be brief.")]))
""",
    )
    assert answers[0].endswith("CWE-20")
    assert answers[1].startswith("GPT-4's answers are recorded for the official prompt only")


def test_a_missing_folder_and_an_unknown_intent_say_what_to_do(
    program: Program, python: Python, tmp_path: Path
) -> None:
    code = (
        "import dataset, sys\ntry:\n    dataset.{0}()\nexcept Exception as e:\n    print(json.dumps(str(e)))"
    )
    rcm, banking = program("cti_rcm"), program("banking77")
    assert printed(python, rcm, code.format("cves"), FAPO_DATA="").endswith("it is not set")
    assert printed(python, rcm, code.format("cves"), FAPO_DATA=str(tmp_path)).endswith(str(tmp_path))
    assert printed(python, banking, code.format("questions"), BANKING_INTENTS="card_arival") == (
        "BANKING_INTENTS: there is no intent 'card_arival'; did you mean 'card_arrival'?"
    )


def test_banking_has_at_least_a_hundred_cases_of_a_few_intents(program: Program, python: Python) -> None:
    code = "import dataset\nprint(json.dumps([case['expected']['intent'] for case in dataset.questions()]))"
    banking = program("banking77")
    few = printed(python, banking, code)
    assert (len(few), len(set(few))) == (120, 3)
    assert len(set(printed(python, banking, code, BANKING_INTENTS="all"))) == 77


def test_the_data_is_not_in_the_repository(data: Path) -> None:
    programs = Path(__file__).parents[2] / "benchmarks" / "programs"
    names = {path.name for path in programs.rglob("*")}
    assert not names & {path.name for path in data.iterdir() if path.name != "README.md"}
