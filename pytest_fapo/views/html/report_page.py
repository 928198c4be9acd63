"""Assemble the page: its headline, and one file in which no foreign script can run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.core.atomic_files import write_atomically
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.gate_result import GateResult
from pytest_fapo.core.printable import shown
from pytest_fapo.core.spending import cost_text, for_judges, money, tokens_text
from pytest_fapo.core.text import count, duration, percent, text_diff
from pytest_fapo.loop.run_result import EditMade
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.views.closing_summary import (
    facts,
    gained,
    headline,
    patch_command,
    result_sentence,
    stand_in,
)
from pytest_fapo.views.html.candidate_pages import candidate_list, candidate_packs, candidate_tree
from pytest_fapo.views.html.case_pages import case_index, case_packs
from pytest_fapo.views.html.embedding import clipped_text, content_hash, script_json
from pytest_fapo.views.html.report_data import ReportData, case_rows, other_tests, two_sided
from pytest_fapo.views.html.report_figures import (
    failure_table,
    score_chart,
    score_rows,
    spend_chart,
    tag_rows,
)
from pytest_fapo.views.session_lines import metric_means

if TYPE_CHECKING:
    from jinja2 import Environment

KINDS = {
    "optimize": "Optimization",
    "gate": "Merge gate",
    "plain": "Test run",
    "diagnose": "Diagnosis",
}

_BESIDE = {
    "test": "A test without a case fails.",
    "stale-snapshot": "A committed snapshot is out of date.",
    "stale-baseline": "The committed baseline is out of date.",
}


@dataclass
class Headline:
    """The top of the page."""

    mark: str
    """`good`, `bad`, `unsure` or `plain`: color and sign."""
    title: str
    sentences: list[str] = field(default_factory=list)
    command: str = ""
    """A command to type now."""
    facts: list[tuple[str, str]] = field(default_factory=list)
    when: str = ""


_DIFF_LINES = 60
"""Lines of one change that the first page shows; a candidate's own page has all of them."""


_FROM_THE_TOP = ("@@ -0", "@@ -1,", "@@ -1 ")
"""Heads of a diff's part that nothing comes before."""


@dataclass(frozen=True)
class ShownChange:
    """The diff of one changed artifact on the first page."""

    address: str
    lines: list[tuple[str, str, str]]
    """Class, sign and text of each line."""
    more: int
    """Lines that are left out."""

    @classmethod
    def of(cls, edit: EditMade) -> ShownChange:
        diff = text_diff(edit.before, edit.after, context=1)
        kinds = {"+": "plus", "-": "minus", "@": "gap"}
        lines = [
            (
                kinds.get(line[:1], ""),
                "" if line[:1] == "@" else line[:1],
                "…" if line[:1] == "@" else line[1:],
            )
            for line in diff[:_DIFF_LINES]
            if not line.startswith(_FROM_THE_TOP)
        ]
        return cls(edit.address, lines, max(0, len(diff) - _DIFF_LINES))


def headline_of(data: ReportData) -> Headline:
    """Return the verdict in a few words, the sentences below it, and the figures of the session."""
    if data.gate is not None:
        found = _of_gate(data.gate)
    elif data.summary is not None:
        found = _of_run(data.summary)
    elif data.kind == "optimize":
        found = Headline("unsure", "The run did not finish")
    else:
        found = _of_tests(data)
    last = data.after if data.after is not None else data.before
    if data.summary is None and last is not None:
        means = metric_means(last) if data.gate is None else []  # a gate's table of scores has them
        found.facts = [*found.facts, *means, *_spent(last)]
    if data.began is not None:
        found.when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(data.began))
    return found


def _of_gate(gate: GateResult) -> Headline:
    if gate.verdict == "passed":
        found = Headline("good", "No regressions")
    elif gate.verdict == "undecided" and {problem.kind for problem in gate.failures} <= _BESIDE.keys():
        found = Headline("unsure", "No regressions, but the gate does not pass")
    elif gate.verdict == "undecided":
        found = Headline("unsure", "Accuracy could not be judged")
    else:
        found = Headline("bad", "Accuracy fell")
    found.sentences += [_BESIDE[kind] for kind in _BESIDE if kind in {each.kind for each in gate.failures}]
    lost = sum(regression.fails for regression in gate.regressions)
    if lost:
        verb = "passes" if lost == 1 else "pass"
        found.sentences.append(
            f"{count(lost, 'test')} on cases that passed in the baseline no longer {verb}."
        )
    if gate.policy == "paired" and gate.effect is not None:
        found.sentences.append(_paired(gate, gate.effect))
    found.facts = [
        ("Policy", gate.policy),
        ("Baseline", gate.baseline),
        ("Fixed", f"{len(gate.fixed):,}"),
        ("Still failing", f"{len(gate.still_failing):,}"),
        ("New cases", f"{len(gate.new_cases):,}"),
        ("Other output", f"{len(gate.changed_outputs):,}"),
    ]
    found.facts = [(label, text) for label, text in found.facts if text not in ("", "0")]
    return found


def _paired(gate: GateResult, effect: float) -> str:
    low, high = gate.interval or (None, None)
    bounds = "" if low is None or high is None else f" (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"
    chance = "" if gate.p_value is None else f", p = {gate.p_value:.3g}"
    return f"Paired difference {100 * effect:+.1f} points{bounds}{chance}."


def _of_run(summary: Summary) -> Headline:
    if summary.writing == "nothing":
        found = Headline("plain", "No change was made")
    else:
        changes = count(len(summary.artifacts or summary.files), "change")
        found = Headline("good", f"{changes} proven, {gained(summary)}")
        if summary.broken:
            found = Headline("bad", f"{changes}, {count(summary.broken, 'test')} broken")
    found.sentences = [
        text for text in (headline(summary), result_sentence(summary), stand_in(summary)) if text
    ]
    found.command = patch_command(summary) or ("git diff" if summary.writing == "written" else "")
    found.facts = facts(summary)
    cost = next((text for label, text in found.facts if label == "Cost"), "")
    if cost:
        found.sentences.append(f"Cost: {cost}. Time: {duration(summary.duration)}.")
    return found


def _of_tests(data: ReportData) -> Headline:
    last = data.after if data.after is not None else data.before
    items = [item for item in last.items.values() if item.counts] if last is not None else []
    failing = sum(not item.passed for item in items)
    if not items:
        return Headline("unsure", "No test has run")
    if not failing:
        return Headline("good", f"All {len(items):,} tests pass" if len(items) > 1 else "The test passes")
    verb = "fails" if failing == 1 else "fail"
    found = Headline("plain", f"{failing:,} of {count(len(items), 'test')} {verb}")
    if last is not None and not last.complete:
        found.sentences.append(f"The run stopped early: {last.stopped or 'not every test has a result'}.")
    return found


def _spent(evaluation: Evaluation) -> list[tuple[str, str]]:
    spending = evaluation.spending
    if not spending.calls and not spending.cache_hits:
        return []
    free = any(call.offline for trace in evaluation.traces.values() for call in trace.llm_calls)
    rows = [
        (
            "LLM calls",
            f"{spending.calls:,} sent{for_judges(spending.test_calls)}, "
            f"{spending.cache_hits:,} answered from the cache{for_judges(spending.test_cache_hits)}",
        ),
        ("Tokens", tokens_text(spending) if spending.calls else ""),
        (
            "Cost",
            "nothing: an offline stand-in answered" if free and not spending.cost else cost_text(spending),
        ),
        ("Time", duration(evaluation.duration) if evaluation.duration else ""),
    ]
    return [(label, text) for label, text in rows if text]


UPLOT = "1.6.32"

_HERE = Path(__file__).parent

_STYLES = ("vendor/uplot/uPlot.min.css", "static/report.css", "static/parts.css")

_SCRIPTS = (
    "vendor/uplot/uPlot.iife.min.js",
    "static/dom.js",
    "static/differences.js",
    "static/charts.js",
    "static/score_chart.js",
    "static/spend_chart.js",
    "static/cases.js",
    "static/trace.js",
    "static/case.js",
    "static/candidates.js",
    "static/main.js",
)

_TEXT = 2_000

_CASE_BUDGET = 16_000_000

_CANDIDATE_BUDGET = 7_000_000
"""Characters; with the page itself they stay below the 30 MB that a browser opens in a moment."""


def write_report(path: Path, data: ReportData) -> None:
    """Write the report: one file that opens from disk, with no network.

    Args:
        path: file to write; folders that lack are made, a report that is there is replaced whole.
        data: what there is to show.

    Raises:
        FapoError: the file cannot be written.
    """
    page = render_page(data)
    try:
        write_atomically(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FapoError(f"{path}: the report cannot be written: {error.strerror or error}") from error


def render_page(data: ReportData) -> str:
    """Return the page as text."""
    rows = case_rows(data)
    style, script = _joined(_STYLES), _joined(_SCRIPTS, between=";\n")
    index: dict[str, Any] = {
        "kind": data.kind,
        "title": clipped_text(data.title, 200),
        "two": two_sided(data),
        "sided": two_sided(data) or data.gate is not None,
        "cases": case_index(data, rows),
        "candidates": candidate_list(data, rows),
        "scores": score_chart(data),
        "spend": spend_chart(data),
    }
    from markupsafe import Markup  # comes with jinja2: text that is the page's own, or escaped already

    policy = f"default-src 'none'; script-src {content_hash(script)}; style-src {content_hash(style)}"
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            kind=KINDS[data.kind],
            head=headline_of(data),
            policy=f"{policy}; base-uri 'none'; form-action 'none'",
            style=Markup(style),
            script=Markup(script),
            index=Markup(script_json(index)),
            case_packs=map(Markup, case_packs(data, rows, budget=_CASE_BUDGET)),
            candidate_packs=map(Markup, candidate_packs(data, rows, budget=_CANDIDATE_BUDGET)),
            candidates=index["candidates"],
            scores=score_rows(data, rows),
            tags=tag_rows(data, rows),
            sided=index["sided"],
            cases=len(rows),
            changes=[ShownChange.of(edit) for edit in data.changes],
            failures=failure_table(data),
            rings=candidate_tree(data.attempts) if data.attempts else [],
            tests=other_tests(data),
            spend=index["spend"],
            uplot=UPLOT,
        )
    )


@lru_cache(maxsize=4)
def _joined(names: tuple[str, ...], *, between: str = "\n") -> str:
    return between.join((_HERE / name).read_text(encoding="utf-8") for name in names)


def _finished(value: Any) -> Any:
    """Texts that are not the page's own: cut, with their control characters spelled out."""
    return shown(clipped_text(value, _TEXT)) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finished,
    )
    environment.filters.update(percent=percent, money=money, count=count)
    return environment
