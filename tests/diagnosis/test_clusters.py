"""A step's artifacts, the level at which its failures are fixed, and the ceiling of each level."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.handmade import Bench, artifacts_of, prompt_file, span, unequal

from pytest_fapo.core.candidate import Artifact
from pytest_fapo.core.diagnosis import Cluster
from pytest_fapo.diagnosis.artifact_links import role_of
from pytest_fapo.diagnosis.attribution import diagnose

PIPELINE = {
    "handle": "def handle(q):\n    return answer(q, search(q))\n",
    "search": "def search(q):\n    return INDEX.find(q, settings.TOP_K, settings.MIN_SCORE)\n",
    "answer": "def answer(q, notes):\n    return ask(PROMPT.format(q=q, notes=notes))\n",
    "ask": "def ask(text):\n    return client.create(text, temperature=settings.TEMPERATURE)\n",
    "unrelated": "def unrelated():\n    return settings.TOP_K\n",
}


def function(name: str, source: str = "") -> Artifact:
    text = source or PIPELINE[name]
    address = f"app/flow.py::{name}"
    return Artifact(
        address=address, kind="function", level="structure", path="app/flow.py", name=name, text=text
    )


def param(name: str, value: Any, path: str = "app/settings.py") -> Artifact:
    address = f"{path}::{name}"
    return Artifact(
        address=address, kind="param", level="param", path=path, name=name, text=json.dumps(value)
    )


FUNCTIONS = [function(name) for name in PIPELINE]
NOTES = [f"note {number}" for number in range(3)]


def rag(failing: list[Any], passing: list[Any], ask: dict[str, Any] | None = None, **spans: Any) -> Bench:
    """Questions answered from notes; in failing cases the notes are these, in passing ones those."""
    bench = Bench()
    for number, notes in enumerate([*passing, *failing]):
        good = number < len(passing)
        value = f"value {number}"
        text = " ".join(notes).replace("VALUE", value)
        found = [note.replace("VALUE", value) for note in notes]
        said = value if good else "not stated"
        steps = [
            span("search", found, inputs={"q": number}, **spans),
            span("answer", prompt=f"Answer from the notes. {text}", answer=said, call=ask or {}),
        ]
        words = "" if good else unequal(said, value)
        bench.run({"q": f"question {number}"}, {"a": value}, steps, {"a": said}, explanation=words)
    return bench


def clusters(bench: Bench, *artifacts: Artifact) -> list[Cluster]:
    return diagnose(bench.evaluation, artifacts=artifacts).clusters


DEEP = [["is VALUE"], ["is VALUE"], ["other", "is VALUE"], ["is VALUE"]]


def test_a_step_uses_prompts_params_and_functions() -> None:
    bench = rag([["nothing"]], DEEP)
    prompt = prompt_file("prompts/answer.md", "Answer from the notes. {notes}")
    params = [param("TEMPERATURE", 0.3), param("TOP_K", 2), param("MIN_SCORE", 0.1), param("OTHER", 1)]
    everything = [prompt, *params, *FUNCTIONS]
    used = {
        step: [address.rpartition("::")[2] for address in found]
        for step in ("search", "answer", "")
        for found in [artifacts_of(step, "pipeline", bench.evaluation, everything)]
    }
    assert used["search"] == ["TOP_K", "MIN_SCORE", "search", "handle"]
    assert used["answer"] == ["prompts/answer.md", "TEMPERATURE", "answer", "handle", "ask"]
    assert used[""] == []
    assert artifacts_of("search", "another", bench.evaluation, everything)[-1] == "app/flow.py::handle"


def test_values_at_work_link_a_param_whose_name_stands_nowhere() -> None:
    calls = {"parameters": {"max_tokens": 60, "temperature": 0.3}, "model": "m-1"}
    bench = rag([["nothing"]], DEEP, ask=calls)
    config = [param(name, value, "config.yaml") for name, value in
              [("llm.token_limit", 60), ("llm.temperature", 0.4), ("llm.model", "m-1")]]  # fmt: skip
    linked = artifacts_of("answer", "pipeline", bench.evaluation, config)
    assert linked == ["config.yaml::llm.token_limit", "config.yaml::llm.model"]


@pytest.mark.parametrize(
    ("name", "linked"), [("Memory.SIZE", True), ("Memory.TOP_K", True), ("Memory.AGE", False)]
)
def test_as_many_entries_as_a_size_says_link_it(name: str, linked: bool) -> None:
    """The code that reads it may be that of a class outside of the scope."""
    bench = rag([["one", "two"]], [["is VALUE", "two"]] * 3)
    size = param(name, 2)
    assert artifacts_of("search", "pipeline", bench.evaluation, [size]) == [size.address] * linked


def test_names_of_steps_and_methods() -> None:
    named = function("run", '@fapo.step(name="search")\ndef run(q): ...\n')
    method = function("Base.search", "def search(self, q): ...\n")
    bench = rag([["nothing"]], DEEP)
    assert artifacts_of("search", "pipeline", bench.evaluation, [named]) == ["app/flow.py::run"]
    assert artifacts_of("Derived.search", "pipeline", bench.evaluation, [method]) == [method.address]
    assert artifacts_of("search", "pipeline", bench.evaluation, [function("x", "def (broken")]) == []


@pytest.mark.parametrize(
    ("failing", "passing", "artifacts", "level"),
    [
        # The depth is a parameter, and what was needed came late: look deeper.
        ([["a", "b"]], [["x", "is VALUE"]] * 4, [param("TOP_K", 2), *FUNCTIONS], "param"),
        # What was needed always came first of many: depth is not what is short.
        ([NOTES], [["is VALUE", *NOTES]] * 4, [param("TOP_K", 4), *FUNCTIONS], "structure"),
        # Fewer were found than asked for, and a threshold holds them back.
        ([[]], DEEP, [param("TOP_K", 3), param("MIN_SCORE", 0.5), *FUNCTIONS], "param"),
        # Fewer were found than asked for, and there is no threshold.
        ([["a"]], DEEP, [param("TOP_K", 3), *FUNCTIONS], "structure"),
        # The depth stands in the code.
        ([["a", "b"]], DEEP, FUNCTIONS, "structure"),
        # Nothing of it is in the scope: what would have to be.
        ([["a", "b"]], DEEP, [], "param"),
        ([["a", "b"]], DEEP, [param("COLOUR", 3)], "param"),
    ],
)
def test_retrieval_is_fixed_by_its_depth_or_by_another_retrieval(
    failing: list[Any], passing: list[Any], artifacts: list[Artifact], level: str
) -> None:
    (cluster,) = clusters(rag(failing, passing), *artifacts)
    assert (cluster.step, cluster.category, cluster.level) == ("search", "retrieval", level)


@pytest.mark.parametrize(
    ("tokens", "artifacts", "level"),
    [
        (8, [param("MAX_TOKENS", 8)], "param"),
        (400, [param("MAX_TOKENS", 8)], "param"),
        (400, FUNCTIONS, "prompt"),
        (8, FUNCTIONS, "structure"),
        (8, [], "param"),
    ],
)
def test_a_cut_answer_is_fixed_where_its_limit_stands(
    tokens: int, artifacts: list[Artifact], level: str
) -> None:
    bench = Bench()
    more = {"finish_reason": "length", "usage": {"output_tokens": tokens}, "parameters": {"max_tokens": 8}}
    bench.run("x", "y", [span("answer", prompt="p", answer="half", call=more)], explanation="assert 0")
    assert clusters(bench, *artifacts)[0].level == level


def test_code_that_goes_by_a_parameter_is_fixed_by_it() -> None:
    bench = Bench()
    for team, sure in [("red", 0.9), ("blue", 0.9), ("red", 0.8), ("blue", 0.2)]:
        out = team if sure > 0.5 else "nobody"
        spans = [
            span("guess", {"team": team, "sure": sure}, prompt="p", answer=f'{{"team": "{team}"}}'),
            span("choose", out, inputs={"guess": {"team": team, "sure": sure}}),
        ]
        words = "" if out == team else unequal(out, team)
        bench.run("x", {"team": team}, spans, {"team": out}, explanation=words)
    source = (
        "def choose(guess):\n    return guess['team'] if guess['sure'] > LEAST_CONFIDENCE else 'nobody'\n"
    )
    chooser, least = function("choose", source), param("LEAST_CONFIDENCE", 0.5)
    assert [(c.step, c.level) for c in clusters(bench, chooser)] == [("choose", "structure")]
    assert [(c.step, c.level) for c in clusters(bench, chooser, least)] == [("choose", "param")]


def test_ceilings_grow_with_the_levels() -> None:
    bench = rag([["a"], ["b"]], DEEP)
    bench.run("x", None, [span("answer", prompt="p", answer="I'm sorry, I can't help with that.")],
              explanation="assert 0", id="refused")  # fmt: skip
    bench.run("x", None, [span("load", error="OSError: gone")], error="OSError: gone",
              explanation="OSError: gone", error_type="OSError", id="broken")  # fmt: skip
    bench.run("x", None, [span("answer", prompt="p", call={"status": 503, "answer": None})],
              explanation="assert 0", id="down")  # fmt: skip
    found = diagnose(bench.evaluation, artifacts=[])
    assert found.ceilings == {"prompt": 5 / 9, "param": 7 / 9, "structure": 8 / 9}
    assert len(found.infrastructure) == 1


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("app/settings.py::RETRIEVAL_K", "depth"),
        ("cfg.yaml::search.topK", "depth"),
        ("x.py::Config.num_passages", "depth"),
        ("MAX_HOPS", "turns"),
        ("maxOutputTokens", "max_tokens"),
        ("llm.TEMP", "temperature"),
        ("top-p", "top_p"),
        ("SCORE_THRESHOLD", "threshold"),
        ("MODEL_NAME", "model"),
        ("MAX_CHARS", "length"),
        ("WEEK", None),
        ("template", None),
    ],
)
def test_what_a_parameter_is_for(name: str, role: str | None) -> None:
    assert role_of(name) == role
