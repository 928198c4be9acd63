"""The contents of the committed baseline: an evaluation's results, case by case, for later comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import pytest_fapo
from pytest_fapo.core.baseline import Baseline, CaseBaseline, PipelineBaseline
from pytest_fapo.core.evaluation import Evaluation, ItemResult, first_of_repeats, weighted_mean
from pytest_fapo.core.record import SPLITS, Split, canonical_json, text_digest
from pytest_fapo.core.trace import Step, Trace
from pytest_fapo.source.artifact_store import ArtifactStore


@dataclass
class ItemGroup:
    """All repeats of one test on one case, the first one first."""

    name: str
    """Node id of the first repeat."""
    items: list[ItemResult] = field(default_factory=list)

    @property
    def first(self) -> ItemResult:
        return self.items[0]

    @property
    def pipeline(self) -> str:
        return self.first.pipeline or ""

    @property
    def case_id(self) -> str:
        return self.first.case_id or ""

    @property
    def split(self) -> Split:
        return self.first.split or "train"

    @property
    def counting(self) -> list[ItemResult]:
        return [item for item in self.items if item.counts]

    @property
    def refused(self) -> str:
        """Class name of the refusal to ask a model that ended one of its repeats; empty where none did."""
        return next((item.error_type for item in self.items if item.refused), "")

    @property
    def unanswered(self) -> bool:
        """True if a call of one of its repeats got no whole answer."""
        return any(item.unanswered for item in self.items)

    @property
    def not_run(self) -> str:
        """The reason why the pipeline of one of its repeats could not run; empty if all ran."""
        return next((item.explanation or "an error" for item in self.items if item.not_run), "")

    @property
    def result(self) -> str:
        """In the words of `CaseBaseline.items`."""
        if len(self.items) == 1 or not self.counting:
            return self.first.outcome
        return f"{sum(item.passed for item in self.counting)} of {len(self.counting)}"


def item_groups(evaluation: Evaluation) -> Iterator[ItemGroup]:
    """Yield the tests on cases of an evaluation, in its order; tests without a case are left out."""
    groups: dict[str, ItemGroup] = {}
    for item in evaluation.items.values():
        if item.case_id is not None:
            name = group_name(item.nodeid, item.repeat)
            groups.setdefault(name, ItemGroup(name)).items.append(item)
    for group in groups.values():
        group.items.sort(key=lambda item: item.repeat)
        yield group


def group_name(nodeid: str, repeat: int) -> str:
    """Node id of the first repeat of a test on a case, as it is without xdist.

    Under `--dist loadgroup` xdist writes the name of a group behind the node id.
    """
    bare = nodeid[: nodeid.rfind("]") + 1] or nodeid
    return first_of_repeats(bare, repeat)


def first_trace(evaluation: Evaluation, groups: list[ItemGroup]) -> Trace | None:
    """Return the trace that the baseline keeps of a case: that of the first repeat of its first test that has
    one.
    """
    for group in sorted(groups, key=lambda group: group.name):
        trace = evaluation.trace_of(group.first)
        if trace is not None:
            return trace
    return None


OUTPUT_CHARS = 240
"""Of the JSON of an output; the rest is cut off."""

_CUTS = (160, 80, 40, 20)
"""Characters that the texts in an output may keep, tried in this order."""


def short_json(value: object) -> str:
    """Return a value as JSON on one line of at most `OUTPUT_CHARS`: long texts in it are cut, so that as much
    as possible stays readable as JSON; where that is not enough, the line is.
    """
    text = canonical_json(value)
    for most in _CUTS:
        if len(text) <= OUTPUT_CHARS:
            return text
        text = canonical_json(_with_short_texts(value, most))
    return text if len(text) <= OUTPUT_CHARS else text[: OUTPUT_CHARS - 1] + "…"


def _with_short_texts(value: object, most: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, dict):
        return {key: _with_short_texts(each, most) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_short_texts(each, most) for each in value]
    return value


def output_of(trace: Trace) -> str:
    """Return the pipeline's output, or what left it instead, for messages."""
    return short_json(trace.output) if trace.error is None else short_json({"error": trace.error})


def output_digest(trace: Trace) -> str:
    """Digest of an output that `output_of` does not give whole; empty for one that it does."""
    whole = canonical_json(trace.output if trace.error is None else {"error": trace.error})
    return digest_of(whole) if len(whole) > OUTPUT_CHARS else ""


def step_digests(trace: Trace) -> list[list[str]]:
    """Key and digest of the output of each step, a step after those inside it: the first that differs is
    then the innermost."""
    return [[step.key, _step_digest(step)] for step in inner_first(trace.steps)]


def first_difference(before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> str:
    """Key of the first step whose output is not the recorded one, that is new, or that is gone; empty where
    there is none.

    Steps are found by their keys: those that run side by side may begin in any order.

    Args:
        before: what `step_digests` gave.
        after: that of a later run of the case.
    """
    recorded = {step[0]: step[1] for step in before}
    changed = next((key for key, digest in after if recorded.get(key) != digest), "")
    if changed:
        return changed
    left = {key for key, _ in after}
    return next((key for key in recorded if key not in left), "")


def calls_digest(traces: Iterable[Trace]) -> str:
    """Digest over the questions that some runs asked; empty where they asked none."""
    keys = sorted(call.key for trace in traces for call in trace.llm_calls)
    return digest_of("\n".join(keys)) if keys else ""


def inner_first(steps: Sequence[Step]) -> list[Step]:
    """Return the steps, each after those inside it; those side by side in the order in which they began."""
    inside: dict[int | None, list[Step]] = {}
    known = {step.index for step in steps}
    for step in steps:
        inside.setdefault(step.parent if step.parent in known else None, []).append(step)
    ordered: list[Step] = []
    waiting = [(step, False) for step in reversed(inside.get(None, []))]
    while waiting:
        step, entered = waiting.pop()
        if entered:
            ordered.append(step)
            continue
        waiting.append((step, True))
        waiting += [(each, False) for each in reversed(inside.get(step.index, []))]
    return ordered


def _step_digest(step: Step) -> str:
    value = step.output if step.error is None else {"error": step.error}
    return digest_of(canonical_json(value))[:12]


def digest_of(text: str) -> str:
    """As `text_digest`, also of a text with half a surrogate pair, which models do answer with."""
    return text_digest(text.encode("utf-8", "surrogatepass"))


FORMAT = 1
"""Of the file; a version that writes another one reads no older one."""

_DIGITS = 6


def make_baseline(evaluation: Evaluation, *, artifacts: Mapping[str, str]) -> Baseline:
    """Return the baseline of an evaluation of all cases; failing cases are recorded as failing.

    Args:
        evaluation: of this session; tests without a case take no part.
        artifacts: what `artifact_digests` gave for the tree that was evaluated.
    """
    pipelines: dict[str, list[ItemGroup]] = {}
    for group in item_groups(evaluation):
        pipelines.setdefault(group.pipeline, []).append(group)
    return Baseline(
        format=FORMAT,
        plugin=pytest_fapo.__version__,
        artifacts=dict(artifacts),
        pipelines={name: _pipeline_record(evaluation, groups) for name, groups in sorted(pipelines.items())},
    )


def _pipeline_record(evaluation: Evaluation, groups: list[ItemGroup]) -> PipelineBaseline:
    cases: dict[tuple[Split, str], list[ItemGroup]] = {}
    for group in groups:
        cases.setdefault((group.split, group.case_id), []).append(group)
    traces = pipeline_traces(evaluation, groups)
    found: dict[Split, dict[str, CaseBaseline]] = {}
    for split in SPLITS:
        mine = sorted(case_id for each, case_id in cases if each == split)
        if mine:
            found[split] = {case_id: _case_record(evaluation, cases[split, case_id]) for case_id in mine}
    return PipelineBaseline(
        models=sorted({call.model for trace in traces for call in trace.llm_calls if call.model}),
        calls=calls_digest(traces),
        repeats=max(len(group.items) for group in groups),
        scores={split: score for split in found if (score := _split_score(groups, split)) is not None},
        cases=found,
    )


def _case_record(evaluation: Evaluation, groups: list[ItemGroup]) -> CaseBaseline:
    trace = first_trace(evaluation, groups)
    first = groups[0].first
    case = evaluation.cases.get(first.nodeid)
    return CaseBaseline(
        items={group.name: group.result for group in sorted(groups, key=lambda group: group.name)},
        scores=_metric_means(groups),
        tags=sorted(set(case.tags)) if case else [],
        weight=first.weight,
        calls=len(trace.llm_calls) if trace else 0,
        output=output_of(trace) if trace else "",
        output_digest=output_digest(trace) if trace else "",
        steps=step_digests(trace) if trace else [],
    )


def _metric_means(groups: list[ItemGroup]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for group in groups:
        for item in group.items:
            for name, value in item.scores.items():
                values.setdefault(name, []).append(value)
    return {name: round(fmean(found), _DIGITS) for name, found in sorted(values.items())}


def _split_score(groups: list[ItemGroup], split: Split) -> float | None:
    items = [item for group in groups if group.split == split for item in group.counting]
    share = weighted_mean((item.weight, item.passed) for item in items)
    return None if share is None else round(share, _DIGITS)


def pipeline_traces(evaluation: Evaluation, groups: Iterable[ItemGroup]) -> list[Trace]:
    """Return all runs that these tests looked at."""
    names = {item.trace_id for group in groups for item in group.items if item.trace_id}
    return [evaluation.traces[name] for name in names if name in evaluation.traces]


def artifact_digests(store: ArtifactStore) -> dict[str, str]:
    """Address to digest of every editable artifact as it is now, sorted.

    Raises:
        ArtifactError: an entry of the scope stands for nothing.
    """
    return {
        artifact.address: text_digest(artifact.text)
        for artifact in sorted(store.all(), key=lambda artifact: artifact.address)
    }
