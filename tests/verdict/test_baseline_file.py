"""`fapo-baseline.json`: what stands in it, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.judged import evaluation, trace

from pytest_fapo.core.errors import BaselineError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall
from pytest_fapo.verdict.baseline_contents import make_baseline
from pytest_fapo.verdict.baseline_file import read_baseline, write_baseline


def written(folder: Path, made: Evaluation) -> str:
    path = folder / "fapo-baseline.json"
    write_baseline(path, make_baseline(made, artifacts={"b.md": "2", "a.md": "1"}))
    return path.read_text(encoding="utf-8")


def test_one_case_a_line_sorted(tmp_path: Path) -> None:
    made = evaluation({"v2": "+", "t2": "-", "t1": "+", "h1": "s"}, tags={"t1": ["y", "x"]})
    text = written(tmp_path, made)
    order = [text.index(name) for name in ('"a.md"', '"b.md"', '"t1"', '"t2"', '"v2"', '"h1"')]
    assert order == sorted(order)
    (line,) = [line for line in text.splitlines() if '"t1"' in line]
    case = json.loads("{" + line.strip().rstrip(",") + "}")["t1"]
    assert case["items"] == {"test_a.py::test[t1]": "passed"}
    assert case["tags"] == ["x", "y"]
    assert case["output"] == '{"answer":"fine"}'
    assert [key for key, _ in case["steps"]] == ["look", "handle"]
    changed = written(
        tmp_path, evaluation({"v2": "+", "t2": "+", "t1": "+", "h1": "s"}, tags={"t1": ["x", "y"]})
    )
    differing = [
        one for one, other in zip(text.splitlines(), changed.splitlines(), strict=True) if one != other
    ]
    assert len(differing) == 2, "the case and the score of its split"


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make_baseline(
        evaluation({"t1": "++-", "v1": "+++"}, scores={"t1": 1 / 3}), artifacts={"a.md": "1"}
    )
    path = tmp_path / "fapo-baseline.json"
    assert write_baseline(path, made) is True
    assert read_baseline(path) == made
    assert made.pipelines["answer"].repeats == 3
    assert made.pipelines["answer"].cases["train"]["t1"].items == {"test_a.py::test[t1]": "2 of 3"}
    assert made.pipelines["answer"].scores == {"train": 0.666667, "val": 1.0}
    stamp = path.stat().st_mtime_ns
    assert write_baseline(path, made) is False
    assert path.stat().st_mtime_ns == stamp


def test_hostile_names_and_outputs_stay_on_their_line(tmp_path: Path) -> None:
    name = 't"\n\u2028\x85</script>\u202e'
    made = evaluation({name: "-"}, outputs={name: "half a pair: \ud800 \u2029"})
    text = written(tmp_path, made)
    assert len(text.splitlines()) == len(text.split("\n")) - 1
    assert "\u202e" not in text
    known = read_baseline(tmp_path / "fapo-baseline.json").pipelines["answer"].cases["train"]
    assert list(known) == [name]


def test_long_outputs_are_cut_and_still_told_apart(tmp_path: Path) -> None:
    one, other = (
        make_baseline(evaluation({"t1": "+"}, outputs={"t1": "x" * 5_000 + end}), artifacts={})
        for end in "ab"
    )
    first, second = (each.pipelines["answer"].cases["train"]["t1"] for each in (one, other))
    assert first.output == second.output
    assert len(first.output) <= 240
    assert json.loads(first.output)["answer"].endswith("…")
    assert first.output_digest != second.output_digest
    assert first.steps != second.steps


def test_concurrent_steps_may_begin_in_any_order() -> None:
    from pytest_fapo.verdict.baseline_contents import first_difference, step_digests

    one = trace("answer", "t1", {"a": 1, "b": 2})
    other = trace("answer", "t1", {"b": 2, "a": 1})
    other.steps[0].output = one.steps[0].output
    assert first_difference(step_digests(one), step_digests(other)) == ""


@pytest.mark.parametrize(
    ("content", "said", "kind", "line"),
    [
        (None, "does not exist: there is nothing to compare with", "missing-baseline", 0),
        ("{", ":1: not valid JSON", "stale-format", 1),
        ('{\n<<<<<<< HEAD\n"format": 1\n=======\n', ":2: an unresolved merge conflict", "stale-format", 2),
        ("[]", "is not a baseline of this plugin", "stale-format", 0),
        ('{"format": 99}', "has format 99, this version of pytest-fapo reads format 1", "stale-format", 0),
        ('{"format": true}', "has format True", "stale-format", 0),
        ('{"format": 1}', "plugin: field required", "stale-format", 0),
        ('{"format": 1, "plugin": "0", "more": 1}', "more: extra inputs", "stale-format", 0),
        ("[" * 100_000, "", "stale-format", 0),
        ("\xff", "not UTF-8 text", "stale-format", 0),
        (
            '{"format": 1, "plugin": "0", "pipelines": {"p": {"cases": {"train": {"a": {"items": '
            '{"n": "sort of"}}}}}}}',
            "'sort of' is none of passed",
            "stale-format",
            0,
        ),
    ],
)
def test_what_cannot_be_read_says_so_in_a_sentence(
    tmp_path: Path, content: str | None, said: str, kind: str, line: int
) -> None:
    path = tmp_path / "fapo-baseline.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BaselineError) as caught:
        read_baseline(path)
    assert said in str(caught.value)
    assert "fapo-baseline.json" in str(caught.value)
    assert "pytest --fapo-update-baseline" in str(caught.value)
    assert (caught.value.kind, caught.value.line) == (kind, line)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    made = make_baseline(evaluation({"t1": "+"}), artifacts={})
    (tmp_path / "fapo-baseline.json").mkdir()
    with pytest.raises(BaselineError, match="cannot be written"):
        write_baseline(tmp_path / "fapo-baseline.json", made)
    assert [path.name for path in tmp_path.iterdir()] == ["fapo-baseline.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "fapo-baseline.json"
    link.symlink_to(tmp_path / "elsewhere" / "real.json")
    write_baseline(link, make_baseline(evaluation({"t1": "+"}), artifacts={}))
    assert link.is_symlink()
    assert read_baseline(tmp_path / "elsewhere" / "real.json") == read_baseline(link)


def test_two_tests_on_a_case_share_its_line(tmp_path: Path) -> None:
    made = evaluation({"t1": "+"})
    made.items |= evaluation({"t1": "-"}, test="test_a.py::test_other").items
    case = make_baseline(made, artifacts={}).pipelines["answer"].cases["train"]["t1"]
    assert case.items == {"test_a.py::test[t1]": "passed", "test_a.py::test_other[t1]": "failed"}


def test_names_of_xdist_groups_are_no_part_of_a_test() -> None:
    made = evaluation({"t1": "++"})
    for item in made.items.values():
        item.nodeid += "@group"
    case = make_baseline(made, artifacts={}).pipelines["answer"].cases["train"]["t1"]
    assert case.items == {"test_a.py::test[t1]": "2 of 2"}


def test_a_changed_question_changes_no_line_of_a_case(tmp_path: Path) -> None:
    one, other = evaluation({"t1": "+", "t2": "+"}), evaluation({"t1": "+", "t2": "+"})
    for made, key in ((one, "k1"), (other, "k2")):
        for each in made.traces.values():
            each.llm_calls = [LLMCall(key=key, api="chat.completions", url="http://x", model="m")]
    pairs = zip(written(tmp_path, one).splitlines(), written(tmp_path, other).splitlines(), strict=True)
    assert [first.split(":")[0] for first, second in pairs if first != second] == ['"calls"']
