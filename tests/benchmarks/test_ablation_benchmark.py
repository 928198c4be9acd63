"""Parts that are left out: each can be, is put back, and is missed where it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ablation import workers
from benchmarks.ablation.judging import Reference, loss_without, tune_with_all
from benchmarks.ablation.memorized import Memorized
from benchmarks.ablation.parts import KINDS, Part, all_parts, leave_out, part, took_part
from benchmarks.ablation.subjects import handmade_subjects, planted_subject
from benchmarks.planted.pipelines import named
from benchmarks.planted.server import Server, serving
from pytest_fapo.diagnosis import attribution
from pytest_fapo.propose.playbook import playbook, prompt_techniques
from pytest_fapo.review.leakage import leak_detectors


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reference, dict[str, str]]:
    """A pipeline whose labels want definitions: tuned with all parts, and what is lost without some."""
    projects, evaluations = tmp_path_factory.mktemp("projects"), tmp_path_factory.mktemp("evaluations")
    with serving() as server, workers() as pool:
        subject = planted_subject(named(["intents"])[0], server, projects)
        reference = pool.submit(tune_with_all, subject, evaluations).result()
        losses = {
            key: pool.submit(loss_without, [part(key)], [reference], evaluations).result()
            for key in ("technique:definitions", "technique:tables")
        }
    return reference, losses


def test_every_kind_has_parts_of_different_names() -> None:
    parts = all_parts()
    assert {each.kind for each in parts} == {*KINDS}
    assert len({str(each) for each in parts}) == len(parts) > 40


@pytest.mark.parametrize("key", ["technique:label_set", "rule:field_values", "detector:copied_text"])
def test_a_part_is_gone_from_its_list_and_comes_back(key: str) -> None:
    def names() -> list[str]:
        return [
            *(each.__name__ for each in prompt_techniques.TECHNIQUES),
            *(each.__name__ for each in attribution.RULES),
            *(each.find.__name__ for each in leak_detectors.DETECTORS),
        ]

    before, left = names(), part(key)
    put_back = leave_out(left)
    try:
        assert left.name not in names()
        assert len(names()) == len(before) - 1
    finally:
        put_back()
    assert names() == before


def test_the_playbooks_own_way_to_an_operator_goes_with_it() -> None:
    before = vars(playbook)["as_turns"]
    put_back = leave_out(part("operator:demonstrations-as-turns"))
    try:
        assert vars(playbook)["as_turns"] is not before
    finally:
        put_back()
    assert vars(playbook)["as_turns"] is before


def test_a_name_that_no_part_has_is_refused() -> None:
    with pytest.raises(ValueError, match="technique:nothing"):
        part("technique:nothing")


@pytest.mark.slow
def test_a_fault_is_repaired_and_its_hidden_cases_with_it(tuned: tuple[Reference, dict[str, str]]) -> None:
    reference, _ = tuned
    assert reference.repaired
    assert reference.tuned.techniques == ["label definitions"]
    hidden = [name for name in reference.tuned.passing for case in reference.subject.unseen if case in name]
    assert len(hidden) == len(reference.subject.unseen) > 0


@pytest.mark.slow
def test_only_what_had_a_part_in_the_repair_concerns_it(tuned: tuple[Reference, dict[str, str]]) -> None:
    reference, _ = tuned
    assert reference.concerns(Part("technique", "definitions"))
    assert not reference.concerns(Part("technique", "tables"))
    assert not reference.concerns(Part("parameter", "depth"))


@pytest.mark.slow
def test_what_is_needed_is_missed_and_what_is_not_is_not(tuned: tuple[Reference, dict[str, str]]) -> None:
    _, losses = tuned
    assert "passing items are lost" in losses["technique:definitions"]
    assert losses["technique:tables"] == ""


def test_a_kind_of_parameter_is_known_by_what_its_moves_are_called() -> None:
    assert took_part(Part("parameter", "depth"), ["retrieval depth (variant 2)"], {})
    assert not took_part(Part("parameter", "depth"), ["token limit"], {})


@pytest.mark.slow
def test_labels_pass_the_review_only_where_what_finds_them_is_left_out(tmp_path: Path) -> None:
    memorized = Memorized(tmp_path)
    assert set(memorized.before.values()) == {0}
    undo = [leave_out(each) for each in all_parts() if each.kind == "detector"]
    try:
        assert sum(memorized.passing().values()) > 0
    finally:
        for put_back in reversed(undo):
            put_back()
    assert memorized.passing() == memorized.before


def test_projects_that_can_run_by_themselves_are_taken_from_a_folder(tmp_path: Path) -> None:
    source, scratch = tmp_path / "given", tmp_path / "copies"
    for name, model in {"plain": "", "offline": '[tool.fapo.offline]\nmodel = "stand_in:answer"\n'}.items():
        (source / name).mkdir(parents=True)
        (source / name / "pyproject.toml").write_text(f"[tool.fapo]\n{model}", encoding="utf-8")
    (source / "served").mkdir()
    (source / "served" / "pyproject.toml").write_text("[tool.fapo]\n", encoding="utf-8")
    (source / "served" / "brain.py").write_text(
        "import re\ndef reply(messages, body, n):\n    return messages[-1]['content'].upper()\n",
        encoding="utf-8",
    )
    server = Server()
    found = handmade_subjects(source, server, scratch)
    assert [subject.name for subject in found] == ["offline", "served"]
    assert {path.name for path in scratch.iterdir()} == {"offline", "served"}
    assert [*server.models] == ["served"]
