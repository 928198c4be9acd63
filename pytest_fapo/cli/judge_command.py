"""`fapo judge check`: how far a judge agrees with a few labels of people."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any

from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.core.errors import ConfigError, FapoError
from pytest_fapo.core.text import count, listing, one_line, percent, score_text

if TYPE_CHECKING:
    from pytest_fapo.core.settings import Settings
    from pytest_fapo.core.spending import Spending
    from pytest_fapo.core.trace import LLMCall
    from pytest_fapo.verdict.agreement import Agreement, Label

_COLUMN = 12

_TRUE, _FALSE = {"true", "yes", "pass"}, {"false", "no", "fail"}


@dataclass
class JudgedOutput:
    """One labeled row, and what the judge said of it."""

    id: str
    row: Mapping[str, Any]
    human: Label
    answers: list[Label] = field(default_factory=list)
    reason: str = ""
    error: str = ""
    """What the judge raised; empty where it answered."""
    calls: list[LLMCall] = field(default_factory=list)

    @property
    def answer(self) -> Label:
        """The mean of numbers, else the most frequent word."""
        numbers = [each for each in self.answers if not isinstance(each, str)]
        if len(numbers) == len(self.answers):
            return fmean(numbers)
        words = [str(each) for each in self.answers]
        return max(dict.fromkeys(words), key=words.count)


def check(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo judge check FILE --judge MODULE:FUNCTION`."""
    from pytest_fapo.core.settings import load_settings
    from pytest_fapo.session.case_files import read_rows
    from pytest_fapo.session.item_records import spending_of
    from pytest_fapo.verdict.agreement import Agreement, on_scale

    root = find_root(settings=options.settings)
    settings = load_settings(Path(options.settings) if options.settings else None, root)
    path = Path(options.file)
    outputs = [
        _output(row.value, number, options.label, path)
        for number, row in enumerate(read_rows(path, options.file), start=1)
    ]
    repeats = options.repeats or settings.judge_repeats
    with _captured(settings, root):
        judge = _function(options.judge, root)
        with ThreadPoolExecutor(settings.concurrency) as pool:
            list(pool.map(lambda output: _ask(judge, output, repeats, settings), outputs))
    judged = [output for output in outputs if not output.error]
    spending = spending_of(call for output in outputs for call in output.calls)
    if not judged:
        raise FapoError(f"{options.judge} judged no row of {options.file}: {outputs[0].error}")
    human = [output.human for output in judged]
    said = [on_scale(output.answer, human, options.threshold) for output in judged]
    agreement = Agreement(human, said)
    if options.json:
        console.json(_as_json(agreement, judged, outputs))
    else:
        _show(options.judge, agreement, judged, outputs, repeats, spending, console)
    return OK if len(judged) == len(outputs) else NOTHING_DONE


def _output(row: Any, number: int, label: str, path: Path) -> JudgedOutput:
    if not isinstance(row, Mapping):
        raise ConfigError(f"{path}: row {number} is {one_line(str(row), most=60)!r}; expected named values")
    if label not in row or row[label] in (None, ""):
        there = listing(map(repr, row))
        raise ConfigError(
            f"{path}: row {number} has no {label!r}, the label of a person; it has {there}. "
            f"Name another column with --label"
        )
    return JudgedOutput(str(row.get("id", number)), row, _label(row[label]))


def _label(value: Any) -> Label:
    """Return a number (a yes is 1), else the word."""
    text = str(value).strip().casefold()
    if text in _TRUE | _FALSE:
        return float(text in _TRUE)
    try:
        return float(text)
    except ValueError:
        return text


# --- asking ---------------------------------------------------------------------------------------------


@contextmanager
def _captured(settings: Settings, root: Path) -> Iterator[None]:
    """Record the judge's calls and answer them from the project's cache, as in its tests."""
    from pytest_fapo.session.capturing import CapturePlan, Capturing

    files = tuple(file for name in settings.cache_files if (file := root / name).exists())
    plan = CapturePlan(cache_folder=root / ".fapo" / "cache", mode="auto", cache_files=files)
    capturing = Capturing(settings, plan)
    capturing.install()
    try:
        yield
    finally:
        capturing.uninstall()


def _function(name: str, root: Path) -> Callable[..., Any]:
    module, mark, function = name.partition(":")
    if not mark or not function:
        raise ConfigError(f"--judge={name}: expected module:function, such as tests.judges:faithful")
    for folder in (root / "src", root):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        found = getattr(import_module(module), function)
    except ImportError as error:
        raise ConfigError(f"--judge={name}: {module} cannot be imported from {root}: {error}") from None
    except AttributeError:
        raise ConfigError(f"--judge={name}: {module} has no {function!r}") from None
    if not callable(found):
        raise ConfigError(f"--judge={name}: {function} is not a function")
    return found  # type: ignore[no-any-return]


def _ask(judge: Callable[..., Any], output: JudgedOutput, repeats: int, settings: Settings) -> None:
    from pytest_fapo.capture.recorder import Recorder, recording

    arguments = _arguments(judge, output)
    recorder = Recorder(
        pipeline="judge", case_id=output.id, inputs=dict(output.row), limit=settings.trace_limit
    )
    try:
        with recording(recorder):
            for _ in range(repeats):
                answer, output.reason = _read(judge(**arguments))
                output.answers.append(answer)
    except Exception as error:
        output.error = f"{type(error).__name__}: {error}"
    output.calls = recorder.trace().llm_calls


def _read(value: Any) -> tuple[Label, str]:
    from pytest_fapo.session.run_fixture import read_score, waited

    value = waited(value)
    if isinstance(value, str):
        return _label(value), ""
    return read_score(value, "the judge")


def _arguments(judge: Callable[..., Any], output: JudgedOutput) -> dict[str, Any]:
    """Return the columns that the judge has parameters for; also those inside `inputs`.

    Raises:
        ConfigError: it needs one that the row does not have.
    """
    inputs = output.row.get("inputs")
    known = {**(inputs if isinstance(inputs, Mapping) else {}), **output.row}
    parameters = inspect.signature(judge).parameters.values()
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    missing = [each.name for each in named if each.default is each.empty and each.name not in known]
    if missing:
        raise ConfigError(
            f"row {output.id}: the judge needs {listing(map(repr, missing))}; the row has "
            f"{listing(map(repr, known))}"
        )
    return {each.name: known[each.name] for each in named if each.name in known}


# --- showing --------------------------------------------------------------------------------------------


def _show(
    name: str,
    agreement: Agreement,
    judged: Sequence[JudgedOutput],
    outputs: Sequence[JudgedOutput],
    repeats: int,
    spending: Spending,
    console: CommandConsole,
) -> None:
    low, high = agreement.interval
    same = len(judged) - len(agreement.differing)
    kappa = agreement.kappa
    facts = [
        ("judge", f"{name}, asked {count(repeats, 'time')} about each of {count(len(judged), 'output')}"),
        (
            "agreement",
            f"{same} of {len(judged)} ({percent(agreement.share)}; "
            f"95 % interval {percent(low)} to {percent(high)})",
        ),
        (
            "kappa",
            "not defined: both know one label only"
            if kappa is None
            else f"{kappa:.2f}{' (weighted)' if agreement.ordinal else ''}; "
            f"1 is full agreement, 0 what chance gives",
        ),
        ("noise", _noise(judged)),
        ("judge calls", f"{spending.calls:,} sent, {spending.cache_hits:,} answered from the cache"),
    ]
    for label, text in facts:
        if text:
            console.terminal.labeled(label, text, column=_COLUMN)
    if agreement.differing:
        console.line("")
        console.line(f"{count(len(agreement.differing), 'disagreement')}:")
        rows = [["", "human", "judge", "output"]]
        for place in agreement.differing:
            output = judged[place]
            text = output.reason or str(output.row.get("output", output.row))
            rows.append([output.id, _word(output.human), _word(output.answer), one_line(text, most=60)])
        console.terminal.table(rows, indent="   ")
    for output in outputs:
        if output.error:
            console.line((f"{output.id}: not judged: {one_line(output.error, most=200)}", "yellow"))


def _noise(judged: Sequence[JudgedOutput]) -> str:
    """Return how far answers about one output lie apart; empty where each was asked once."""
    asked = [output.answers for output in judged]
    if len(asked[0]) < 2:
        return ""
    varying = sum(len(set(answers)) > 1 for answers in asked)
    said = f"varies over {varying:,} of {count(len(asked), 'output')}"
    numbers = [[each for each in answers if not isinstance(each, str)] for answers in asked]
    if all(len(each) > 1 for each in numbers):
        said += f", one answer by ±{score_text(fmean(map(variance, numbers)) ** 0.5)}"
    return said


def _word(value: Label) -> str:
    return value if isinstance(value, str) else score_text(value)


def _as_json(
    agreement: Agreement, judged: Sequence[JudgedOutput], outputs: Sequence[JudgedOutput]
) -> dict[str, Any]:
    return {
        "outputs": len(judged),
        "agreement": agreement.share,
        "interval": list(agreement.interval),
        "kappa": agreement.kappa,
        "disagreements": [
            {"id": judged[place].id, "human": judged[place].human, "judge": judged[place].answers}
            for place in agreement.differing
        ],
        "not_judged": {output.id: output.error for output in outputs if output.error},
    }
