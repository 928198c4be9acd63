"""Only needed parts are written: parts of accepted edits without which nothing is lost are left out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.teams import ADDRESS, BAD_PROMPT, PYPROJECT, MakeProject, Server, obedient, proposal

from pytest_fapo.core.candidate import Artifact, Edit
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.scope import Scope
from pytest_fapo.core.settings import Settings
from pytest_fapo.loop.pruning import Pruner, parts_of, without
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.loop.search_state import BestTree
from pytest_fapo.verdict.policy import GatePolicy

PLAIN = Artifact(address="p.md", kind="file", level="prompt", path="p.md", name="", text="")
BEFORE = "Sort the mail.\n\nMail: {mail}\n"
RULES = """
## Teams
- refund: money
  that goes back
- parcel: things

Be brief.
Say no more
than that.

```
{"team": "refund"}

{"team": "parcel"}
```
"""


def texts(edit: Edit) -> list[str]:
    return [part.text.strip() for part in parts_of(edit, PLAIN)]


def test_the_parts_of_a_text_are_its_rules_paragraphs_and_changes() -> None:
    edit = Edit(address="p.md", before=BEFORE, after=BEFORE.replace("Sort", "Sort out") + RULES)
    assert texts(edit) == [
        "Sort out the mail.",
        "- refund: money\n  that goes back",
        "- parcel: things",
        "Be brief.\nSay no more\nthan that.",
        '```\n{"team": "refund"}\n\n{"team": "parcel"}\n```',
    ]


@pytest.mark.parametrize("end", ["\n", ""])
def test_any_part_can_be_left_out_and_all_of_them_leave_the_text_as_it_was(end: str) -> None:
    before = BEFORE.removesuffix("\n") + end
    edit = Edit(address="p.md", before=before, after=before.replace("Sort", "Sort out") + "\n" + RULES)
    parts = parts_of(edit, PLAIN)
    for part in parts:
        smaller = without(edit, PLAIN, [part])
        assert smaller is not None
        assert part.text.strip() not in smaller.after
        for other in parts:
            assert other is part or other.text.strip() in smaller.after
    assert without(edit, PLAIN, parts) is None
    assert without(edit, PLAIN, []) == edit


def test_a_heading_goes_with_the_last_of_its_rules() -> None:
    edit = Edit(address="p.md", before=BEFORE, after=BEFORE + RULES)
    refund, parcel, *_ = parts_of(edit, PLAIN)
    one, both = without(edit, PLAIN, [refund]), without(edit, PLAIN, [refund, parcel])
    assert one is not None
    assert both is not None
    assert "## Teams" in one.after
    assert "## Teams" not in both.after
    assert "Be brief." in both.after


@pytest.mark.parametrize("kind", ["param", "function"])
def test_code_and_parameters_are_left_out_whole_or_not_at_all(kind: str) -> None:
    artifact = Artifact.model_validate(PLAIN.model_dump() | {"kind": kind, "address": "s.py::f"})
    edit = Edit(address="s.py::f", before="a\n", after="a\nb\n\nc\n")
    (part,) = parts_of(edit, artifact)
    assert without(edit, artifact, [part]) is None


def test_what_is_known_as_luck_keeps_no_part(tmp_path: Path) -> None:
    """A test that fails now and then whatever the prompt says failed by chance when the tree was accepted."""
    (tmp_path / "p.md").write_text(BEFORE)

    def evaluation(**outcomes: str) -> Evaluation:
        made = Evaluation()
        for name, outcome in outcomes.items():
            fields = {"nodeid": name, "case_id": name, "pipeline": "p", "split": "train", "outcome": outcome}
            made.items[name] = ItemResult.model_validate(fields)
        return made

    reference = evaluation(helped="failed", lucky="passed")
    accepted = evaluation(helped="passed", lucky="failed")
    after = (BEFORE + "\n- needed\n- idle\n").encode()
    best = BestTree(accepted, "c1", {"p.md": after}, chance=frozenset({("", "lucky")}))

    def result(files: dict[str, bytes], *_: object) -> Evaluation:
        needed = b"- needed" in files["p.md"]
        return evaluation(helped="passed" if needed else "failed", lucky="failed")

    request = SimpleNamespace(
        settings=Settings(prune_calls=100),
        policy=GatePolicy(),
        snapshot=ScopeSnapshot.take(tmp_path, Scope(prompts=["p.md"])),
        run=SimpleNamespace(journal=SimpleNamespace(tell=lambda note: None)),
    )
    evaluator = SimpleNamespace(must_pass=result, proof=result)
    pruned = Pruner(request, evaluator, reference).prune(best, 0)  # type: ignore[arg-type]
    assert pruned.gone == ["p.md: - idle"]
    assert pruned.best.chance == best.chance, "the proof of what is written must know it too"


NEEDED = "- Reply with one lower-case word out of billing, shipping, other and with nothing else.\n"
IDLE = "- Be friendly to the customer.\n- Mind the number of the order.\n"


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "left"), [("", NEEDED), ("prune_calls = 0", NEEDED + IDLE)])
def test_rules_without_which_nothing_is_lost_are_not_written(
    project: MakeProject, server: Server, setting: str, left: str
) -> None:
    server.optimizer = lambda body: proposal(BAD_PROMPT + "\nRules:\n" + IDLE + NEEDED)
    files = {"pyproject.toml": PYPROJECT.replace("prune_calls = 0", setting)}
    made = project(files)
    result = made.optimize(timeout=300)
    assert result.code == 0, result.text
    assert sorted(made.prompt.splitlines()) == sorted((BAD_PROMPT + "\nRules:\n" + left).splitlines())
    assert ("Left out" in result.text) is not bool(setting)
    if not setting:
        flat = " ".join(result.text.split())
        assert "2 parts that the accepted edits do not need" in flat
        assert f"{ADDRESS}: - Be friendly to the customer." in flat


@pytest.mark.slow
def test_a_rule_that_few_cases_need_comes_back_when_the_proof_misses_it(
    project: MakeProject, server: Server
) -> None:
    """One ticket of thirty needs the second rule, the last one: a sample of the others does not tell."""
    lines = "- Tickets of order 2073 are urgent.\n"

    def task(prompt: str) -> str:
        urgent = "order 2073)" in prompt
        return "I cannot say." if urgent and "are urgent" not in prompt else obedient(prompt)

    def optimizer(body: dict[str, Any]) -> Any:
        return proposal(BAD_PROMPT + "\n" + lines + NEEDED)

    server.task, server.optimizer = task, optimizer
    made = project({"pyproject.toml": PYPROJECT.replace("prune_calls = 0", "")})
    result = made.optimize(timeout=300)
    assert result.code == 0, result.text
    assert NEEDED in made.prompt
    assert lines in made.prompt
    assert json.loads((made.run_directory / "summary.json").read_text())["pruned"] == []
