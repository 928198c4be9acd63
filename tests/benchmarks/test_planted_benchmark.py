"""The planted benchmark measures what it says: its pipelines, models, scripted optimizers, table."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import names
from benchmarks.ablation.further_faults import complaints, notices, receipts, shelves, town_news
from benchmarks.planted import cues, optimizers, run, talk
from benchmarks.planted.lab import laboratory
from benchmarks.planted.leaking import STYLES, arbitrary, labels_in, leaking
from benchmarks.planted.noise import RATE, noisy
from benchmarks.planted.pipelines import PLANTED, QUICK
from benchmarks.planted.project import Ran
from benchmarks.planted.rows_diagnosis import _clusters
from benchmarks.planted.rules_program import RULES, make_program, reflect
from benchmarks.planted.spec import Planted
from benchmarks.planted.table import Figure, share, show
from benchmarks.planted.talk import Ask, Say, Turn
from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.views.diagnosis_table import render_diagnosis

EVERY = (*PLANTED, complaints(), notices(), shelves(), town_news(), receipts())
"""With the faults that only the ablation looks at."""
SHAPES = {"classify", "extract", "RAG", "multi-hop", "agent", "router", "summarise", "code"}


def asked(text: str) -> Ask:
    return Ask((Turn("user", text),), model="m", temperature=0.0)


def test_at_least_thirty_pipelines_of_every_shape_and_level() -> None:
    assert len({planted.name for planted in EVERY}) == len(EVERY) > len(PLANTED) >= 30
    assert {planted.shape for planted in PLANTED} == SHAPES
    assert {planted.fault.level for planted in PLANTED} == {"prompt", "param", "structure"}
    assert set(QUICK) <= {planted.name for planted in PLANTED}


@pytest.mark.parametrize("planted", EVERY, ids=lambda planted: planted.name)
def test_a_fault_is_a_small_change_that_nothing_in_the_project_tells(planted: Planted) -> None:
    faulty, clean = planted.faulty, planted.files
    changed = {path for path in clean if faulty.get(path) != clean[path]}
    assert changed == {*planted.fault.changes, *planted.fault.missing}
    everything = "\n".join(faulty.values()).lower()
    assert not re.search(r"\b(planted|fault|faulty|bug|broken on purpose|clean twin)\b", everything)
    assert planted.fault.step in "".join(faulty.values())
    for path, text in faulty.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("planted", EVERY, ids=lambda planted: planted.name)
def test_every_split_has_cases_of_every_kind_and_hidden_ones_are_kept_apart(planted: Planted) -> None:
    cases = planted.cases()
    assert {split: bool(found) for split, found in cases.items()} == dict.fromkeys(cases, True)
    ids = [case["id"] for found in cases.values() for case in found]
    assert len(set(ids)) == len(ids) >= 48
    assert {case["split"] for case in cases["hidden"]} == {"hidden"}


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Answer with one of a, b, c and nothing else.", True),
        ("Reply with exactly one word.", True),
        ("Output only the JSON object.", True),
        ("Write nothing else: no sentence, no explanation.", True),
        ("Give the bare value.", True),
        ("Which team is it for?", False),
        ("Read the vendor and the total of an invoice.", False),
    ],
)
def test_models_read_a_demand_for_the_bare_answer_by_meaning(text: str, bare: bool) -> None:
    assert cues.only(text) is bare


def test_a_definition_counts_only_beside_its_label() -> None:
    assert cues.tells("pending: it has not arrived\nfailed: rejected", "pending", "arrived?")
    assert not cues.tells("pending\nfailed: it never arrived", "pending", "arrived?")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_tool_calls_and_their_results_are_read_in_every_shape(path: str) -> None:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "q"}], "input": "q"}
    ask = talk.read(path, body)
    assert ask.user == "q"
    answer = talk.write(path, ask, talk.call("look", key="k"))
    told = _follow_up(path, answer)
    later = talk.read(path, told)
    assert later.called == [("look", {"key": "k"})]
    assert later.results == ["found"]


def _follow_up(path: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a program's next request after a tool call."""
    user = {"role": "user", "content": "q"}
    if path.endswith("/messages"):
        result = {"type": "tool_result", "tool_use_id": "t", "content": "found"}
        turns = [
            user,
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [result]},
        ]
        return {"model": "m", "messages": turns}
    if path.endswith("/responses"):
        call = {key: answer["output"][0][key] for key in ("type", "call_id", "name", "arguments")}
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "found"}
        return {"model": "m", "input": [user, call, output]}
    message = answer["choices"][0]["message"]
    tool = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "found"}
    return {"model": "m", "messages": [user, message, tool]}


def test_an_answer_past_the_token_limit_is_cut_and_says_so() -> None:
    said = Say("x" * 100).within(10)
    assert (len(said.text), said.cut) == (40, True)
    assert talk.write("/chat/completions", asked("q"), said)["choices"][0]["finish_reason"] == "length"


_REQUEST = """\
# What may be edited

==== 0123abcd app/prompts/sort.md
Sort this: {ticket}
==== 0123abcd end

Parameters (address = value):
- app/settings.py::TOP_K = 1; allowed: 1..20

Functions there that may be edited: app/pipeline.py::handle, app/pipeline.py::sort
"""


def test_optimizers_see_what_a_request_shows() -> None:
    assert optimizers.shown(asked(_REQUEST)) == {
        "app/prompts/sort.md": "Sort this: {ticket}",
        "app/settings.py::TOP_K": "1",
        "app/pipeline.py::handle": "",
        "app/pipeline.py::sort": "",
    }


def test_the_helpful_optimizer_waits_until_it_may_edit_where_the_fault_is() -> None:
    planted = next(one for one in PLANTED if one.fault.level == "param" and "TOP_K" in str(one.fixes))
    answer = optimizers.helpful(planted)
    given = {edit["address"] for edit in json.loads(answer(asked(_REQUEST)).text)["edits"]}
    assert given == set(planted.fixes)
    without = _REQUEST.replace("TOP_K", "OTHER")
    assert json.loads(answer(asked(without)).text)["edits"][0]["address"] == "app/prompts/sort.md"


def test_memorised_labels_are_counted_where_they_stand() -> None:
    planted = arbitrary()
    rows = planted.rows[:6]
    offered: list[int] = []
    ask = asked("\n".join([*(row.key for row in rows), _REQUEST.replace("sort.md", "bins.md")]))
    for style in ("ticket numbers", "numbers backwards", "code"):
        body = json.loads(leaking(planted, style, offered)(ask).text)
        written = {edit["address"]: edit["text"] for edit in body["edits"]}
        assert labels_in(written, planted) == offered[-1] > 0
    assert labels_in(planted.files, planted) == 0
    assert len(STYLES) >= 10


def test_noise_is_as_frequent_as_said_and_drawn_anew() -> None:
    program = make_program(1, {"grade": 6}, train=400)
    model = noisy(program, 3)
    asks = [asked(program.prompts["grade"].format(goods=item.goods)) for item in program.items]
    wrong = [model(ask).text == RULES["grade"].wrong for ask in asks]
    again = [model(ask).text == RULES["grade"].wrong for ask in asks]
    assert RATE / 2 < sum(wrong) / len(wrong) < RATE * 2
    assert wrong != again


def test_a_right_edit_of_one_step_alone_shows_nothing() -> None:
    program = make_program(0, {"grade": 0, "place": 0})

    def passing(prompts: dict[str, str]) -> int:
        return sum(
            all(
                program.answer(asked(prompts[step].format(goods=item.goods))).text == item.right[step]
                for step in program.steps
            )
            for item in program.of_split("val")
        )

    items = program.of_split("train")
    better = {step: reflect(step, text, items) for step, text in program.prompts.items()}
    assert passing(program.prompts) == 0
    assert passing({**program.prompts, "grade": better["grade"]}) == 0
    assert passing(better) == len(program.of_split("val"))


def test_what_the_diagnosis_prints_is_read_back() -> None:
    finding = Finding(nodeid="t::a", case_id="a", pipeline="p", step="sort", category="label", level="param",
                      confidence=0.9, evidence="e")  # fmt: skip
    cluster = Cluster(id="k1", label="sort: the wrong label", pipeline="p", step="sort", category="label",
                      level="param", confidence=0.9, findings=[finding])  # fmt: skip
    out = io.StringIO()
    render_diagnosis(Diagnosis(findings=[finding], clusters=[cluster]), Evaluation(), out, width=200)
    if "sort" not in out.getvalue():
        pytest.fail(out.getvalue())
    assert _clusters(Ran(1, out.getvalue())) == [("sort", "label", "param", 1)]


def test_the_table_shows_figure_and_bar(capsys: pytest.CaptureFixture[str]) -> None:
    show([Figure("faults", "≥ 95 %", share(39, 40), True, "none", ["one was missed"])])
    out = capsys.readouterr().out
    assert "39 of 40 (97.5 %)  holds" in out
    assert "faults: one was missed" in out


def test_it_is_a_benchmark_among_the_others_and_names_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"planted", "cache", "startup"} <= set(names())
    assert run(check=True, quick=True, only="nonsense") == 2
    assert "diagnosis, playbook, helpful" in capsys.readouterr().out


@pytest.mark.slow
def test_a_clean_twin_passes_where_the_faulty_pipeline_fails(tmp_path: Path) -> None:
    planted = next(one for one in PLANTED if one.name == "policies")
    with laboratory() as lab:
        clean = lab.project(planted, planted.files, hidden=True).pytest("--tb=no")
        faulty = lab.project(planted, planted.faulty).pytest("--tb=no")
    assert (clean.code, clean.counts) == (0, {"passed": len(planted.rows)})
    assert faulty.code == 1
    assert faulty.counts["failed"] >= 10
