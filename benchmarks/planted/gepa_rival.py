"""GEPA on the same program, cases, models and reflector; its task-model calls are counted at the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.planted.lab import Lab
from benchmarks.planted.rules_program import RULES, Item, Program, reflect
from benchmarks.planted.server import Answerer

THREADS = 8
"""Cases run at once, for both optimizers."""
Reflector = Callable[[str, str, Sequence[Item]], str]


@dataclass(frozen=True)
class GepaRun:
    """The result of a run of GEPA."""

    calls: int
    """Task-model calls counted at the server."""
    val: float
    """Validation score of the program that it returns, as it measured it."""
    changed: bool
    """True if that is another program than the one it was given."""
    prompts: dict[str, str]


def available() -> bool:
    """True if GEPA is installed (the extra `benchmarks`)."""
    return find_spec("gepa") is not None


def run_gepa(
    lab: Lab,
    program: Program,
    *,
    seed: int,
    model: Answerer | None = None,
    reflector: Reflector = reflect,
    metric_calls: int | None = None,
    iterations: int | None = None,
    until: float | None = None,
) -> GepaRun:
    """Run GEPA with its defaults on all the cases: the held-out ones, a notion it lacks, validate too.

    Args:
        lab: where the models answer.
        program: what is optimized.
        seed: GEPA's own.
        model: answers instead of the program's model.
        reflector: writes the new prompt; gets step, current prompt and the cases that GEPA shows.
        metric_calls: its budget.
        iterations: stop after so many.
        until: stop as soon as the best validation score is this high.
    """
    import httpx

    name = f"gepa-{seed}-{id(program)}"
    lab.server.models[name] = model or program.answer
    client = httpx.Client(base_url=f"{lab.server.url(name)}/v1", timeout=60)
    adapter = _Adapter(program, client)

    def reflection(question: Any) -> str:
        text = str(question)
        current = text.split("```")[1].strip("\n") + "\n"
        step = next(step for step in program.steps if RULES[step].head in current)
        seen = [item for item in program.items if item.goods in text]
        return f"```\n{reflector(step, current, seen)}\n```"

    def stop(state: Any) -> bool:
        best = max(state.program_full_scores_val_set, default=0.0)
        return (until is not None and best >= until) or (iterations is not None and state.i + 1 >= iterations)

    with client:
        result = import_module("gepa.api").optimize(
            seed_candidate=dict(program.prompts),
            trainset=list(program.of_split("train")),
            valset=[*program.of_split("val"), *program.of_split("holdout")],
            adapter=adapter,
            reflection_lm=reflection,
            max_metric_calls=metric_calls,
            stop_callbacks=[stop],
            seed=seed,
            logger=_Quiet(),
        )
    prompts = dict(result.candidates[result.best_idx])
    return GepaRun(
        calls=lab.server.calls[name],
        val=result.val_aggregate_scores[result.best_idx],
        changed=prompts != program.prompts,
        prompts=prompts,
    )


class _Quiet:
    def log(self, message: str) -> None:
        pass


class _Adapter:
    """The program as GEPA wants it: prompts in, outputs, scores and traces out."""

    propose_new_texts = None

    def __init__(self, program: Program, client: Any) -> None:
        self._program = program
        self._client = client
        self._pool = ThreadPoolExecutor(THREADS)

    def evaluate(self, batch: list[Item], candidate: Mapping[str, str], capture_traces: bool = False) -> Any:
        batch_of = import_module("gepa.core.adapter").EvaluationBatch
        outputs = list(self._pool.map(lambda item: self._run(item, candidate), batch))
        right = [
            all(output[step] == item.right[step] for step in self._program.steps)
            for item, output in zip(batch, outputs, strict=True)
        ]
        traces = list(zip(batch, outputs, strict=True)) if capture_traces else None
        return batch_of(outputs=outputs, scores=[float(one) for one in right], trajectories=traces)

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> dict[str, list[dict[str, str]]]:
        return {
            step: [
                {
                    "Inputs": item.goods,
                    "Generated Outputs": output[step],
                    "Feedback": f"The right answer of this step is {item.right[step]}.",
                }
                for item, output in eval_batch.trajectories
            ]
            for step in components_to_update
        }

    def _run(self, item: Item, prompts: Mapping[str, str]) -> dict[str, str]:
        return {step: self._ask(prompts[step].format(goods=item.goods)) for step in self._program.steps}

    def _ask(self, text: str) -> str:
        body = {
            "model": "small-1",
            "messages": [{"role": "user", "content": text}],
            "temperature": 0.0,
            "max_tokens": 500,
        }
        response = self._client.post("/chat/completions", json=body).raise_for_status()
        return str(response.json()["choices"][0]["message"]["content"]).strip()
