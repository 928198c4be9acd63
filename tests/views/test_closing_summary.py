from __future__ import annotations

import shlex
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from support.report_samples import Output, accepted

from pytest_fapo.core.spending import Spending
from pytest_fapo.core.trace import Usage
from pytest_fapo.loop.run_summary import SplitResult, Summary, candidate_line
from pytest_fapo.views.closing_summary import (
    complete_summary,
    render_summary,
    save_summary_page,
    summary_markdown,
)
from pytest_fapo.views.terminal import Terminal


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "stop": "nothing-left",
        "tests": 150,
        "failing": 3,
        "splits": [
            SplitResult(split="train", tests=90, before=0.61, after=0.98, fixed=33),
            SplitResult(split="holdout", tests=30, before=0.55, after=0.93, fixed=11),
        ],
        "fixed": 44,
        "writing": "written",
        "files": ["app/prompts/triage.md", "app/texts.py"],
        "artifacts": ["app/prompts/triage.md", "app/texts.py::FINAL_PROMPT"],
        "accepted": 3,
        "rejected": 5,
        "spending": Spending(
            calls=212, cache_hits=1034, cost=0.42, usage=Usage(input_tokens=120_304, output_tokens=20_113)
        ),
        "duration": 43.0,
        "run_directory": ".fapo/runs/1",
        "holdout_looks": 2,
    }
    return Summary(**{**values, **changes})


def rendered(value: Summary, **options: Any) -> list[str]:
    output = Output()
    render_summary(value, output, **options)
    blank, *lines = output.lines
    assert blank == ""
    return lines


def test_the_whole_summary() -> None:
    assert rendered(summary()) == [
        "Changed in your project: app/prompts/triage.md and app/texts.py::FINAL_PROMPT.",
        "3 of 150 tests still fail.",
        "",
        "          tests   before   after   fixed   broken",
        "train        90     61 %    98 %      33        0",
        "holdout      30     55 %    93 %      11        0",
        "",
        "Stopped     nothing left to propose",
        "Tried       8 candidates: 3 accepted, 5 rejected",
        "Held-out    checked 2 times",
        "LLM calls   212 sent, 1,034 answered from the cache",
        "Tokens      120,304 in, 20,113 out",
        "Cost        $0.42",
        "Time        0:43",
        "Record      .fapo/runs/1",
        "Next        git diff",
    ]


def test_a_narrow_terminal_is_not_overrun() -> None:
    lines = rendered(
        summary(stand_in="desk.offline:answer", llm_could_try=["draft: wrong content in 'reply'"] * 4),
        tty=True,
        width=60,
    )
    assert max(len(line) for line in lines) <= 60


def test_a_patch_comes_with_the_line_that_applies_it(tmp_path: Path) -> None:
    patch = tmp_path / "a run" / "final.patch"
    patch.parent.mkdir()
    (tmp_path / "prompt.md").write_text("old\n")
    patch.write_text("--- a/prompt.md\n+++ b/prompt.md\n@@ -1 +1 @@\n-old\n+new\n")
    lines = rendered(summary(writing="patch", patch="a run/final.patch"), tty=True, width=30)
    command = next(line.strip() for line in lines if line.startswith("    git"))
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True)
    assert (tmp_path / "prompt.md").read_text() == "new\n"
    assert lines[0].startswith("Your files are untouched.")
    assert " ".join(" ".join(lines).split()).endswith(
        "Next pytest --fapo-review goes through it change by change"
    )


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        (
            {"writing": "conflict", "conflicts": ["a.md: changed since the run began"], "patch": "p"},
            "Your files are untouched (a.md: changed since the run began). "
            "The change is saved as a patch. Apply it with:",
        ),
        (
            {"writing": "never", "patch": "p"},
            "Your files are untouched (--fapo-write=never). The change is kept as a patch. Apply it with:",
        ),
        (
            {"writing": "declined", "patch": "p"},
            "Your files are untouched, as you chose. The change is kept as a patch. Apply it with:",
        ),
        (
            {"writing": "patch", "stop": "interrupted", "patch": "p"},
            "Your files are untouched. What was accepted by then is saved as a patch, without the final "
            "proof. Apply it with:",
        ),
        ({"writing": "nothing"}, "Your files are untouched: no change was proven to help."),
        (
            {"writing": "nothing", "stop": "no-failures", "failing": 0},
            "Your files are untouched: nothing fails, so there is nothing to fix.",
        ),
        (
            {"writing": "nothing", "stop": "no-failures", "failing": 3},
            "Your files are untouched: no train case fails, and edits are made from train cases only.",
        ),
    ],
)
def test_the_first_line_says_what_became_of_the_files(changes: dict[str, Any], first: str) -> None:
    assert rendered(summary(**changes))[0] == first


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"failing": 0}, "All 150 tests pass now."),
        ({"failing": 0, "fixed": 0}, "All 150 tests pass."),
        ({"failing": 1, "writing": "patch"}, "With the patch, 1 of 150 tests still fails."),
        (
            {"failing": 12, "target": 0.9, "exit_code": 0},
            "The target of 90 % is met; 12 of 150 tests still fail.",
        ),
        ({"failing": 80, "target": 0.99}, "The target of 99 % is not met; 80 of 150 tests still fail."),
    ],
)
def test_the_meaning_of_the_exit_code(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in rendered(summary(**changes))


@pytest.mark.parametrize(
    ("changes", "label", "text"),
    [
        ({"stop": "target", "target": 0.9}, "Stopped", "the target is reached"),
        (
            {"stop": "budget", "stop_detail": "--fapo-max-calls=20"},
            "Stopped",
            "a limit is reached: --fapo-max-calls=20",
        ),
        ({"stop": "interrupted"}, "Stopped", "interrupted; what was accepted before is kept"),
        ({"stop": "error", "stop_detail": "disk full"}, "Stopped", "an error: disk full"),
        ({"holdout_looks": 0}, "Held-out", "never checked"),
        (
            {"stand_in": "m:f", "spending": Spending(calls=3, unpriced_models=["x"])},
            "Cost",
            "nothing: the stand-in is free",
        ),
        ({"next_command": "pytest --fapo-resume"}, "Next", "pytest --fapo-resume"),
        (
            {"optimizer_spending": Spending(calls=4)},
            "LLM calls",
            "212 sent, 1,034 answered from the cache (4 of those sent were the optimizer's)",
        ),
    ],
)
def test_lines_of_the_summary(changes: dict[str, Any], label: str, text: str) -> None:
    assert f"{label:<12}{text}" in rendered(summary(**changes))


def test_a_baseline_that_was_not_reproduced_names_the_cases_and_the_reason() -> None:
    text = "\n".join(
        rendered(
            summary(
                stop="not-reproduced",
                stop_detail="app/data.txt lies outside the project",
                unreproduced=[f"t.py::test[{n}]" for n in range(7)],
                writing="nothing",
            )
        )
    )
    assert "nothing was tried" in text
    assert "before" in text
    assert "after" not in text
    assert "7 tests came out differently in a copy: app/data.txt lies outside the project" in text
    assert "t.py::test[0], t.py::test[1], t.py::test[2], t.py::test[3], t.py::test[4] and 2 more" in text
    assert "Next        pytest --fapo-diagnose" in text


def test_examples_are_offered_where_the_settings_keep_them_out() -> None:
    could = {"llm_could_try": ["draft: content"]}
    offered = " ".join("\n".join(rendered(summary(examples_unasked=True, **could))).split())
    assert 'demonstrations = "train" lets the playbook show train cases.' in offered
    assert "demonstrations" not in "\n".join(rendered(summary(**could)))


def test_a_stand_in_and_what_an_llm_could_try_are_said() -> None:
    text = "\n".join(rendered(summary(stand_in="desk.offline:answer", llm_could_try=["draft: content"])))
    assert "The offline stand-in desk.offline:answer answered, not a real model" in text
    assert "Still open  draft: content. The free playbook has no more ideas" in text
    assert 'optimizer = ["playbook", "anthropic:<model>"]' in text


def test_markdown_says_the_same_and_lists_what_was_tried() -> None:
    text = summary_markdown(summary(candidates=[candidate_line(accepted()), "c4 ```"], stand_in="m:f"))
    assert text.startswith("# pytest-fapo\n\n**Changed in your project: app/prompts/triage.md")
    assert "| train | 90 | 61 % | 98 % | 33 | 0 |" in text
    assert "- **Cost**: $0.42" in text
    assert "\n````text\nc3 triage" in text
    assert "\x1b" not in text
    assert "FINAL\\_PROMPT" in text


def test_the_page_is_written_from_the_runs_own_summary(tmp_path: Path) -> None:
    made, page = summary(stand_in="m:f"), tmp_path / "summary.md"
    (tmp_path / "summary.json").write_text(made.model_dump_json())
    complete_summary(tmp_path)
    assert page.read_text(encoding="utf-8") == summary_markdown(made)
    (tmp_path / "summary.json").write_text(made.model_copy(update={"stand_in": ""}).model_dump_json())
    complete_summary(tmp_path)
    assert "m:f" in page.read_text(encoding="utf-8")
    save_summary_page(tmp_path)
    assert "m:f" not in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [None, "{", '{"a field of another version": 1}'])
def test_without_a_summary_there_is_no_page(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    complete_summary(tmp_path)
    assert not (tmp_path / "summary.md").exists()


def test_a_patch_is_merged_where_a_file_of_it_was_edited_meanwhile() -> None:
    waiting = summary(
        writing="conflict",
        files=["prompts/draft.md"],
        patch=".fapo/runs/7/changes.patch",
        conflicts=["tests/test_mail.py changed", "prompts/draft.md changed"],
    )
    assert "    fapo apply 7" in rendered(waiting)
    named = {"patch": "config/.fapo/runs/7/changes.patch", "settings_file": "config/our settings.toml"}
    assert "    fapo apply -c 'config/our settings.toml' 7" in rendered(waiting.model_copy(update=named))
    elsewhere = waiting.model_copy(update={"conflicts": ["tests/test_mail.py changed"]})
    assert "    git apply .fapo/runs/7/changes.patch" in rendered(elsewhere)


def test_an_outage_advises_no_other_optimizer() -> None:
    stopped = summary(stop="no-answer", llm_could_try=["draft: content"])
    assert "An LLM may have" not in "\n".join(rendered(stopped))


@pytest.mark.parametrize("width", range(40, 100, 7))
def test_a_number_and_its_unit_stay_on_one_line(width: int) -> None:
    file = StringIO()
    line = "c10 draft · desk/texts.py — accepted: train 83 % → 87 %, val 83 % → 87 %, 11 fixed, 0 broken"
    Terminal(file, tty=True, width=width).line(line, indent=3)
    lines = [each.strip() for each in file.getvalue().splitlines()]
    assert " ".join(lines) == line
    assert len(lines) > 1 or width >= len(line)
    assert not [each for each in lines if each.startswith("%")]
