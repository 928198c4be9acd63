"""What a run of the loop is likely to cost, before it begins: from recorded answers and earlier runs where
there are any, else from the number of cases, the prompts and the length of the texts. Sends nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_fapo.answers.prices import list_price, model_price
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.record import SPLITS
from pytest_fapo.core.settings import Settings
from pytest_fapo.core.spending import Spending
from pytest_fapo.core.text import count, listing
from pytest_fapo.core.trace import LLMCall, Trace, Usage
from pytest_fapo.loop.blind_evaluation import HELD_OUT
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.loop.stage_spending import STAGES

_TRIES = (1, 8)
"""Candidates for each cause, fewest and most, in the project's own runs with the playbook."""

_CAUSES = (1, 3)
"""Causes of failures that nobody has diagnosed yet."""

_ACCEPTED = 1 / 3
"""The share of candidates that get as far as all cases."""

_CHARACTERS = 4
"""In one token, about."""

_ADDED = 100
"""Tokens that an accepted edit adds to a prompt, at most."""

_ANSWER = (10, 400)
"""Tokens of an answer that is not on record."""

_OPTIMIZER_ANSWER = (300, 2_000)

_OPTIMIZER_PROMPT = 1_500
"""Tokens of the instructions that a proposer's or reviewer's model gets beside cases and texts."""

_SHOWN_CASES = 8


@dataclass(frozen=True)
class Cost:
    """Calls, their tokens, and USD at list prices."""

    calls: float = 0.0
    tokens: float = 0.0
    usd: float | None = 0.0
    """None where no price is known."""

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.calls + other.calls, self.tokens + other.tokens, usd)

    def __mul__(self, times: float) -> Cost:
        usd = self.usd if self.usd is None else self.usd * times
        return Cost(self.calls * times, self.tokens * times, usd)


@dataclass(frozen=True)
class CostRange:
    """The least and the most that something costs."""

    low: Cost = Cost()
    high: Cost = Cost()

    def __add__(self, other: CostRange) -> CostRange:
        return CostRange(self.low + other.low, self.high + other.high)


@dataclass(frozen=True)
class Estimate:
    """The likely cost of a run."""

    stages: Mapping[str, CostRange]
    how: Sequence[str]
    """How it was computed, a sentence each."""
    unpriced: Sequence[str] = ()
    """Models without a known price."""
    measured: bool = True
    """False where no run of the pipeline is on record."""

    @property
    def total(self) -> CostRange:
        return sum(self.stages.values(), CostRange())


@dataclass(frozen=True)
class Known:
    """All that an estimate is made from.

    Args:
        evaluation: the tests on recorded answers alone.
        causes: of the failures; None where they are not diagnosed.
        settings: `[tool.fapo]`.
        texts: the prompts that may be edited.
        earlier: the summaries of earlier runs that tried something.
        max_candidates: as `--fapo-max-candidates` says.
    """

    evaluation: Evaluation
    causes: int | None
    settings: Settings
    texts: Sequence[str]
    earlier: Sequence[Summary] = ()
    max_candidates: int | None = None


def make_estimate(known: Known) -> Estimate:
    """Return the likely cost of `--fapo-optimize`."""
    evaluation = known.evaluation
    runs = {split: _runs(evaluation, split) for split in SPLITS}
    recorded = [
        trace
        for names in runs.values()
        for name in names
        if (trace := evaluation.traces.get(name)) is not None and _whole(trace)
    ]
    total = sum(map(len, runs.values()))
    run = _measured(recorded) if recorded else _guessed(known)
    missing = total - len(recorded)
    how = [_how_run(recorded, total, run)]
    stages = {"baseline": CostRange(run.low * missing, run.high * missing)}
    tries, targets, how_tries = _tries(known, len(runs["train"]))
    how.append(how_tries)
    if tries[1]:
        cases = len(runs["train"]) + len(runs["val"])
        one = run.low * (1 / run.low.calls) if run.low.calls else Cost()
        share = max([_ACCEPTED, *(run.accepted / _tried(run) for run in known.earlier)])
        accepted = max(tries[0], math.ceil(tries[1] * share))
        longer = _longer(run.high)
        most = longer * (accepted * cases + (tries[1] - accepted) * targets)
        stages["candidates"] = CostRange(one * (tries[0] * cases), most)
        looks = min(accepted, known.settings.holdout_looks)
        held_out = len(runs["holdout"])
        stages[HELD_OUT] = CostRange(one * (tries[0] * held_out), longer * (looks * held_out))
        stages["proof"] = CostRange(high=longer * total)
        how.append(
            "least: each candidate is accepted at once and only the edited step asks again; most: every call "
            f"is new and {_ADDED} tokens longer, {accepted} of {tries[1]} candidates get as far as all cases"
        )
        stages |= _optimizer(known, tries, how)
    models = {call.model for trace in evaluation.traces.values() for call in trace.llm_calls}
    unpriced = sorted(models) if run.high.usd is None else []
    ordered = {stage: stages[stage] for stage in STAGES if stage in stages}
    return Estimate(ordered, how, unpriced, measured=bool(recorded))


def _longer(run: Cost) -> Cost:
    """Return the cost of a run with an edited prompt."""
    tokens = run.tokens + _ADDED * run.calls
    return Cost(run.calls, tokens, None if run.usd is None else run.usd * tokens / max(1, run.tokens))


def _runs(evaluation: Evaluation, split: str) -> set[str]:
    """Return a name for each run of a pipeline: tests on one case may share it."""
    return {
        item.trace_id or name
        for name, item in evaluation.items.items()
        if item.split == split and not item.not_run
    }


def _whole(trace: Trace) -> bool:
    return all(call.answered for call in trace.llm_calls)


def _measured(recorded: Sequence[Trace]) -> CostRange:
    calls = [call.model_copy(update={"cache_hit": False}) for trace in recorded for call in trace.llm_calls]
    prices = [list_price(call) for call in calls]
    usd = None if any(price is None for price in prices) else sum(price or 0.0 for price in prices)
    tokens = sum(call.usage.input_tokens + call.usage.output_tokens for call in calls)
    mean = Cost(len(calls), tokens, usd) * (1 / len(recorded))
    return CostRange(mean, mean)


def _guessed(known: Known) -> CostRange:
    """Return what one run may cost where no answer is on record: its first request was seen, and not sent."""
    seen = [trace.llm_calls[0] for trace in known.evaluation.traces.values() if trace.llm_calls]
    texts = [json.dumps(call.messages, ensure_ascii=False) for call in seen] or [
        json.dumps(case.inputs, default=str, ensure_ascii=False) + "".join(known.texts)
        for case in known.evaluation.cases.values()
    ]
    asked = round(sum(map(len, texts)) / _CHARACTERS / max(1, len(texts)))
    most_calls = max(1, len(known.texts))
    low, high = (_call_cost(seen, Usage(input_tokens=asked, output_tokens=out)) for out in _ANSWER)
    return CostRange(low, high * most_calls)


def _call_cost(seen: Sequence[LLMCall], usage: Usage) -> Cost:
    usd = None
    if seen:
        usd = list_price(seen[0].model_copy(update={"usage": usage, "status": 200, "cache_hit": False}))
    return Cost(1, usage.input_tokens + usage.output_tokens, usd)


def _how_run(recorded: Sequence[Trace], total: int, run: CostRange) -> str:
    if recorded:
        calls = "1 call" if run.low.calls == 1 else f"{run.low.calls:.3g} calls"
        tokens = f"{run.low.tokens:,.0f} tokens"
        return f"{len(recorded):,} of {count(total, 'run')} are on record: {calls} and {tokens} each"
    calls = span(1, round(run.high.calls), "call")
    return (
        f"no run is on record: {calls} each, one for each prompt at most, of {run.low.tokens:,.0f} tokens "
        f"and more, by the length of the texts"
    )


def span(low: int, high: int, noun: str) -> str:
    """`1 call`, `1 to 8 calls`."""
    return count(high, noun) if low == high else f"{low:,} to {count(high, noun)}"


def _tries(known: Known, train: int) -> tuple[tuple[int, int], float, str]:
    """Return the fewest and most candidates, how many runs one of them targets, and why."""
    judged = [item for item in known.evaluation.in_split("train") if not (item.refused or item.not_run)]
    failing = sum(not item.passed for item in judged)
    if judged and not failing:
        return (0, 0), 0, f"none of the {count(len(judged), 'train test')} on record fails: nothing is tried"
    causes = (known.causes, known.causes) if known.causes else _CAUSES
    share = failing / len(judged) if judged else 1.0
    targets = share * train / causes[0]
    said = span(*causes, "cause") + ("" if known.causes else " (a guess)")
    tries, why = (_TRIES[0] * causes[0], _TRIES[1] * causes[1]), "1 to 8 for each cause are usual"
    tried = [_tried(run) for run in known.earlier]
    if tried:
        tries, why = (
            (min(causes[0], *tried), max(causes[0], *tried)),
            "by " + count(len(tried), "earlier run"),
        )
    if known.max_candidates is not None:
        tries = (min(tries[0], known.max_candidates), min(tries[1], known.max_candidates))
        why += f", at most --fapo-max-candidates={known.max_candidates}"
    share_text = (
        f"{failing:,} of {count(len(judged), 'train test')} on record fail"
        if judged
        else "failures are not known"
    )
    return tries, targets, f"{share_text}, {said}: {span(*tries, 'candidate')} ({why})"


def _tried(run: Summary) -> int:
    return run.accepted + run.merged + run.rejected


def _optimizer(known: Known, tries: tuple[int, int], how: list[str]) -> dict[str, CostRange]:
    """Return the cost of the models that propose and review; of a coding agent nothing is known."""
    settings = known.settings
    models = [name for name in settings.optimizer if name.startswith(("openai:", "anthropic:"))]
    shown = _OPTIMIZER_PROMPT + _evidence_tokens(known)
    found: dict[str, CostRange] = {}
    if models:
        asked = (math.ceil(tries[0] / settings.optimizer_candidates), tries[1] * len(models))
        found["proposing"] = _optimizer_cost(
            models[0], shown, asked, [run.stages.get("proposing") for run in known.earlier]
        )
    reviewer = settings.model_for("reviewer")
    if reviewer is not None and settings.review != "off":
        texts = _OPTIMIZER_PROMPT + sum(map(len, known.texts)) // _CHARACTERS
        found["reviewing"] = _optimizer_cost(
            reviewer, texts, tries, [run.stages.get("reviewing") for run in known.earlier]
        )
    agents = [name for name in settings.optimizer if name.startswith(("command:", "gepa"))]
    if agents:
        how.append(f"not counted: what {listing(agents)} asks for itself")
    if models and found["proposing"].high.usd is None:
        how.append(f"no price known for {listing(models)}")
    return found


def _evidence_tokens(known: Known) -> int:
    """Return about how many tokens the prompts and a few failing cases have."""
    traces = [
        trace.model_dump_json(include={"inputs", "output", "steps"})
        for trace in known.evaluation.traces.values()
    ]
    mean = sum(map(len, traces)) / len(traces) if traces else 0
    return round((sum(map(len, known.texts)) + mean * _SHOWN_CASES) / _CHARACTERS)


def _optimizer_cost(
    model: str, tokens: int, times: tuple[int, int], earlier: Iterable[Spending | None]
) -> CostRange:
    """Return what an optimizer's model costs, by what it took in earlier runs where that is known."""
    provider, _, name = model.partition(":")
    spent = sum((each for each in earlier if each is not None), Spending())
    if spent.calls:
        usage = (spent.usage.input_tokens / spent.calls, spent.usage.output_tokens / spent.calls)
        usages = [Usage(input_tokens=round(usage[0]), output_tokens=round(usage[1]))] * 2
    else:
        usages = [Usage(input_tokens=tokens, output_tokens=answer) for answer in _OPTIMIZER_ANSWER]
    low, high = (
        Cost(1, usage.input_tokens + usage.output_tokens, model_price(provider, name, usage))
        for usage in usages
    )
    return CostRange(low * times[0], high * times[1])
