"""Steps by decorator: every kind of function, their nesting, what they record; nothing without a recorder."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

import pytest_fapo as fapo
from pytest_fapo.capture.recorder import Recorder, current_recorder, recording
from pytest_fapo.capture.thread_context import propagating
from pytest_fapo.core.trace import Step, Trace


def _record(function: Callable[[], Any]) -> Trace:
    recorder = Recorder(pipeline="p", case_id="c")
    with recording(recorder):
        function()
    return recorder.trace()


def _steps(function: Callable[[], Any]) -> list[Step]:
    return _record(function).steps


def _input(step: Step, name: str) -> int:
    assert isinstance(step.inputs, dict)
    value = step.inputs[name]
    assert isinstance(value, int)
    return value


@fapo.step
def double(x: int, *, plus: int = 0) -> int:
    """Twice x."""
    return 2 * x + plus


@fapo.step(name="outer step")
def outer(x: int) -> int:
    return double(x) + double(x=x, plus=1)


@fapo.step
def failing(text: str) -> None:
    raise ValueError(f"cannot use {text}")


@fapo.step
def counting(n: int) -> Iterator[str]:
    for number in range(n):
        yield f"{double(number)};"


@fapo.step
def averaging() -> Any:
    total, count = 0.0, 0
    received = yield None
    while received is not None:
        total, count = total + received, count + 1
        try:
            received = yield total / count
        except KeyError:
            received = yield "a key error"
    return "returned"


@fapo.step
async def slow_double(x: int) -> int:
    await asyncio.sleep(0.01 * (3 - x))
    return double(x)


@fapo.step
async def async_counting(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield await slow_double(number)


class Desk:
    factor = 3

    @fapo.step
    def triage(self, text: str) -> str:
        return text * self.factor

    @classmethod
    @fapo.step
    def of(cls, factor: int) -> int:
        return factor * cls.factor

    @staticmethod
    @fapo.step
    def free(text: str) -> str:
        return text.upper()


class BigDesk(Desk):
    factor = 4


def test_without_a_recorder_it_is_the_function() -> None:
    assert current_recorder() is None
    assert outer(2) == 9
    assert list(counting(2)) == ["0;", "2;"]
    assert asyncio.run(slow_double(3)) == 6


def test_identity_is_kept() -> None:
    assert (double.__name__, double.__doc__, double.__module__) == ("double", "Twice x.", __name__)
    assert str(inspect.signature(double)) == "(x: 'int', *, plus: 'int' = 0) -> 'int'"
    assert inspect.iscoroutinefunction(slow_double)
    assert inspect.isasyncgenfunction(async_counting)
    assert inspect.isgeneratorfunction(counting)
    assert not inspect.iscoroutinefunction(double)
    assert fapo.step(double) is double


def test_nested_calls_are_recorded_with_inputs_and_outputs() -> None:
    first, second, third = _steps(lambda: outer(2))
    assert (first.name, first.inputs, first.output, first.parent) == ("outer step", {"x": 2}, 9, None)
    assert (second.name, second.inputs, second.output, second.parent) == ("double", {"x": 2, "plus": 0}, 4, 0)
    assert (third.key, third.inputs, third.occurrence) == ("double#2", {"x": 2, "plus": 1}, 2)
    assert [step.index for step in (first, second, third)] == [0, 1, 2]
    assert first.duration >= second.duration >= 0
    assert first.start <= second.start <= third.start


def test_inputs_are_recorded_as_they_were_at_the_call() -> None:
    @fapo.step
    def clear(items: list[int]) -> list[int]:
        items.clear()
        return items

    (step,) = _steps(lambda: clear([1, 2]))
    assert (step.inputs, step.output) == ({"items": [1, 2]}, [])


def test_an_exception_ends_the_step_and_passes_through() -> None:
    def pipeline() -> None:
        with pytest.raises(ValueError, match="cannot use this"):
            failing("this")

    (step,) = _steps(pipeline)
    assert (step.error, step.output) == ("ValueError: cannot use this", None)


def test_even_stopiteration_from_a_plain_function_is_an_error() -> None:
    @fapo.step
    def exhausted() -> Any:
        return next(iter([]))

    def pipeline() -> None:
        with pytest.raises(StopIteration):
            exhausted()

    assert _steps(pipeline)[0].error == "StopIteration"


def test_wrong_arguments_raise_what_they_always_raise() -> None:
    def pipeline() -> None:
        with pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
            double(y=1)  # type: ignore[call-arg]

    (step,) = _steps(pipeline)
    assert (step.error or "").startswith("TypeError")


def test_a_generator_lasts_until_it_is_exhausted_and_its_consumer_is_not_inside() -> None:
    def pipeline() -> None:
        for item in counting(2):
            double(int(item[:-1]), plus=100)

    steps = _steps(pipeline)
    assert [(step.name, step.parent) for step in steps] == [
        ("counting", None), ("double", 0), ("double", None), ("double", 0), ("double", None),
    ]  # fmt: skip
    assert steps[0].output == "0;2;"


def test_a_generator_left_early_ends_without_error() -> None:
    def pipeline() -> None:
        generator = counting(9)
        next(generator)
        generator.close()  # type: ignore[attr-defined]

    step = _steps(pipeline)[0]
    assert (step.output, step.error) == ("0;", None)


def test_send_throw_and_return_reach_the_generator() -> None:
    seen: list[Any] = []

    def pipeline() -> None:
        generator = averaging()
        seen.append(next(generator))
        seen.append(generator.send(4))
        seen.append(generator.send(6))
        seen.append(generator.throw(KeyError("k")))
        try:
            generator.send(None)
        except StopIteration as stop:
            seen.append(stop.value)

    (step,) = _steps(pipeline)
    assert seen == [None, 4.0, 5.0, "a key error", "returned"]
    assert step.output == seen[:-1]


def test_tasks_keep_their_parents_apart() -> None:
    @fapo.step
    async def fan_out(base: int) -> list[int]:
        return list(await asyncio.gather(slow_double(base), slow_double(base + 1)))

    async def pipeline() -> None:
        await asyncio.gather(fan_out(0), fan_out(1))

    steps = _steps(lambda: asyncio.run(pipeline()))
    children = {
        _input(step, "base"): sorted(_input(child, "x") for child in steps if child.parent == step.index)
        for step in steps
        if step.name == "fan_out"
    }
    assert children == {0: [0, 1], 1: [1, 2]}
    assert all(
        steps[step.parent].name == "slow_double" for step in steps if step.name == "double" and step.parent
    )


def test_async_generators_record_what_they_gave() -> None:
    async def pipeline() -> list[int]:
        return [item async for item in async_counting(3)]

    steps = _steps(lambda: asyncio.run(pipeline()))
    assert (steps[0].name, steps[0].output) == ("async_counting", [0, 2, 4])
    assert [step.parent for step in steps if step.name == "slow_double"] == [0, 0, 0]


def test_a_cancelled_step_says_so() -> None:
    async def pipeline() -> None:
        task = asyncio.create_task(slow_double(-50))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    (step,) = _steps(lambda: asyncio.run(pipeline()))
    assert step.error == "CancelledError"


def test_methods_are_named_after_their_object() -> None:
    steps = _steps(lambda: (Desk().triage("ab"), BigDesk().triage("a"), BigDesk.of(2), Desk.free("x")))
    assert [(step.name, step.inputs, step.output) for step in steps] == [
        ("Desk.triage", {"text": "ab"}, "ababab"),
        ("BigDesk.triage", {"text": "a"}, "aaaa"),
        ("BigDesk.of", {"factor": 2}, 8),
        ("Desk.free", {"text": "x"}, "X"),
    ]


def test_a_plain_function_that_hands_out_a_coroutine_lasts_until_it_is_awaited() -> None:
    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def inner(*args: Any) -> Any:
            return function(*args)

        return inner

    traced = fapo.step(name="late")(decorated(slow_double.__wrapped__))  # type: ignore[attr-defined]
    late, inner = _steps(lambda: asyncio.run(traced(1)))
    assert (late.name, late.output, inner.parent) == ("late", 2, 0)
    assert late.duration >= inner.duration > 0


def test_threads_started_in_a_run_belong_to_it() -> None:
    def pipeline() -> None:
        thread = threading.Thread(target=double, args=(1,))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(double, 2).result()
            pool.submit(copy_context().run, double, 3).result()

    def numbers() -> list[int]:
        return [_input(step, "x") for step in _steps(pipeline)]

    assert numbers() == [3]  # Python's own rule
    with propagating():
        assert numbers() == [1, 2, 3]
    assert numbers() == [3]


def test_one_recorder_takes_many_threads_at_once() -> None:
    recorder = Recorder(pipeline="p", case_id="c")
    with recording(recorder), propagating(), ThreadPoolExecutor(8) as pool:
        list(pool.map(outer, range(200)))
    steps = recorder.trace().steps
    assert len(steps) == 600
    for step in steps:
        if step.parent is not None:
            assert _input(step, "x") == _input(steps[step.parent], "x")


def test_lru_caches_keep_their_methods() -> None:
    @fapo.step
    @functools.lru_cache
    def cached(x: int) -> int:
        return x + 1

    assert [step.output for step in _steps(lambda: (cached(1), cached(1)))] == [2, 2]
    assert cached.cache_info().hits == 1
    cached.cache_clear()


def test_a_recorder_of_llm_calls_only_records_no_functions() -> None:
    recorder = Recorder(pipeline="p", case_id="c", step_functions=False)
    with recording(recorder):
        outer(1)
    assert recorder.trace().steps == []


def test_the_trace_holds_the_runs_own_values() -> None:
    recorder = Recorder(pipeline="p", case_id="c", limit=200)
    trace = recorder.trace(inputs={"q": "x" * 1000}, output=[1], error=KeyError("k"))
    assert (trace.pipeline, trace.case_id, trace.output, trace.error) == ("p", "c", [1], "KeyError: 'k'")
    assert len(trace.inputs["q"]) < 300  # type: ignore[index,call-overload,arg-type]


def test_a_step_that_is_not_over_is_in_the_trace_too() -> None:
    recorder = Recorder(pipeline="p", case_id="c")
    with recording(recorder):
        generator = counting(3)
        next(generator)
        (step, _) = recorder.trace().steps
    assert (step.name, step.output) == ("counting", None)
    generator.close()  # type: ignore[attr-defined]


def test_a_traced_function_costs_next_to_nothing_without_a_recorder() -> None:
    @fapo.step
    def nothing() -> None:
        pass

    start = time.process_time()
    for _ in range(100_000):
        nothing()
    assert time.process_time() - start < 1.0  # 10 µs a call; measured: about 0.3
