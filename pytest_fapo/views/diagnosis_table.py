"""The diagnosis on the terminal: where and why the pipeline fails, with one example per cause."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TextIO

from pytest_fapo.core.diagnosis import Cluster, Diagnosis, Finding
from pytest_fapo.core.evaluation import Evaluation, Outage
from pytest_fapo.core.similar_cases import input_text
from pytest_fapo.core.text import count, listing, one_line, percent
from pytest_fapo.diagnosis.loose_values import plain
from pytest_fapo.views.terminal import Terminal

if TYPE_CHECKING:
    from rich.table import Table

_EXPLANATION_LINES = 6

_LABEL_WIDTH = 14


def render_diagnosis(
    diagnosis: Diagnosis,
    evaluation: Evaluation,
    file: TextIO,
    *,
    tty: bool = False,
    color: bool = False,
    width: int | None = None,
    stand_in: str = "",
    next_command: str = "pytest --fapo-optimize",
) -> None:
    """Write the diagnosis of an evaluation's train cases; never raises because of the terminal.

    Args:
        diagnosis: the findings in clusters, worst first.
        evaluation: what was diagnosed; for the scores and totals.
        file: where to write.
        tty: whether lines are folded to the terminal's width.
        color: whether ANSI colors may be written.
        width: columns; asked of the terminal where not given.
        stand_in: name of the offline model that answered, if one did.
        next_command: what to type next where a cause was found.
    """
    terminal = Terminal(file, tty=tty, color=color, width=width)
    terminal.line("")
    terminal.line((_headline(diagnosis, evaluation), "bold"))
    if stand_in:
        terminal.line((f"The offline stand-in {stand_in} answered, not a real model.", "yellow"))
    if diagnosis.interventions:
        runs = count(diagnosis.interventions, "run")
        terminal.line((f"{runs} of cases with a step's output replaced were used for this.", "dim"))
    if diagnosis.clusters:
        terminal.line("")
        terminal.show(_table(diagnosis.clusters, terminal))
        for number, cluster in enumerate(diagnosis.clusters, 1):
            _show_cluster(number, cluster, terminal)
    _show_suspects(diagnosis.suspects, evaluation, terminal)
    _show_infrastructure(
        diagnosis.infrastructure, terminal, alone=not (diagnosis.clusters or diagnosis.suspects)
    )
    if diagnosis.clusters:
        terminal.line("")
        terminal.labeled("Next", next_command, column=_LABEL_WIDTH)


def _headline(diagnosis: Diagnosis, evaluation: Evaluation) -> str:
    train = evaluation.in_split("train")
    failing = sum(not item.passed for item in train)
    outage = Outage(item for item in evaluation.items.values() if item.split == "train")
    if not train and outage:
        return f"{one_line(outage.summary)}: there is nothing to diagnose."
    if not train:
        return "No train case was run, so there is nothing to diagnose."
    causes = f", for {count(len(diagnosis.clusters), 'cause')}" if diagnosis.clusters else ""
    low = _low_scores(diagnosis, evaluation)
    if low:
        failed = f", and {failing:,} {'fails' if failing == 1 else 'fail'}" if failing else ""
        verb = "scores" if low == 1 else "score"
        return f"{low:,} of {count(len(train), 'train test')} {verb} low{failed}{causes}."
    if not failing:
        return f"No failing train case: all {count(len(train), 'train test')} pass."
    verb = "fails" if failing == 1 else "fail"
    return f"{failing:,} of {count(len(train), 'train test')} {verb}{causes}."


def _low_scores(diagnosis: Diagnosis, evaluation: Evaluation) -> int:
    """Return the number of tests that pass and have a finding: their score is low."""
    items = [evaluation.items.get(finding.nodeid) for finding in diagnosis.findings]
    return sum(item is not None and item.passed for item in items)


def _table(clusters: list[Cluster], terminal: Terminal) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1 if terminal.width >= 80 else 0))
    table.show_edge = False
    for name in ("#", "step", "category", "level", "cases", "sure", "at most"):
        right = name in ("#", "cases", "sure", "at most")
        table.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
    for number, cluster in enumerate(clusters, 1):
        cells = (
            str(number),
            one_line(cluster.step, most=max(10, terminal.width - 62)) or "unknown",
            cluster.category,
            cluster.level,
            f"{len(cluster.case_ids):,}",
            percent(cluster.confidence),
            percent(cluster.ceiling),
        )
        table.add_row(*(terminal.text(cell) for cell in cells))
    return table


def _show_cluster(number: int, cluster: Cluster, terminal: Terminal) -> None:
    terminal.line("")
    terminal.line((f"{number:<3}{one_line(cluster.label)}", "bold"), indent=3)
    finding = _example(cluster)
    if finding is not None:
        _fact(terminal, "why", one_line(finding.evidence, most=300))
        _fact(terminal, "example", finding.nodeid)
        for line in _explanation(finding.explanation):
            terminal.labeled("", (line, "red"), column=_LABEL_WIDTH)
    if cluster.also:
        _fact(terminal, "together", f"{listing(cluster.also)} went wrong too: only edits of all show")
    _fact(terminal, "artifacts", listing(cluster.artifacts, most=4))
    _fact(terminal, "fix", one_line(cluster.suggested_fix))


def _fact(terminal: Terminal, label: str, text: str) -> None:
    if text:
        terminal.labeled(f"   {label}", text, column=_LABEL_WIDTH)


def _example(cluster: Cluster) -> Finding | None:
    """The surest finding; among equals the one that is shortest to read."""
    return min(
        cluster.findings,
        key=lambda finding: (-finding.confidence, len(finding.explanation), finding.nodeid),
        default=None,
    )


def _explanation(text: str) -> list[str]:
    """pytest's own words, with their line breaks, cut after a few lines."""
    lines = [line.rstrip()[:300] for line in text.strip().splitlines() if line.strip()]
    if len(lines) > _EXPLANATION_LINES:
        left = len(lines) - _EXPLANATION_LINES + 1
        return [*lines[: _EXPLANATION_LINES - 1], f"… {count(left, 'more line')}"]
    return lines


_MOST_SUSPECTS = 5


def _show_suspects(suspects: list[Finding], evaluation: Evaluation, terminal: Terminal) -> None:
    """Labels that may be wrong, each beside the case that contradicts it."""
    if not suspects:
        return
    cases = list({(finding.pipeline, finding.case_id): finding for finding in suspects}.values())
    terminal.line("")
    title = "label may be wrong" if len(cases) == 1 else "labels may be wrong"
    terminal.line((f"{len(cases):,} {title}; no edit is made for {_them(cases)}:", "bold"))
    for finding in cases[:_MOST_SUSPECTS]:
        own = evaluation.cases.get(finding.nodeid)
        known = evaluation.cases.values()
        other = next(
            (case for case in known if own and case.key == f"{own.label_set}:{finding.beside}"), None
        )
        terminal.line("")
        for case in (own, other):
            if case is not None:
                label = one_line(plain(case.expected), most=60)
                text = one_line(input_text(case.inputs), most=160)
                terminal.labeled(f"   {one_line(case.id, most=40)}", f"{label}   {text}", column=_LABEL_WIDTH)
        _fact(terminal, "sure", f"{percent(finding.confidence)}; {one_line(finding.evidence, most=300)}")
    if len(cases) > _MOST_SUSPECTS:
        terminal.line(f"   and {count(len(cases) - _MOST_SUSPECTS, 'other')}")


def _them(cases: list[Finding]) -> str:
    return "it" if len(cases) == 1 else "them"


def _show_infrastructure(findings: list[Finding], terminal: Terminal, *, alone: bool) -> None:
    if not findings:
        return
    cases = {(finding.pipeline, finding.case_id) for finding in findings}
    apart = "" if alone else "Apart from that, "
    terminal.line("")
    terminal.line((f"{apart}{count(len(cases), 'case')} failed for reasons that no edit can fix:", "bold"))
    said = {
        (one_line(finding.evidence or finding.explanation, most=200), finding.pipeline, finding.case_id)
        for finding in findings
    }
    reasons = Counter(reason for reason, _, _ in sorted(said))
    for reason, number in reasons.most_common(5):
        terminal.line(f"{number:>6,} × {reason}", indent=9)
    if len(reasons) > 5:
        terminal.line(f"       and {count(len(reasons) - 5, 'other reason')}")
