"""The sentence of every verdict on a candidate: why it is rejected, or why what was accepted is not written.

No other module writes one. What speaks against a merge is in `gate_problems.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pytest_fapo.core.record import Split
from pytest_fapo.core.text import count, percent, score_text

Aim: TypeAlias = str | None
"""A graded metric, or None for the share of passing tests."""

# --- candidates: gains ----------------------------------------------------------------------------------

_WINS_TOO = "wins its cases too, but "
_FIXES_TOO = "fixes its cases too, but "


def fixed_and_broken(fixed: int, broken: int) -> str:
    """Of an accepted candidate."""
    return f"{count(fixed, 'test')} fixed, {f'{broken:,} broken' if broken else 'nothing broken'}"


def figures(effect: float, chance: float, aim: Aim = None) -> str:
    """The paired difference on train and how likely it is where nothing has changed."""
    name = f"{aim} " if aim is not None else ""
    return f"train {name}{amount(effect, aim)}, p = {chance:.2g}"


def no_target_passes(targets: int, failed: int = 0, error_type: str = "", message: str = "") -> str:
    """No targeted case passes.

    Args:
        targets: that were run.
        failed: how many of them ended in the same exception; 0 where no exception explains most.
        error_type: its class.
        message: the first line of what pytest said of it.
    """
    said = "none of its target cases passes now"
    if not failed:
        return said
    error = message if error_type in message else f"{error_type}: {message}"
    return f"{said}: {failed} of {targets} ended in {error}"


def targets_pass_without_gain(targets: int, *, flaky: int, seldom: int, quoted: int) -> str:
    """Targeted tests pass, and none of that counts as a gain.

    Args:
        targets: all of them.
        flaky: passed sometimes before.
        seldom: pass in half of their repeats or fewer.
        quoted: are quoted as examples by the edit.
    """
    parts = {
        "passed sometimes before": flaky,
        "in half of their repeats or fewer": seldom,
        "quoted as examples by the edit itself": quoted,
    }
    how = ", ".join(f"{number} {what}" for what, number in parts.items() if number)
    return f"{flaky + seldom + quoted} of the {targets} target tests pass now, no gain: {how}"


def too_few_targets_pass() -> str:
    return "too few of its target cases pass now"


def train_did_not_rise(objectives: Sequence[str] = (), *, flaky: bool = False) -> str:
    """The score is no higher, or no objective is better; with `flaky`, only of tests that varied before."""
    but = _BUT_FLAKY if flaky else ""
    if not objectives:
        return f"the train score did not rise{but}"
    if len(objectives) == 1:
        return f"the metric {objectives[0]!r} did not improve on train{but}"
    return f"none of the metrics {', '.join(map(repr, objectives))} improved on train{but}"


def gain_may_be_chance(effect: float, chance: float, aim: Aim = None) -> str:
    name = f"{aim} " if aim is not None else ""
    return f"the gain on train ({name}{amount(effect, aim)}) may be chance (p = {chance:.2g})"


_BUT_FLAKY = ", except for tests that passed sometimes before"


def overfitted(train: tuple[int, int], val: tuple[int, int] | None, chance: float) -> str:
    """Code that fixes cases its author has seen, and too few of the others.

    Args:
        train: fixed cases, and how many had failed.
        val: the same; None where held-out cases are among the others, of which no number is told.
        chance: how likely so few are where the edit fixes the same share everywhere.
    """
    others = f"{val[0]} of {val[1]} on val" if val is not None else "too few of those that were held back"
    return (
        f"overfitted: it fixes {train[0]} of {train[1]} failing train tests and {others} (p = {chance:.2g} "
        f"were it a rule for all); write what holds for cases that you have not seen"
    )


# --- candidates: losses ---------------------------------------------------------------------------------


def passed_before(split: Split, lost: int, *, seldom: bool) -> str:
    """Tests of one split that passed before fail; with `seldom`, some of their repeats still pass."""
    what = f"{count(lost, f'{split} test')} that passed before"
    if seldom:
        return f"{what} {'passes' if lost == 1 else 'pass'} in at most half of their repeats now"
    return f"{what} {'fails' if lost == 1 else 'fail'} now"


def score_fell(split: Split, *, flaky: bool = False) -> str:
    """The score is lower; with `flaky`, tests that varied before hide it."""
    return f"the {split} score fell{_BUT_FLAKY if flaky else ''}"


def loss_not_excluded(split: Split, margin: float, low: float, high: float, aim: Aim = None) -> str:
    return (
        f"{split} does not exclude a loss of more than {_loss(margin, aim)} "
        f"({amount(low, aim)} to {amount(high, aim)}); more cases or --fapo-repeats tell more"
    )


def _loss(margin: float, aim: Aim) -> str:
    return points(margin, sign=False) if aim is None else f"{score_text(margin)} of {aim!r}"


def fell_below(split: Split, floor: float) -> str:
    return f"the {split} score fell below {percent(floor)}"


def metric_fell(metric: str, split: Split, fall: float, *, lower: bool = False, flaky: bool = False) -> str:
    """A metric got worse; of held-out cases nothing is said that tells how much.

    Args:
        metric: its name.
        split: where.
        fall: by how much.
        lower: less is better, so that it rose.
        flaky: tests that varied before hide it.
    """
    moved = "rose" if lower else "fell"
    if split == "holdout":
        return f"the metric {metric!r} {moved} on held-out cases"
    return f"the metric {metric!r} {moved} by {fall:.3g} on {split}{_BUT_FLAKY if flaky else ''}"


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
    return f"the full suite did not finish: {stopped}"


def dropped(stage: str) -> str:
    return f"the evaluation was dropped at {stage}"


# --- candidates: fresh samples --------------------------------------------------------------------------


def gains_did_not_recur(asked: int, held: int, *, varying_judges: int = 0, graded: bool = False) -> str:
    """Fixed cases were run again on both trees, and the gain is not confirmed.

    Args:
        asked: cases that were run again.
        held: those that came again more often than not.
        varying_judges: cases of which a judge said something else of the same output.
        graded: the gain is in a metric.
    """
    what = "better" if graded else "fixed"
    does, do = ("is better", "are better") if graded else ("passes", "pass")
    if asked == 1 and not held:
        recurred = f"the {what} case {'is not better' if graded else 'does not pass'} only with the edit"
    else:
        number = f"{held or 'none'} of the {asked} {what} cases" if asked > 1 else f"the {what} case"
        recurred = f"{number} {do if held > 1 else does} only with the edit"
    said = f"noise: asked again on both trees, {recurred}{', too rarely to exclude luck' if held else ''}"
    if varying_judges:
        said += f"; the judge varies over the same output ({count(varying_judges, 'case')})"
    return said


def no_pass_rate_rose(runs: int, more: int, less: int) -> str:
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


def gain_may_still_be_chance(samples: int, effect: float, chance: float, aim: Aim = None) -> str:
    said = figures(effect, chance, aim)
    return f"noise: in {fresh_samples(samples)} the gain on train may be chance ({said})"


def loss_still_not_excluded(
    split: Split, margin: float, samples: int, low: float, high: float, aim: Aim = None
) -> str:
    return (
        f"{split} does not exclude a loss of more than {_loss(margin, aim)} "
        f"in {fresh_samples(samples)} ({amount(low, aim)} to {amount(high, aim)})"
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
    return f"the tests could not finish with this edit: {stopped}"


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
        f"wins its cases, and could not be proven: the held-out cases were checked {count(looks, 'time')} "
        f"(holdout_looks)"
    )


def set_aside_for(winner: str) -> str:
    return f"{_WINS_TOO}is set aside for another try on top of {winner}"


def covered_by(winner: str) -> str:
    return f"{_FIXES_TOO}none that {winner} does not fix"


def same_cause_as(winner: str) -> str:
    return f"{_WINS_TOO}{winner} was taken for the same cause"


def lost_to_a_winner(reason: str) -> bool:
    """True if a candidate passed the stages that it came to, and another one was taken."""
    return reason.startswith((_WINS_TOO, _FIXES_TOO))


def proof_lost(lost: int, held_out: int) -> str:
    """Tests that passed before did not pass in the final proof.

    Args:
        lost: all of them.
        held_out: those on held-out cases.
    """
    which = count(lost, "test") + " that passed before did not pass then"
    return which + (f", {held_out} of them on held-out cases" if held_out else "")


def proof_stopped(stopped: str) -> str:
    return f"the tests did not finish: {stopped}"


# --- candidates: the part of the accepted changes that a person chose -----------------------------------


def part_does_not_fit(error: str) -> str:
    """Its edits cannot be made without the others."""
    return f"what you chose does not fit together without the rest: {error}"


def part_not_run(error: str) -> str:
    """A limit, or no answer, ended its proof."""
    return f"what you chose could not be proven: {error}"


def part_rejected(reason: str) -> str:
    """The gate rejects it."""
    return f"what you chose does not pass without the rest: {reason}"


def part_refused(reason: str) -> str:
    """A hook of the project's rejects it."""
    return f"what you chose is rejected: {reason}"


def part_failed_proof(reason: str, tests: Sequence[str]) -> str:
    """The final proof of it fails.

    Args:
        reason: why.
        tests: one line for each test that was lost.
    """
    return f"what you chose did not pass its final proof: {reason}" + (
        f" ({'; '.join(tests[:2])})" if tests else ""
    )


# --- candidates: that were never made -------------------------------------------------------------------


def optimizer_did_not_answer(error: str) -> str:
    return f"the optimizer's model did not answer: {error}"


# --- words ----------------------------------------------------------------------------------------------


def first_names(names: Sequence[str], most: int = 3) -> str:
    """The first names, the others counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def amount(effect: float, aim: Aim) -> str:
    """A difference as points, or in the unit of a metric (plus is better)."""
    return points(effect) if aim is None else f"{effect:+.3g}"


def points(share: float, *, sign: bool = True) -> str:
    """A share as percentage points."""
    number = 100 * share
    return f"{number:+.1f} points" if sign else f"{number:.3g} points"
