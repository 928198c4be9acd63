"""Rows: steps that block each other, and the calls it takes; GEPA gets the same reflector and cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.planted.gepa_rival import THREADS, available, run_gepa
from benchmarks.planted.lab import Lab
from benchmarks.planted.rules_program import Program, make_program, reflecting
from benchmarks.planted.table import Figure

METRIC_CALLS = 1_200
"""GEPA's budget in evaluated cases."""
RATIO = 1 / 3


@dataclass(frozen=True)
class Compared:
    """One program, tuned by both."""

    seed: int
    val: float
    """Validation score of what was written, run by plain pytest."""
    calls: int
    rival_val: float
    rival_calls: int
    said: str


def joint(lab: Lab, seeds: int) -> tuple[Figure, list[Compared]]:
    """Two steps of six rules each, of which a case needs both; prompts with none or one at first."""
    programs = [
        make_program(seed, {"grade": seed % 2, "place": seed // 2 % 2}, plain=14) for seed in range(seeds)
    ]
    done = lab.each(lambda job: compare(lab, *job), list(enumerate(programs)))
    whole = sum(one.val == 1.0 for one in done)
    rival = [one.rival_val for one in done]
    return Figure(
        "two steps that block each other: final validation",
        "1.0 on every seed",
        f"1.0 on {whole} of {len(done)} seeds, at least {min(one.val for one in done):.2f}",
        whole == len(done) > 0,
        f"GEPA {min(rival):.2f}-{max(rival):.2f}" if available() else "GEPA is not installed",
        [f"seed {one.seed}: {one.val:.2f}; {one.said}" for one in done if one.val < 1.0],
    ), done


def calls(lab: Lab, seeds: int, joint_runs: Sequence[Compared]) -> Figure:
    """Task-model calls until validation is at 1.0, on the programs of `joint`.

    Beside it, without a bar: one step of four lacks its rules, so that nothing blocks.
    """
    steps = ("grade", "place", "duty", "carrier")
    programs = [
        make_program(seed, {step: 0 if step == steps[seed % 4] else 6 for step in steps})
        for seed in range(seeds)
    ]
    done = lab.each(lambda job: compare(lab, *job), list(enumerate(programs)))
    ratio = _ratio(joint_runs)
    return Figure(
        "task-model calls to get there",
        "≤ 1/3 of GEPA's",
        f"{ratio:.2f} of GEPA's" if available() else "GEPA is not installed",
        available() and ratio <= RATIO and all(one.val == 1.0 for one in joint_runs),
        "1.00",
        [
            f"both run {THREADS} cases at once; GEPA stops as soon as its validation is at 1.0, "
            f"at the latest after {METRIC_CALLS:,} evaluated cases",
            _comparison("two steps that block each other", joint_runs),
            _comparison("no bar: one step of four", done),
        ],
    )


def _ratio(runs: Sequence[Compared]) -> float:
    theirs = sum(one.rival_calls for one in runs)
    return sum(one.calls for one in runs) / theirs if theirs else 0.0


def _comparison(name: str, runs: Sequence[Compared]) -> str:
    if not runs:
        return f"{name}: left out"
    count = len(runs)
    ours, theirs = sum(one.calls for one in runs), sum(one.rival_calls for one in runs)
    there = sum(one.val == 1.0 for one in runs), sum(one.rival_val == 1.0 for one in runs)
    return (
        f"{name}: {ours / count:,.0f} calls a run against {theirs / count:,.0f} ({_ratio(runs):.2f}); "
        f"at 1.0: {there[0]} and {there[1]} of {count}"
    )


def compare(lab: Lab, seed: int, program: Program) -> Compared:
    """Tune one program with both optimizers."""
    project = lab.place(
        "rules", program.files(), program.cases(), model=program.answer, optimizer=reflecting(program)
    )
    project.configure(optimizer=["openai:opt-reflect"], diagnoser="off", reviewer="off", concurrency=THREADS)
    project.configure(prune_calls=0)  # counted is the way to the goal; GEPA stops there too
    ran = project.pytest("--fapo-optimize", "--tb=no")
    used = lab.calls(project)
    val = _validation(lab, program, project.sources())
    rival = run_gepa(lab, program, seed=seed, metric_calls=METRIC_CALLS, until=1.0) if available() else None
    return Compared(
        seed,
        val,
        used,
        rival.val if rival else 0.0,
        rival.calls if rival else 0,
        " / ".join(line.strip() for line in ran.output.splitlines()[-6:] if line.strip())[:300],
    )


def _validation(lab: Lab, program: Program, files: dict[str, str]) -> float:
    """Share of validation cases that pass on these files, in a project of their own."""
    cases = program.cases()
    project = lab.place("rules-val", {**program.files(), **files}, cases, model=program.answer)
    ran = project.pytest("--tb=no", "-rA", "--fapo-cache=off")
    wanted = {item.id for item in program.of_split("val")}
    passed = {
        line.split("[")[1].rstrip("]") for line in ran.output.splitlines() if line.startswith("PASSED ")
    }
    return len(wanted & passed) / len(wanted)
