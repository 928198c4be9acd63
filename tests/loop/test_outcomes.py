"""`pytest --fapo-optimize`, end to end: the tree comes out improved and proven, or untouched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.teams import (
    ADDRESS,
    APP,
    BAD_PROMPT,
    GOOD_PROMPT,
    PYPROJECT,
    MakeProject,
    Project,
    Server,
    obedient,
    proposal,
    teams_cases,
)


@pytest.mark.slow
def test_a_good_edit_is_proven_and_written_and_a_second_run_changes_nothing(
    project: MakeProject, server: Server
) -> None:
    made = project({"app/pipeline.py": APP})
    before = made.snapshot()
    result = made.optimize("-ra")
    assert result.code == 0, result.text
    assert "FAILED test_teams.py" not in result.text
    after = made.snapshot()
    assert {name for name in after if before.get(name) != after[name]} == {ADDRESS}
    assert made.prompt == GOOD_PROMPT
    assert "train 0 % → 100 %" in result.text
    assert len(server.optimizer_requests) == 1
    page = (made.run_directory / "summary.md").read_text(encoding="utf-8")
    assert f"**Changed in your project: {ADDRESS}.**" in page
    assert "| train |" in page
    calls = len(server.task_requests)
    again = made.optimize()
    assert again.code == 0, again.text
    assert made.snapshot() == after
    assert len(server.task_requests) == calls


BLOCKED = {
    "leaked answers": (BAD_PROMPT + "Ticket 'my money is gone (order 1000)' is for billing.\n", "leak"),
    "case ids": (BAD_PROMPT + "T-000 is billing, T-001 is shipping.\n", "leak"),
    "dropped placeholder": (GOOD_PROMPT.replace("{ticket}", "the ticket"), "placeholder"),
    "new placeholder": (GOOD_PROMPT + "Customer: {customer}\n", "placeholder"),
    "no-op": (BAD_PROMPT + "\n", ""),
    "far too long": (GOOD_PROMPT + "Be careful and exact. " * 2000, "size"),
}


def blocked_one_after_the_other(made: Project, server: Server, answers: list[object]) -> list[str]:
    """One run with an optimizer that gives these answers: what review said of each, in order."""
    remaining = iter(answers)
    server.optimizer = lambda body: next(remaining, answers[-1])
    before = made.snapshot()
    result = made.optimize()
    assert result.code == 1, result.text
    assert made.snapshot() == before
    assert "blocked in review" in result.text
    assert "Your files are untouched" in result.text
    # The baseline's requests and no more: nothing was evaluated.
    assert len(server.task_requests) == 30
    said = []
    for event in made.journal():
        if event["event"] == "blocked":
            said.append(event["problems"])
        elif event["event"] == "judged":
            said.append(event["attempt"]["review"]["problems"])
    return [str([problem["check"] for problem in problems]) for problems in said]


@pytest.mark.slow
def test_what_review_blocks_costs_no_call(project: MakeProject, server: Server) -> None:
    answers: list[object] = [proposal(text) for text, _ in BLOCKED.values()]
    said = blocked_one_after_the_other(project(), server, answers)
    assert len(said) >= len(BLOCKED)
    for checks, (_, expected) in zip(said, BLOCKED.values(), strict=False):
        assert checks != "[]"
        assert expected in checks


@pytest.mark.slow
def test_edits_outside_the_scope_are_blocked(project: MakeProject, server: Server) -> None:
    outside = ["app/pipeline.py", "test_teams.py", "../outside.md", "/etc/passwd", "cases.jsonl"]
    made = project()
    said = blocked_one_after_the_other(made, server, [proposal("x = 1\n", address) for address in outside])
    assert len(said) >= len(outside)
    assert all("scope" in checks for checks in said)
    assert not (made.root.parent / "outside.md").exists()


@pytest.mark.slow
@pytest.mark.parametrize("answers", [["", "I would rather not."], ['{"edits": 3}', "[" * 5000, "{}"]])
def test_garbage_is_a_failed_attempt_and_not_the_end(
    project: MakeProject, server: Server, answers: list[str]
) -> None:
    remaining = iter(answers)
    server.optimizer = lambda body: next(remaining, answers[-1])
    made = project()
    before = made.snapshot()
    result = made.optimize()
    assert result.code == 1, result.text
    assert made.snapshot() == before
    assert "Traceback" not in result.text
    assert "Your files are untouched" in result.text


@pytest.mark.slow
def test_a_blocked_edit_goes_back_once_with_the_reason(project: MakeProject, server: Server) -> None:
    answers = iter([GOOD_PROMPT.replace("{ticket}", "it"), GOOD_PROMPT])
    server.optimizer = lambda body: proposal(next(answers))
    made = project()
    result = made.optimize()
    assert result.code == 0, result.text
    assert "{ticket}" in str(server.optimizer_requests[1]["messages"])
    assert made.prompt == GOOD_PROMPT


@pytest.mark.slow
def test_the_whole_suite_guards_even_when_a_part_was_selected(project: MakeProject, server: Server) -> None:
    server.optimizer = lambda body: proposal(GOOD_PROMPT + "Think of the customer first. " * 15)
    made = project()
    before = made.snapshot()
    result = made.optimize("-k", "T-")
    assert result.code == 1, result.text
    assert made.snapshot() == before
    assert "test_prompt_is_short" in result.text
    result = made.optimize("-k", "T-", "--fapo-guard=selected")
    assert result.code == 0, result.text
    assert made.snapshot() != before


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "holdout"])
def test_an_edit_that_breaks_a_hidden_case_is_rejected_and_the_case_not_named(
    project: MakeProject, server: Server, split: str
) -> None:
    """One case of the split passes before and fails with the edit that fixes train."""

    def task(prompt: str) -> str:
        if "magic" in prompt:
            return "other" if "nothing else" not in prompt else "billing"
        return obedient(prompt)

    server.task = task
    made = project()
    lines = (made.root / "cases.jsonl").read_text()
    secret = '{"id": "S-1", "inputs": {"ticket": "magic"}, "expected": {"team": "other"}, "split": "%s"}'
    (made.root / "cases.jsonl").write_text(lines + "\n" + secret % split)
    before = made.snapshot()
    result = made.optimize("-q")
    assert result.code == 1, result.text
    assert made.snapshot() == before
    assert "S-1" not in result.text
    assert all("S-1" not in str(body) and "magic" not in str(body) for body in server.optimizer_requests)


@pytest.mark.slow
def test_the_optimizer_sees_train_cases_only(project: MakeProject, server: Server) -> None:
    server.optimizer = lambda body: proposal(BAD_PROMPT + "Please.\n")
    made = project()
    made.optimize()
    seen = str([body["messages"] for body in server.optimizer_requests])
    assert "my money is gone (order 1000)" in seen
    for case in teams_cases():
        if case["split"] != "train":
            assert case["id"] not in seen
            assert case["inputs"]["ticket"] not in seen


@pytest.mark.slow
def test_an_edit_that_no_case_reads_is_inert(project: MakeProject, server: Server) -> None:
    made = project({"app/prompts/unused.md": "Old words for nobody.\n"})
    server.optimizer = lambda body: proposal("New words for nobody.\n", "app/prompts/unused.md")
    before = made.snapshot()
    result = made.optimize()
    assert result.code == 1, result.text
    assert "inert" in result.text
    assert made.snapshot() == before


@pytest.mark.slow
def test_a_file_edited_meanwhile_is_left_alone(project: MakeProject, server: Server) -> None:
    made = project()
    subprocess.run(["git", "init", "-q"], cwd=made.root, check=True)

    def optimizer(body: object) -> object:
        (made.root / ADDRESS).write_text(BAD_PROMPT + "Mine!\n")
        return proposal(GOOD_PROMPT)

    server.optimizer = optimizer
    result = made.optimize()
    assert made.prompt == BAD_PROMPT + "Mine!\n"
    assert result.code == 1, result.text
    assert "fapo apply" in result.text


@pytest.mark.slow
def test_never_writes_nothing_and_under_ci_a_patch_is_saved_that_git_applies(
    project: MakeProject, server: Server
) -> None:
    made = project()
    made.env["CI"] = "true"
    subprocess.run(["git", "init", "-q"], cwd=made.root, check=True)
    before = made.snapshot()
    assert made.optimize("--fapo-write=never").code == 1
    assert made.snapshot() == before
    result = made.optimize()
    assert result.code == 1, result.text  # the tree as it is left still fails
    assert made.snapshot() == before
    line = next(line for line in result.text.splitlines() if "git apply" in line)
    command = line[line.index("git apply") :].strip()
    subprocess.run(command, shell=True, cwd=made.root, check=True)
    assert made.prompt == GOOD_PROMPT


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["-v -n2", "-p no:terminal --junitxml=out.xml"])
def test_it_works_with_pytests_own_options(project: MakeProject, server: Server, arguments: str) -> None:
    made = project()
    result = made.optimize(*arguments.split())
    assert result.code == 0, result.text
    assert made.prompt == GOOD_PROMPT


@pytest.mark.slow
def test_what_fails_its_final_proof_is_not_written(project: MakeProject, tmp_path: Path) -> None:
    """A test that passes three times (baseline, unpatched copy, candidate) and then never again."""
    counter = tmp_path / "shared" / "runs"
    counter.parent.mkdir()
    allowed = PYPROJECT.replace("[tool.fapo]", f"[tool.fapo]\nallow_write = ['{counter.parent}']", 1)
    made = project(
        {
            "pyproject.toml": allowed,
            "test_flaky.py": f"""
            from pathlib import Path

            def test_flaky():
                counter = Path({str(counter)!r})
                runs = int(counter.read_text()) if counter.exists() else 0
                counter.write_text(str(runs + 1))
                assert runs < 3
            """,
        }
    )
    before = made.snapshot()
    result = made.optimize()
    assert result.code == 1, result.text
    assert made.snapshot() == before
    assert "final proof" in result.text
    said = "test_flaky.py::test_flaky: assert 3 < 3"
    assert said in " ".join(result.text.split())
    assert said in (made.run_directory / "final-proof.txt").read_text()
    assert (made.run_directory / "final-proof.json").is_file()
