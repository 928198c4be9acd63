"""The benchmark with a real model: its tasks, and what it says where something is absent."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks import real
from benchmarks.__main__ import main
from benchmarks.real.our_run import write_project
from benchmarks.real.tasks import SIZES, TASKS, UNSEEN


def test_what_is_absent_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("FAPO_BENCH_DATA", raising=False)
    monkeypatch.setattr(real, "find_spec", lambda name: None)
    assert main(["real", "--quick"]) == 0
    assert main(["real", "--check", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().out
    assert "xllamacpp (pip install 'pytest-fapo[local]')" in said
    assert "banking77-train.csv (--data FOLDER or FAPO_BENCH_DATA)" in said


def test_a_seed_gives_every_label_its_share_and_nothing_twice(tmp_path: Path) -> None:
    task = TASKS[0]
    for name in task.files:
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "category"])
            rows.writerows(
                [f"{name} {label} {number}", label] for label in task.labels for number in range(40)
            )
    cases = task.cases(tmp_path, seed=1)
    given = [row for rows in cases.splits.values() for row in rows]
    assert len(given) == sum(SIZES.values())
    assert len(cases.unseen) == UNSEEN
    assert len({*given, *cases.unseen}) == len(given) + UNSEEN
    assert {label for _, label in cases.train} == set(task.labels)
    assert task.cases(tmp_path, seed=1) == cases != task.cases(tmp_path, seed=2)
    project = tmp_path / "project"
    write_project(TASKS[3], cases, project)
    text = (project / "app" / "bot.py").read_text(encoding="utf-8")
    compile(text, "bot.py", "exec")
    assert "return label(wish(text))" in text
    assert len((project / "cases" / "texts.csv").read_text(encoding="utf-8").splitlines()) == len(given) + 1
