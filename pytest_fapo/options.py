"""The command-line options; each help text answers "when would I want this?". Imports pytest only."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

import pytest


def add_options(parser: pytest.Parser) -> None:
    """Add the group `fapo` to pytest's command line."""
    group = parser.getgroup("fapo", "LLM pipelines: diagnose and tune (pytest-fapo)")
    _add_commands(group)
    _add_gate(group)
    _add_outputs(group)
    _add_running(group)
    _add_budgets(group)
    group.addoption(
        "--fapo-resume",
        action="store_true",
        help="Resume the newest unfinished run; repeats no paid call. Implies --fapo-optimize; give the "
        "other options as before.",
    )
    _KNOWN.update(name for option in group.options for name in option.names())


def refuse_mistyped(args: Sequence[str]) -> None:
    """Refuse an argument that is meant for us and is none of our options.

    Raises:
        pytest.UsageError: names the option that it is most like.
    """
    for given in args:
        name = given.partition("=")[0]
        if _OURS.match(name) and name not in _KNOWN:
            from difflib import get_close_matches

            found = get_close_matches(name, sorted(_KNOWN), n=1, cutoff=0.5)
            hint = f"; did you mean {found[0]}?" if found else "; pytest --help lists them under 'fapo'"
            raise pytest.UsageError(f"no such option: {name}{hint}")


_OURS = re.compile(r"--(?:f[ap]{1,3}o[-_]|fapo)")

_KNOWN: set[str] = set()
"""Names of our options."""


def _add_commands(group: pytest.OptionGroup) -> None:
    add = group.addoption
    add(
        "--fapo-diagnose",
        action="store_true",
        help="Say where and why the failing train cases fail: step, category, level. Proposes nothing.",
    )
    add(
        "--fapo-optimize",
        action="store_true",
        help="Find edits of prompts, parameters and code that fix failing cases, prove them on the whole "
        "suite and the held-out cases, and write the proven ones into the source.",
    )
    add(
        "--fapo-estimate",
        action="store_true",
        help="Before money is spent: calls, tokens and USD that --fapo-optimize would take with the other "
        "options as given. Runs the tests on recorded answers alone and sends nothing.",
    )
    add(
        "--fapo-level",
        choices=["prompt", "param", "structure"],
        default="structure",
        help="The highest level that may be edited: prompts only (prompt), parameters too (param), or "
        "everything in [tool.fapo.scope] (structure, the default).",
    )
    add(
        "--fapo-policy",
        choices=["strict", "paired", "target"],
        default=None,
        help="How a candidate is judged: nothing that passed may fail (strict, the default); a significant "
        "gain and no loss, for answers that vary (paired); each split reaches --fapo-target or comes "
        "closer to it (target).",
    )
    add(
        "--fapo-write",
        choices=["auto", "ask", "patch", "never"],
        default=None,
        help="What to do with proven edits: write them (auto), ask about each one (ask), save a patch only "
        "(patch), or change no files (never). Default: auto; under CI: patch.",
    )
    add(
        "--fapo-guard",
        choices=["all", "selected"],
        default="all",
        help="Prove edits on the full suite (all) even when you selected a part, or only on the tests you "
        "selected (selected), when the full suite is too slow.",
    )


def _add_gate(group: pytest.OptionGroup) -> None:
    add = group.addoption
    add(
        "--fapo-gate",
        action="store_true",
        help="For CI: fail if accuracy fell against the committed fapo-baseline.json. Exit code 10 if it "
        "fell, 11 if that could not be judged.",
    )
    add(
        "--fapo-update-baseline",
        action="store_true",
        help="After a run of all cases: write fapo-baseline.json and the snapshots, to be committed.",
    )
    add(
        "--fapo-min-score",
        action="append",
        default=None,
        metavar="[NAME=]SHARE",
        help="With --fapo-gate: a floor, such as 0.9 for every pipeline, answer=0.9 for one, val=0.9 for a "
        "split, tag:refunds=0.8 for a group, metric:brevity=0.7 for a metric. May be repeated.",
    )
    add(
        "--fapo-shard",
        type=_shard,
        default=None,
        metavar="N/OF",
        help="With --fapo-gate, if one CI job is too slow: run the second of four shares of the tests (2/4), "
        "and write their results into a file. `fapo gate join` judges the files of all shares.",
    )


def _add_outputs(group: pytest.OptionGroup) -> None:
    add = group.addoption
    add(
        "--fapo-review",
        action="store_true",
        help="Go through the changes that an earlier run left as a patch, one by one: accept, reject, edit. "
        "What you accept is proven together, then written.",
    )
    add(
        "--fapo-run",
        default=None,
        metavar="RUN",
        help="With --fapo-review: which run (see `fapo runs`); default: the newest that left a patch.",
    )
    add(
        "--fapo-report",
        default=None,
        metavar="PATH",
        help="Write an HTML report of this session, one file that opens without a network. Runs of "
        "--fapo-optimize also keep one in their run directory.",
    )
    add(
        "--fapo-summary",
        default=None,
        metavar="PATH",
        help="Write a Markdown summary for a pull request. On GitHub Actions the job's summary gets it too.",
    )
    add(
        "--fapo-annotations",
        choices=["auto", "github", "off"],
        default="auto",
        help="Print annotations that GitHub shows next to the changed prompt or case: always (github), never "
        "(off), or if GITHUB_ACTIONS is set (auto).",
    )
    add(
        "--fapo-code-quality",
        default=None,
        metavar="PATH",
        help="Write the same as a Code Quality report, which GitLab shows in the merge request.",
    )


def _add_running(group: pytest.OptionGroup) -> None:
    add = group.addoption
    add(
        "--fapo-cache",
        choices=["auto", "refresh", "only", "off"],
        default="auto",
        help="LLM answers: replay recorded ones and ask for new ones (auto), ask again and record (refresh), "
        "never use the network (only: for CI), neither read nor record (off).",
    )
    add(
        "--fapo-cache-file",
        action="append",
        default=None,
        metavar="PATH",
        help="Read recorded answers from this file (see `fapo cache export`) if the local cache has none. "
        "It is never written. May be repeated.",
    )
    add(
        "--fapo-cache-url",
        default=None,
        metavar="URL",
        help="Share recorded answers with other machines through this Redis (redis://host:6379/0, rediss:// "
        "for TLS), so that no two of them pay for one answer. A ${NAME} in it is an environment variable.",
    )
    add(
        "--fapo-concurrency",
        type=_positive_int,
        default=None,
        metavar="N",
        help="How many cases run at once (default 16). Lower it when your provider limits the rate.",
    )
    add(
        "--fapo-executor",
        default=None,
        metavar="dask:ADDRESS",
        help="Evaluate candidates on an existing Dask cluster (dask:tcp://scheduler:8786) instead of on this "
        "machine. Its workers need the same Python, pytest-fapo and packages.",
    )
    add(
        "--fapo-repeats",
        type=_repeats,
        default=None,
        metavar="N",
        help="Run each case N times, each time with LLM answers of its own (default 1): for answers that "
        "vary, so that a flaky case is not mistaken for a broken one. Costs N times the calls.",
    )
    add(
        "--fapo-timeout",
        type=_seconds,
        default=None,
        metavar="TIME",
        help="Time one case may take (30, 30s, 2m); a case past it fails.",
    )
    add(
        "--fapo-target",
        type=_share,
        default=None,
        metavar="SHARE",
        help="Stop as soon as this share (0.9 or 90%%) of every split passes; the exit code is then 0.",
    )


def _add_budgets(group: pytest.OptionGroup) -> None:
    add = group.addoption
    add(
        "--fapo-budget",
        type=_amount,
        default=None,
        metavar="USD",
        help="Spend at most this on LLM calls. Calls to models without a known price cannot be counted: "
        "limit those with --fapo-max-calls.",
    )
    add("--fapo-max-calls", type=_count, default=None, metavar="N", help="Send at most N LLM calls.")
    add(
        "--fapo-max-candidates",
        type=_count,
        default=None,
        metavar="N",
        help="Evaluate at most N candidates.",
    )
    add(
        "--fapo-time-limit",
        type=_seconds,
        default=None,
        metavar="TIME",
        help="Stop after this time (90, 90s, 10m, 1h); what was accepted until then is kept.",
    )


def _positive_int(text: str) -> int:
    value = _count(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return value


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise argparse.ArgumentTypeError(f"expected a share such as 2/4, from 1/4 to 4/4, got {text!r}")
    return number, of


def _repeats(text: str) -> int:
    value = _positive_int(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"expected a number up to 100, got {text!r}")
    return value


def _count(text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def _amount(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", text):
        raise argparse.ArgumentTypeError(f"expected an amount in USD such as 2.50, got {text!r}")
    return float(text)


def _share(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(%?)", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share such as 0.9 or 90%, got {text!r}")
    return value


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    value = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"expected a time such as 90, 90s, 10m or 1h, got {text!r}")
    return value
