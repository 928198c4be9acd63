"""Every sentence about a candidate or a merge stands in one of two files, and reads as it should."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pytest_fapo
from pytest_fapo.core.gate_result import GateProblem, SplitScore
from pytest_fapo.verdict import gate_problems as against
from pytest_fapo.verdict import reasons as because
from pytest_fapo.verdict.comparison import FallenMetric

UPDATE = "pytest --fapo-update-baseline"


def _row(group: str) -> SplitScore:
    return SplitScore(pipeline="p", group=group, cases=1, before=None, after=0.8)


SENTENCES: list[tuple[Callable[[], str], str]] = [
    (lambda: because.fixed_and_broken(1, 0), "1 test fixed, nothing broken"),
    (lambda: because.fixed_and_broken(1_034, 2), "1,034 tests fixed, 2 broken"),
    (lambda: because.figures(0.25, 0.0123), "train +25.0 points, p = 0.012"),
    (lambda: because.no_target_passes(3), "none of its target cases passes now"),
    (
        lambda: because.no_target_passes(3, 2, "KeyError", "'city'"),
        "none of its target cases passes now: 2 of 3 ended in KeyError: 'city'",
    ),
    (
        lambda: because.no_target_passes(3, 2, "KeyError", "KeyError: 'city'"),
        "none of its target cases passes now: 2 of 3 ended in KeyError: 'city'",
    ),
    (
        lambda: because.targets_pass_without_gain(5, flaky=1, seldom=0, quoted=2),
        (
            "3 of the 5 target tests pass now, no gain: 1 passed sometimes before, 2 "
            "quoted as examples by the edit itself"
        ),
    ),
    (lambda: because.too_few_targets_pass(), "too few of its target cases pass now"),
    (lambda: because.train_did_not_rise(), "the train score did not rise"),
    (
        lambda: because.train_did_not_rise(("tone",), flaky=True),
        "the metric 'tone' did not improve on train, except for tests that passed sometimes before",
    ),
    (
        lambda: because.train_did_not_rise(("tone", "length")),
        "none of the metrics 'tone', 'length' improved on train",
    ),
    (
        lambda: because.gain_may_be_chance(0.05, 0.31),
        "the gain on train (+5.0 points) may be chance (p = 0.31)",
    ),
    (
        lambda: because.overfitted((6, 8), (0, 7), 0.0056),
        (
            "overfitted: it fixes 6 of 8 failing train tests and 0 of 7 on val (p = 0.0056 were it a rule "
            "for all); write what holds for cases that you have not seen"
        ),
    ),
    (lambda: because.passed_before("val", 1, seldom=False), "1 val test that passed before fails now"),
    (
        lambda: because.passed_before("train", 2, seldom=True),
        "2 train tests that passed before pass in at most half of their repeats now",
    ),
    (
        lambda: because.score_fell("val", flaky=True),
        "the val score fell, except for tests that passed sometimes before",
    ),
    (
        lambda: because.loss_not_excluded("val", 0.05, -0.071, 0.027),
        (
            "val does not exclude a loss of more than 5 points (-7.1 points to +2.7 points); more"
            " cases or --fapo-repeats tell more"
        ),
    ),
    (
        lambda: because.loss_not_excluded("val", 0.25, -0.3, 0.1, "tone"),
        (
            "val does not exclude a loss of more than 0.25 of 'tone' (-0.3 to +0.1); more cases or "
            "--fapo-repeats tell more"
        ),
    ),
    (
        lambda: because.gain_may_be_chance(0.05, 0.31, "tone"),
        "the gain on train (tone +0.05) may be chance (p = 0.31)",
    ),
    (
        lambda: because.metric_fell("tokens", "val", 12.0, lower=True),
        "the metric 'tokens' rose by 12 on val",
    ),
    (
        lambda: because.gains_did_not_recur(3, 1, graded=True),
        (
            "noise: asked again on both trees, 1 of the 3 better cases is better only with the edit, too "
            "rarely to exclude luck"
        ),
    ),
    (lambda: because.fell_below("val", 0.5), "the val score fell below 50 %"),
    (lambda: because.metric_fell("tone", "train", 0.25), "the metric 'tone' fell by 0.25 on train"),
    (lambda: because.metric_fell("tone", "holdout", 0.25), "the metric 'tone' fell on held-out cases"),
    (lambda: because.held_out_lost("strict"), "held-out cases that passed before fail now"),
    (lambda: because.held_out_lost("paired"), "the held-out cases do not exclude a loss"),
    (lambda: because.held_out_lost("target"), "the held-out cases fell below the target and what they were"),
    (lambda: because.broke_tests(["a", "b", "c"]), "broke what passed before: a, b and 1 more"),
    (lambda: because.suite_stopped("Ctrl-C"), "the full suite did not finish: Ctrl-C"),
    (lambda: because.dropped("val"), "the evaluation was dropped at val"),
    (
        lambda: because.gains_did_not_recur(1, 0),
        "noise: asked again on both trees, the fixed case does not pass only with the edit",
    ),
    (
        lambda: because.gains_did_not_recur(4, 1, varying_judges=2),
        (
            "noise: asked again on both trees, 1 of the 4 fixed cases passes only with the edit, "
            "too rarely to exclude luck; the judge varies over the same output (2 cases)"
        ),
    ),
    (
        lambda: because.gains_did_not_recur(4, 2),
        (
            "noise: asked again on both trees, 2 of the 4 fixed cases pass only with the edit, "
            "too rarely to exclude luck"
        ),
    ),
    (
        lambda: because.no_pass_rate_rose(6, 4, 2),
        (
            "noise: nothing is fixed, and in 6 fresh runs on both trees what passes more often "
            "passed 4 times only with the edit and 2 times only without"
        ),
    ),
    (
        lambda: because.train_did_not_rise_again(4),
        "noise: in 4 fresh samples on both trees train did not rise",
    ),
    (
        lambda: because.gain_may_still_be_chance(32, 0.02, 0.2),
        (
            "noise: in 32 fresh samples on both trees the gain on train may be chance (train +2.0"
            " points, p = 0.2)"
        ),
    ),
    (
        lambda: because.loss_still_not_excluded("val", 0.05, 32, -0.06, 0.01),
        (
            "val does not exclude a loss of more than 5 points in 32 fresh samples on both trees "
            "(-6.0 points to +1.0 points)"
        ),
    ),
    (lambda: because.fresh_samples(1), "1 fresh sample on both trees"),
    (lambda: because.blocked(["one", "two"]), "one; two"),
    (lambda: because.never_read(["a.md", "b.md"]), "inert: no test ever read a.md, b.md"),
    (
        lambda: because.changes_nothing(),
        "inert: it changes no request and no output of the cases that were run",
    ),
    (
        lambda: because.no_recorded_answer(1),
        ("not judged: with this edit 1 test asks what has no recorded answer (--fapo-cache=only)"),
    ),
    (
        lambda: because.no_recorded_answer(12),
        ("not judged: with this edit 12 tests ask what has no recorded answer (--fapo-cache=only)"),
    ),
    (
        lambda: because.provider_rejects("1 case got no answer"),
        "the provider rejects what this edit asks for: 1 case got no answer",
    ),
    (
        lambda: because.tests_stopped("the limit"),
        "the tests could not finish with this edit: the limit",
    ),
    (
        lambda: because.losses_were_luck(),
        "what it lost passed when it was asked again; it was not judged to the end",
    ),
    (lambda: because.went_into("c3"), "wins its cases and went into c3"),
    (
        lambda: because.looks_used_up(1),
        ("wins its cases, and could not be proven: the held-out cases were checked 1 time (holdout_looks)"),
    ),
    (
        lambda: because.set_aside_for("c3"),
        "wins its cases too, but is set aside for another try on top of c3",
    ),
    (lambda: because.covered_by("c3"), "fixes its cases too, but none that c3 does not fix"),
    (lambda: because.same_cause_as("c3"), "wins its cases too, but c3 was taken for the same cause"),
    (lambda: because.proof_lost(3, 0), "3 tests that passed before did not pass then"),
    (
        lambda: because.proof_lost(3, 1),
        "3 tests that passed before did not pass then, 1 of them on held-out cases",
    ),
    (lambda: because.proof_stopped("the limit"), "the tests did not finish: the limit"),
    (
        lambda: because.part_does_not_fit("a and b overlap"),
        "what you chose does not fit together without the rest: a and b overlap",
    ),
    (lambda: because.part_not_run("no money"), "what you chose could not be proven: no money"),
    (lambda: because.part_refused("not on Fridays"), "what you chose is rejected: not on Fridays"),
    (
        lambda: because.part_failed_proof("1 test was lost", []),
        "what you chose did not pass its final proof: 1 test was lost",
    ),
    (
        lambda: because.part_failed_proof("3 tests were lost", ["a: no", "b: no", "c: no"]),
        "what you chose did not pass its final proof: 3 tests were lost (a: no; b: no)",
    ),
    (
        lambda: because.optimizer_did_not_answer("HTTP 503"),
        "the optimizer's model did not answer: HTTP 503",
    ),
    (
        lambda: because.part_rejected("the val score fell"),
        "what you chose does not pass without the rest: the val score fell",
    ),
]

PROBLEMS: list[tuple[Callable[[], GateProblem], str, str, str]] = [
    (
        lambda: against.passes_less_often("pipeline 'p'", -0.2, 40, (-0.31, -0.09), 0.0004),
        "worse",
        (
            "pipeline 'p' passes less often than in the baseline: -20.0 points over 40 cases (95 "
            "% interval -31.0 points to -9.0 points, p = 0.0004)"
        ),
        "",
    ),
    (
        lambda: against.too_few_cases("p", 3),
        "too-few-cases",
        (
            "pipeline 'p' has 3 cases in the baseline, too few for the policy 'paired': it could "
            "not tell if all of them failed; repeat them, or use the policy 'strict'"
        ),
        "pytest --fapo-gate --fapo-repeats=3",
    ),
    (
        lambda: against.target_missed("p", "val", 0.8, 0.9),
        "floor",
        "pipeline 'p': val is at 80.0 %, below the target of 90.0 %",
        "",
    ),
    (
        lambda: against.baseline_metric_fell("p", FallenMetric("tone", 0.25, 0.1, [], False), "val"),
        "metric",
        "pipeline 'p': the metric 'tone' fell by 0.25 on val (0.1 allowed)",
        "",
    ),
    (
        lambda: against.floor_missed(_row("all"), 0.8, 0.9),
        "floor",
        "pipeline 'p': its score is 80.0 %, its floor is 90.0 %",
        "",
    ),
    (
        lambda: against.floor_missed(_row("tag:x"), 0.8, 0.9),
        "floor",
        "pipeline 'p': tag:x is 80.0 %, its floor is 90.0 %",
        "",
    ),
    (
        lambda: against.floor_missed(_row("metric:tone"), 0.8, 0.9),
        "floor",
        "pipeline 'p': metric:tone is 0.8, its floor is 0.9",
        "",
    ),
    (
        lambda: against.unknown_floor("q", ["p", "val"]),
        "empty",
        "the floor 'q' is for nothing that was scored; there are: p, val",
        "",
    ),
    (
        lambda: against.unknown_floor("q", []),
        "empty",
        "the floor 'q' is for nothing that was scored; there are: no scores",
        "",
    ),
    (
        lambda: against.session_stopped("Ctrl-C"),
        "interrupted",
        "the tests did not finish: Ctrl-C",
        "",
    ),
    (
        lambda: against.session_stopped(""),
        "interrupted",
        "the tests did not finish: not every test has a result",
        "",
    ),
    (lambda: against.nothing_ran(), "empty", "no test on a case was run: there is nothing to judge", ""),
    (
        lambda: against.nothing_to_compare(),
        "empty",
        "the baseline has no verdict on any case: there is nothing to compare with",
        UPDATE,
    ),
    (
        lambda: against.baseline_tests_not_run(["a"]),
        "missing-cases",
        (
            "1 test of the baseline was not run (a); run all of them, or, where they were removed"
            " or renamed on purpose, update the baseline"
        ),
        UPDATE,
    ),
    (
        lambda: against.baseline_tests_not_run(["a", "b", "c", "d"]),
        "missing-cases",
        (
            "4 tests of the baseline were not run (a, b, c and 1 more); run all of them, or, "
            "where they were removed or renamed on purpose, update the baseline"
        ),
        UPDATE,
    ),
    (
        lambda: against.answers_not_recorded(["a"]),
        "cache-miss",
        (
            "1 test asked a model something without a recorded answer (a); record the "
            "answers once and commit or pass on the exported cache"
        ),
        "pytest --fapo-update-baseline && fapo cache export",
    ),
    (
        lambda: against.model_did_not_answer("1 case got no answer", "run again when it answers"),
        "no-answer",
        "1 case got no answer; accuracy is not judged: run again when it answers",
        "pytest --fapo-gate",
    ),
    (
        lambda: against.pipeline_not_run(["t[a]", "t[b]"], "OSError: no index\nmore"),
        "not-run",
        "2 tests ended before the pipeline could run, t[a] first: OSError: no index more",
        "",
    ),
    (
        lambda: against.connected_to_a_host(["a", "b"]),
        "cache-miss",
        (
            "2 tests connected to a host although only recorded answers may be used (a, b); "
            "[tool.fapo] allow_hosts names hosts that may be reached"
        ),
        "",
    ),
    (
        lambda: against.made_no_calls(["p::1"]),
        "no-calls",
        (
            "1 case made LLM calls when the baseline was written and none now (p::1): does a "
            "cache of a library answer, or a client that is not captured? Where the calls were "
            "taken out on purpose, update the baseline"
        ),
        UPDATE,
    ),
    (
        lambda: against.went_past_a_limit(["a"]),
        "interrupted",
        "1 test went past a limit of calls or cost (a)",
        "",
    ),
    (
        lambda: against.prompts_changed(["a.md", "b.md"]),
        "stale-baseline",
        "a.md, b.md changed since the baseline was written, and the baseline was not updated",
        UPDATE,
    ),
    (
        lambda: against.questions_changed(["p"]),
        "stale-baseline",
        (
            "pipeline 'p' asked its models something else than when the baseline was written, and"
            " the baseline was not updated"
        ),
        UPDATE,
    ),
    (
        lambda: against.not_in_the_baseline(["p::1"], "case", 0),
        "new-cases",
        "1 case has no verdict in the baseline yet (p::1)",
        UPDATE,
    ),
    (
        lambda: against.not_in_the_baseline(["a", "b"], "test", 1),
        "new-cases",
        "2 tests have no verdict in the baseline yet (a, b); 1 of the tests on them fail",
        UPDATE,
    ),
    (
        lambda: against.test_without_a_case_fails("tests/test_a.py::test_b"),
        "test",
        "tests/test_a.py::test_b fails, a test without a case",
        "",
    ),
    (lambda: against.worker_lost(["gw0", "gw1"]), "lost-worker", "the xdist worker gw0, gw1 was lost", ""),
    (
        lambda: against.not_collected(["a.py", "b.py", "c.py", "d.py"]),
        "interrupted",
        "a.py, b.py, c.py and 1 more could not be collected",
        "",
    ),
    (
        lambda: against.without_result(2, 1_200, ""),
        "interrupted",
        "2 of 1,200 tests left no result: they did not finish",
        "",
    ),
    (
        lambda: against.without_result(2, 1_200, "Ctrl-C"),
        "interrupted",
        "2 of 1,200 tests left no result: Ctrl-C",
        "",
    ),
]


@pytest.mark.parametrize(("write", "sentence"), SENTENCES)
def test_what_is_said_of_a_candidate(write: Callable[[], str], sentence: str) -> None:
    assert write() == sentence


@pytest.mark.parametrize(("write", "kind", "message", "command"), PROBLEMS)
def test_what_is_said_of_a_merge(
    write: Callable[[], GateProblem], kind: str, message: str, command: str
) -> None:
    made = write()
    assert (made.kind, made.message, made.command) == (kind, message, command)
    assert made.fails == (kind not in ("stale-baseline", "new-cases"))


def test_no_sentence_is_left_out_here() -> None:
    written = {
        name
        for module in (because, against)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    writers: list[Callable[[], object]] = [write for write, _ in SENTENCES]
    writers += [write for write, *_ in PROBLEMS]
    tried = {name for write in writers for name in write.__code__.co_names}
    others = {"amount", "points", "first_names", "lost_to_a_winner"}
    assert written - tried == others, "words that sentences are made of, and a question about one"


def test_a_candidate_beside_a_winner_failed_at_no_stage() -> None:
    beside = (because.set_aside_for("c3"), because.covered_by("c3"), because.same_cause_as("c3"))
    for reason in beside:
        assert because.lost_to_a_winner(reason)
    told = [sentence for _, sentence in SENTENCES if because.lost_to_a_winner(sentence)]
    assert sorted(told) == sorted(beside)


ROOMS = ("verdict", "loop", "commands")


def test_no_other_module_writes_a_reason() -> None:
    package = Path(pytest_fapo.__file__).parent
    files = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    assert len(files) > 30
    found = [
        f"{path.relative_to(package)}:{line}"
        for path in files
        if path.name not in ("reasons.py", "gate_problems.py")
        for line in _own_sentences(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ('Verdict(accepted=False, reason=f"it fell by {fall}", stage="val")', [1]),
        ('GateProblem(kind="floor", message="too " + text)', [1]),
        ('verdict.model_copy(update={"accepted": False, "reason": "no"})', [1]),
        ('Verdict(accepted=False, reason=reasons.dropped("val"))', []),
        ('verdict.model_copy(update={"accepted": not reason, "reason": reason or fixed})', []),
    ],
)
def test_a_sentence_elsewhere_is_seen(code: str, lines: list[int]) -> None:
    assert list(_own_sentences(ast.parse(code))) == lines


def _own_sentences(tree: ast.AST) -> Iterator[int]:
    """Lines where a verdict's reason or a problem's message is a text that stands right there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            wanted = {"Verdict": "reason", "GateProblem": "message"}.get(node.func.id)
            values = [word.value for word in node.keywords if wanted and word.arg == wanted]
        elif isinstance(node, ast.Dict) and any(_is_text(key, "accepted") for key in node.keys):
            pairs = zip(node.keys, node.values, strict=True)
            values = [value for key, value in pairs if _is_text(key, "reason")]
        else:
            continue
        texts = (ast.Constant, ast.JoinedStr, ast.BinOp)
        yield from (value.lineno for value in values if isinstance(value, texts))


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
