"""DSPy's optimizers and GEPA on the same tasks, cases and model, each with as many calls as ours had."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from benchmarks.real.local_model import LocalModel
from benchmarks.real.our_run import EXAMPLES
from benchmarks.real.tasks import Cases, Row, Task

Rival = Callable[[Task, Cases, LocalModel, int, int], tuple[float, int]]
"""Of task, cases, model, seed and the calls it may make: accuracy on unseen cases, and the calls it made."""


def _program(task: Task) -> Any:
    dspy = import_module("dspy")
    label = dspy.Predict(dspy.Signature("text -> topic", task.prompt))
    if task.steps == 1:
        return label

    class TwoSteps(dspy.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.wish = dspy.Predict(
                dspy.Signature("text -> wish", "Say in a few words what the customer wants.")
            )
            self.label = dspy.Predict(dspy.Signature("wish -> topic", task.prompt))

        def forward(self, text: str) -> Any:
            return self.label(wish=self.wish(text=text).wish)

    return TwoSteps()


def _run(
    task: Task, cases: Cases, model: LocalModel, compile: Callable[[Any, Any, Any, Any, Any], Any]
) -> tuple[float, int]:
    """Compile the program and ask it about the unseen cases.

    Args:
        compile: gets dspy, the program, the train examples, the others and the language model.
    """
    dspy = import_module("dspy")
    model_of = dspy.LM(
        "openai/smol",
        api_base=model.url,
        api_key="none",
        temperature=0,
        max_tokens=64,
        cache=False,
        timeout=600,
    )
    with dspy.context(lm=model_of):
        model.calls = 0
        program = compile(dspy, _program(task), _examples(cases.train), _examples(cases.val), model_of)
        calls = model.calls

        def right(row: Row) -> bool:
            with dspy.context(lm=model_of):
                try:
                    return bool(_is_right(row[1], program(text=row[0])))
                except Exception:  # an answer that DSPy cannot read is a wrong answer
                    return False

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(right, cases.unseen)) / len(cases.unseen), calls


def _examples(rows: list[Row]) -> list[Any]:
    dspy = import_module("dspy")
    return [dspy.Example(text=text, wish=text, topic=label).with_inputs("text") for text, label in rows]


def _is_right(label: str, prediction: Any) -> bool:
    return str(getattr(prediction, "topic", "")).strip() == label


def _metric(example: Any, prediction: Any, trace: Any = None, *more: Any) -> bool:
    return _is_right(example.topic, prediction)


def _no_examples(task: Task, cases: Cases, model: LocalModel, seed: int, calls: int) -> tuple[float, int]:
    return _run(task, cases, model, lambda dspy, program, train, val, lm: program)


def _labeled(task: Task, cases: Cases, model: LocalModel, seed: int, calls: int) -> tuple[float, int]:
    def compile(dspy: Any, program: Any, train: Any, val: Any, lm: Any) -> Any:
        import random

        random.Random(seed).shuffle(train)
        return dspy.LabeledFewShot(k=EXAMPLES).compile(program, trainset=train)

    return _run(task, cases, model, compile)


def _random_search(task: Task, cases: Cases, model: LocalModel, seed: int, calls: int) -> tuple[float, int]:
    def compile(dspy: Any, program: Any, train: Any, val: Any, lm: Any) -> Any:
        programs = max(1, calls // (task.steps * (len(val) + len(train))) - 3)  # three are made in any case
        optimizer = dspy.BootstrapFewShotWithRandomSearch(
            metric=_metric,
            max_labeled_demos=EXAMPLES,
            max_bootstrapped_demos=4,
            num_candidate_programs=programs,
            num_threads=4,
        )
        return optimizer.compile(program, trainset=train, valset=val)

    return _run(task, cases, model, compile)


def _mipro(task: Task, cases: Cases, model: LocalModel, seed: int, calls: int) -> tuple[float, int]:
    def compile(dspy: Any, program: Any, train: Any, val: Any, lm: Any) -> Any:
        optimizer = dspy.MIPROv2(
            metric=_metric,
            prompt_model=lm,
            task_model=lm,
            auto=None,
            num_candidates=4,
            max_bootstrapped_demos=4,
            max_labeled_demos=EXAMPLES,
            num_threads=4,
            seed=seed,
        )
        trials = max(2, calls // (task.steps * len(val)) - 2)
        return optimizer.compile(program, trainset=train, valset=val, num_trials=trials, minibatch=False)

    return _run(task, cases, model, compile)


def _gepa(task: Task, cases: Cases, model: LocalModel, seed: int, calls: int) -> tuple[float, int]:
    def compile(dspy: Any, program: Any, train: Any, val: Any, lm: Any) -> Any:
        optimizer = dspy.GEPA(
            metric=_metric,
            max_metric_calls=max(1, calls // task.steps),
            reflection_lm=lm,
            num_threads=4,
            seed=seed,
        )
        return optimizer.compile(program, trainset=train, valset=val)

    return _run(task, cases, model, compile)


RIVALS: dict[str, Rival] = {
    "DSPy, no examples": _no_examples,
    "DSPy LabeledFewShot": _labeled,
    "DSPy BootstrapFewShotWithRandomSearch": _random_search,
    "DSPy MIPROv2": _mipro,
    "GEPA (by DSPy, the same model reflects)": _gepa,
}
