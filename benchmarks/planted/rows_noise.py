"""Row: edits that change nothing, judged by a pipeline that is wrong now and then."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.planted.gepa_rival import available, run_gepa
from benchmarks.planted.lab import Lab
from benchmarks.planted.noise import changing_nothing, noisy, nothing_new
from benchmarks.planted.rules_program import make_program
from benchmarks.planted.table import Figure

CANDIDATES = 20
MOST = 1 / 40


@dataclass(frozen=True)
class Changed:
    """The changes of a run, if any."""

    ours: bool
    rival: bool
    tried: bool
    """True if there was something to optimize: with luck no case fails at first."""


def noise(lab: Lab, seeds: int) -> Figure:
    """A/A test: 5 % call noise, 50 validation cases, twenty edits that change nothing."""
    done = lab.each(lambda seed: _run(lab, seed), range(seeds))
    ours, rival = sum(one.ours for one in done), sum(one.rival for one in done)
    return Figure(
        "A/A: runs that change anything",
        "≤ 1 of 40",
        f"{ours} of {len(done)}",
        ours <= max(1, MOST * len(done)),
        f"GEPA {rival} of {len(done)}" if available() else "GEPA is not installed",
        [f"{sum(one.tried for one in done)} of {len(done)} runs had a failing case to work on"],
    )


def _run(lab: Lab, seed: int) -> Changed:
    program = make_program(seed, {"grade": 6}, holdout=25)
    project = lab.place(
        "noise",
        program.files(),
        program.cases(),
        model=noisy(program, seed),
        optimizer=changing_nothing(),
    )
    project.configure(optimizer=["openai:opt-nothing"], diagnoser="off", reviewer="off")
    before = project.sources()
    ran = project.pytest("--fapo-optimize", "--tb=no", f"--fapo-max-candidates={CANDIDATES}")
    rival = False
    if available():
        rival = run_gepa(
            lab, program, seed=seed, model=noisy(program, seed), reflector=nothing_new, iterations=CANDIDATES
        ).changed
    return Changed(project.sources() != before, rival, tried=" failed" in ran.output)
