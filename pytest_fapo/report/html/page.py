"""Puts the page together: one file, in which nothing is loaded and no foreign script can run."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fapo.errors import FapoError
from pytest_fapo.percents import percent
from pytest_fapo.report.html.candidates import candidate_list, candidate_packs
from pytest_fapo.report.html.case_details import case_packs
from pytest_fapo.report.html.case_index import case_index
from pytest_fapo.report.html.data import ReportData
from pytest_fapo.report.html.embedding import clipped_text, content_hash, script_json
from pytest_fapo.report.html.figures import failures, score_chart, score_rows, spend_chart, tag_rows
from pytest_fapo.report.html.headline import KINDS, headline_of
from pytest_fapo.report.html.rows import case_rows, other_tests, two_sided
from pytest_fapo.report.html.tree import candidate_tree
from pytest_fapo.report.terminal import shown
from pytest_fapo.report.words import count, money
from pytest_fapo.whole_files import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

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
        path: file to write; folders that lack are made, a report that stands there is replaced whole.
        data: what there is to show.

    Raises:
        FapoError: the file cannot be written.
    """
    page = render(data)
    try:
        write_whole(path, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise FapoError(f"{path}: the report cannot be written: {error.strerror or error}") from error


def render(data: ReportData) -> str:
    """The page as text."""
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
            failures=failures(data),
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
