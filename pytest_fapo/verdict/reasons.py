"""The sentence of every verdict: why a candidate is rejected, and what speaks against a merge.

No other module writes one. The first half is about candidates and gives sentences; the second half is about
`--fapo-gate` and gives `GateProblem`s, which say beside the sentence what kind it is and what to type.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.core.gate_result import GateProblem, GateProblemKind
from pytest_fapo.core.record import Split
from pytest_fapo.core.text import count, listing, percent

# --- candidates: gains ----------------------------------------------------------------------------------


def fixed_and_broken(fixed: int, broken: int) -> str:
    """Of an accepted candidate."""
    return f"{count(fixed, 'test')} fixed, {f'{broken:,} broken' if broken else 'nothing broken'}"


def figures(effect: float, chance: float) -> str:
    """The paired difference on train and how likely it is where nothing has changed."""
    return f"train {points(effect)}, p = {chance:.2g}"


def no_target_passes(targets: int, failed: int = 0, error_type: str = "", message: str = "") -> str:
    """No targeted case passes.

    Args:
        targets: that were run.
        failed: how many of them ended in the same exception; 0 where no exception explains most.
        error_type: its class.
        message: the first line of what pytest said of it.
    """
    said = "none of the cases that it targets passes now"
    if not failed:
        return said
    error = message if error_type in message else f"{error_type}: {message}"
    return f"{said}: {failed} of {targets} ended in {error}"


def targets_pass_without_gain(targets: int, *, flaky: int, seldom: int, quoted: int) -> str:
    """Targeted tests pass, and none of that counts as a gain.

    Args:
        targets: all of them.
        flaky: passed now and then before.
        seldom: pass in half of their repeats or fewer.
        quoted: are quoted as examples by the edit.
    """
    parts = {
        "passed now and then before": flaky,
        "in half of their repeats or fewer": seldom,
        "quoted as examples by the edit itself": quoted,
    }
    how = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{flaky + seldom + quoted} of the {targets} tests that it targets pass now, no gain: {how}"


def too_few_targets_pass() -> str:
    return "too few of the cases that it targets pass now"


def objective_did_not_rise(objective: str) -> str:
    """Of the targeted cases."""
    return f"the metric {objective!r} did not rise on the cases that it targets"


def train_did_not_rise(objective: str | None, *, flaky: bool = False) -> str:
    """The score, or the objective, is no higher; with `flaky`, only tests that varied before rose."""
    return f"{_score_name(objective, 'train')} did not rise{_BUT_FLAKY if flaky else ''}"


def gain_may_be_chance(effect: float, chance: float) -> str:
    return f"the gain on train ({points(effect)}) may be chance (p = {chance:.2g})"


_BUT_FLAKY = ", but for tests that passed now and then before"


def _score_name(objective: str | None, split: Split) -> str:
    return f"the metric {objective!r} on {split}" if objective is not None else f"the {split} score"


# --- candidates: losses ---------------------------------------------------------------------------------


def passed_before(split: Split, lost: int, *, seldom: bool) -> str:
    """Tests of one split that passed before fail; with `seldom`, some of their repeats still pass."""
    what = f"{count(lost, f'{split} test')} that passed before"
    if seldom:
        return f"{what} {'passes' if lost == 1 else 'pass'} in at most half of their repeats now"
    return f"{what} {'fails' if lost == 1 else 'fail'} now"


def score_fell(objective: str | None, split: Split, *, flaky: bool = False) -> str:
    """The score, or the objective, is lower; with `flaky`, tests that varied before hide it."""
    return f"{_score_name(objective, split)} fell{_BUT_FLAKY if flaky else ''}"


def loss_not_excluded(split: Split, margin: float, low: float, high: float) -> str:
    return (
        f"{split} does not exclude a loss of more than {points(margin, sign=False)} "
        f"({points(low)} to {points(high)}); more cases or --fapo-repeats tell more"
    )


def fell_below(split: Split, floor: float) -> str:
    return f"the {split} score fell below {percent(floor)}"


def metric_fell(metric: str, split: Split, fall: float) -> str:
    """A guarded metric fell; of held-out cases nothing is said that tells how much."""
    if split == "holdout":
        return f"the metric {metric!r} fell on held-out cases"
    return f"the metric {metric!r} fell by {fall:.3g} on {split}"


_HELD_OUT = {
    "strict": "held-out cases that passed before fail now",
    "paired": "the held-out cases do not exclude a loss",
    "target": "the held-out cases fell below the target and what they were",
}


def held_out_lost(policy: str) -> str:
    """The one bit that is said of held-out cases.

    Args:
        policy: name of the policy.
    """
    return _HELD_OUT[policy]


def broke_tests(names: Sequence[str]) -> str:
    return f"broke what passed before: {first_names(names, 2)}"


def suite_stopped(stopped: str) -> str:
    return f"the full suite did not run to its end: {stopped}"


def dropped(stage: str) -> str:
    return f"the evaluation was dropped at {stage}"


# --- candidates: fresh samples --------------------------------------------------------------------------


def gains_did_not_recur(asked: int, held: int, *, varying_judges: int = 0) -> str:
    """Fixed cases were run again on both trees, and the gain is not confirmed.

    Args:
        asked: cases that were run again.
        held: those that came again more often than not.
        varying_judges: cases of which a judge said something else of the same output.
    """
    if asked == 1 and not held:
        found = "the fixed case does not pass only with the edit"
    else:
        number = f"{held or 'none'} of the {asked} fixed cases" if asked > 1 else "the fixed case"
        found = f"{number} {'pass' if held > 1 else 'passes'} only with the edit"
    said = f"noise: asked again on both trees, {found}{', too rarely to exclude luck' if held else ''}"
    if varying_judges:
        said += f"; the judge varies over the same output ({count(varying_judges, 'case')})"
    return said


def nothing_became_steadier(runs: int, more: int, less: int) -> str:
    """No case is fixed, and fresh runs do not confirm that cases pass more often.

    Args:
        runs: fresh runs of each on both trees.
        more: runs that passed only with the edit.
        less: runs that passed only without.
    """
    return (
        f"noise: nothing is fixed, and in {runs} fresh runs on both trees what passes "
        f"more often passed {more} times only with the edit and {less} times only without"
    )


def train_did_not_rise_again(samples: int) -> str:
    return f"noise: in {fresh_samples(samples)} train did not rise"


def gain_may_still_be_chance(samples: int, effect: float, chance: float) -> str:
    return f"noise: in {fresh_samples(samples)} the gain on train may be chance ({figures(effect, chance)})"


def loss_still_not_excluded(split: Split, margin: float, samples: int, low: float, high: float) -> str:
    return (
        f"{split} does not exclude a loss of more than {points(margin, sign=False)} "
        f"in {fresh_samples(samples)} ({points(low)} to {points(high)})"
    )


def fresh_samples(number: int) -> str:
    return f"{count(number, 'fresh sample')} on both trees"


# --- candidates: not judged on their cases --------------------------------------------------------------


def blocked(problems: Sequence[str]) -> str:
    """The review lets it be run by nobody.

    Args:
        problems: what the review says.
    """
    return "; ".join(problems)


def never_read(paths: Sequence[str]) -> str:
    """Inert: the edited files play no part."""
    return f"inert: no test ever read {', '.join(paths)}"


def changes_nothing() -> str:
    """Inert: the edited files are read, and nothing follows from it."""
    return "inert: it changes no request and no output of the cases that were run"


def no_recorded_answer(tests: int) -> str:
    """Under `--fapo-cache=only` nothing is sent: what an edit would change cannot be seen."""
    what = "1 test asks" if tests == 1 else f"{tests:,} tests ask"
    return f"not judged: with this edit {what} what has no recorded answer (--fapo-cache=only)"


def provider_rejects(outage: str) -> str:
    return f"the provider rejects what this edit asks for: {outage}"


def tests_stopped(stopped: str) -> str:
    return f"the tests could not be run to their end with this edit: {stopped}"


def losses_were_luck() -> str:
    """Of a candidate that wins its cases for now, and is still to be proven."""
    return "what it lost passed when it was asked again; it was not judged to the end"


# --- candidates: beside another winner, and the final proof ---------------------------------------------


def went_into(merge: str) -> str:
    """Of a candidate that is accepted as a part of another.

    Args:
        merge: id of the one whose edits hold these.
    """
    return f"wins its cases and went into {merge}"


def looks_used_up(looks: int) -> str:
    return (
        f"wins its cases, and could not be proven: the held-out cases were asked {count(looks, 'time')} "
        f"(holdout_looks)"
    )


def set_aside_for(winner: str) -> str:
    return f"wins its cases too, and is set aside for another try on top of {winner}"


def covered_by(winner: str) -> str:
    return f"fixes its cases too, and none that {winner} does not fix"


def same_cause_as(winner: str) -> str:
    return f"wins its cases too, and {winner} was taken for the same cause"


def proof_lost(lost: int, held_out: int) -> str:
    """Tests that passed before did not pass in the final proof.

    Args:
        lost: all of them.
        held_out: those on held-out cases.
    """
    which = count(lost, "test") + " that passed before did not pass then"
    return which + (f", {held_out} of them on held-out cases" if held_out else "")


def proof_stopped(stopped: str) -> str:
    return f"the tests did not run to their end: {stopped}"


def part_rejected(reason: str) -> str:
    """Of changes that a person chose: the gate rejects them."""
    return f"what you chose does not pass without the rest: {reason}"


# --- merges: accuracy fell ------------------------------------------------------------------------------

UPDATE = "pytest --fapo-update-baseline"
"""The command to type if the baseline itself is out of date."""


def passes_less_often(
    what: str, effect: float, cases: int, interval: tuple[float, float], chance: float
) -> GateProblem:
    """Under `paired`.

    Args:
        what: the cases, in words.
        effect: their mean difference.
        cases: how many.
        interval: 95 % confidence interval of `effect`.
        chance: the p-value.
    """
    low, high = interval
    return GateProblem(
        kind="worse",
        message=f"{what} passes less often than in the baseline: {points(effect)} over "
        f"{cases} cases (95 % interval {points(low)} to {points(high)}, p = {chance:.2g})",
    )


def too_few_cases(pipeline: str, cases: int) -> GateProblem:
    """Under `paired`: no loss could show."""
    return GateProblem(
        kind="too-few-cases",
        message=f"pipeline {pipeline!r} has {cases} cases in the baseline, too few for the policy "
        f"'paired': it could not tell if all of them failed; repeat them, or use the policy 'strict'",
        command="pytest --fapo-gate --fapo-repeats=3",
    )


def target_missed(pipeline: str, split: str, score: float, target: float) -> GateProblem:
    """Under `target`."""
    return GateProblem(
        kind="floor",
        message=f"pipeline {pipeline!r}: {split} is at {percent(score, decimals=1)}, "
        f"below the target of {percent(target, decimals=1)}",
    )


def baseline_metric_fell(
    pipeline: str, metric: str, split: Split, fall: float, allowed: float
) -> GateProblem:
    message = (
        f"pipeline {pipeline!r}: the metric {metric!r} fell by {fall:.3g} on {split} ({allowed:g} allowed)"
    )
    return GateProblem(kind="metric", message=message)


def floor_missed(pipeline: str, group: str, score: float, floor: float, *, metric: bool) -> GateProblem:
    """A `--fapo-min-score` is not reached.

    Args:
        pipeline: name of the pipeline.
        group: of the table of scores.
        score: what it is.
        floor: what it must be.
        metric: both are in a metric's own unit.
    """
    if metric:
        said = f"{group} is {score:.4g}, its floor is {floor:.4g}"
    else:
        what = "its score" if group == "all" else group
        said = f"{what} is {percent(score, decimals=1)}, its floor is {percent(floor, decimals=1)}"
    return GateProblem(kind="floor", message=f"pipeline {pipeline!r}: {said}")


# --- merges: that cannot be judged ----------------------------------------------------------------------


def unknown_floor(floor: str, known: Sequence[str]) -> GateProblem:
    """A floor that nothing is measured against.

    Args:
        floor: its name.
        known: what could be named.
    """
    message = f"the floor {floor!r} is for nothing that was scored; there are: "
    return GateProblem(kind="empty", message=message + (", ".join(known) or "no scores"))


def session_stopped(stopped: str) -> GateProblem:
    message = f"the tests did not run to their end: {stopped or 'not every test has a result'}"
    return GateProblem(kind="interrupted", message=message)


def nothing_ran() -> GateProblem:
    return GateProblem(kind="empty", message="no test on a case was run: there is nothing to judge")


def nothing_to_compare() -> GateProblem:
    message = "the baseline has no verdict on any case: there is nothing to compare with"
    return GateProblem(kind="empty", message=message, command=UPDATE)


def baseline_tests_not_run(names: Sequence[str]) -> GateProblem:
    verb = "was" if len(names) == 1 else "were"
    return GateProblem(
        kind="missing-cases",
        message=f"{count(len(names), 'test')} of the baseline {verb} not run "
        f"({first_names(names)}); run all of them, or, where they were removed or renamed on purpose, "
        f"update the baseline",
        command=UPDATE,
    )


def answers_not_recorded(names: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="cache-miss",
        message=f"{count(len(names), 'test')} asked a model something that no recorded answer is for "
        f"({first_names(names)}); record the answers once and commit or pass on the exported cache",
        command="pytest --fapo-update-baseline && fapo cache export",
    )


def model_did_not_answer(outage: str, advice: str) -> GateProblem:
    message = f"{outage}; nothing is said of accuracy: {advice}"
    return GateProblem(kind="no-answer", message=message, command="pytest --fapo-gate")


def connected_to_a_host(names: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="cache-miss",
        message=f"{count(len(names), 'test')} connected to a host although only recorded answers "
        f"may be used ({first_names(names)}); [tool.fapo] allow_hosts names hosts that may be reached",
    )


def made_no_calls(cases: Sequence[str]) -> GateProblem:
    return GateProblem(
        kind="no-calls",
        message=f"{count(len(cases), 'case')} made LLM calls when the baseline was written and none now "
        f"({first_names(cases)}): does a cache of a library answer, or a client that is not captured? "
        f"Where the calls were taken out on purpose, update the baseline",
        command=UPDATE,
    )


def went_past_a_limit(names: Sequence[str]) -> GateProblem:
    message = f"{count(len(names), 'test')} went past a limit of calls or cost ({first_names(names)})"
    return GateProblem(kind="interrupted", message=message)


def worker_lost(names: Sequence[str]) -> GateProblem:
    return GateProblem(kind="lost-worker", message=f"the xdist worker {', '.join(names)} was lost")


def not_collected(files: Sequence[str]) -> GateProblem:
    return GateProblem(kind="interrupted", message=f"{listing(files, most=3)} could not be collected")


def without_result(missing: int, expected: int, stopped: str) -> GateProblem:
    """Collected tests left no result.

    Args:
        missing: how many.
        expected: all that were collected.
        stopped: why pytest ended early; empty where it did not.
    """
    said = f"{missing:,} of {expected:,} tests left no result"
    return GateProblem(kind="interrupted", message=f"{said}: {stopped or 'they were not run to their end'}")


def test_without_a_case_fails(nodeid: str) -> GateProblem:
    message = f"{nodeid} fails, a test without a case"
    return GateProblem(kind="test", message=message, path=nodeid.split("::")[0])


# --- merges: only said ----------------------------------------------------------------------------------


def prompts_changed(addresses: Sequence[str]) -> GateProblem:
    said = f"{first_names(addresses)} changed since the baseline was written"
    return _remark("stale-baseline", f"{said}, and the baseline was not updated")


def questions_changed(pipelines: Sequence[str]) -> GateProblem:
    names = first_names([repr(name) for name in pipelines])
    said = f"pipeline {names} asked its models something else than when the baseline was written"
    return _remark("stale-baseline", f"{said}, and the baseline was not updated")


def not_in_the_baseline(names: Sequence[str], noun: str, failing: int) -> GateProblem:
    """Cases, or tests on known cases, without a verdict in the baseline.

    Args:
        names: of them.
        noun: `case` or `test`.
        failing: tests on them that fail.
    """
    verb = "has" if len(names) == 1 else "have"
    message = f"{count(len(names), noun)} {verb} no verdict in the baseline yet ({first_names(names)})"
    message += f"; {failing} of the tests on them fail" if failing else ""
    return _remark("new-cases", message)


def _remark(kind: GateProblemKind, message: str) -> GateProblem:
    return GateProblem(kind=kind, message=message, command=UPDATE, fails=False)


# --- words ----------------------------------------------------------------------------------------------


def first_names(names: Sequence[str], most: int = 3) -> str:
    """The first names, the others counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def points(share: float, *, sign: bool = True) -> str:
    """A share as percentage points."""
    number = 100 * share
    return f"{number:+.1f} points" if sign else f"{number:.3g} points"
