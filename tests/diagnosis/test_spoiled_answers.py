"""Right answers that code spoils, facts that a text leaves out, and tools that are asked wrongly."""

from __future__ import annotations

from support.handmade import Bench, call, span, unequal

from pytest_fapo.core.diagnosis import Diagnosis
from pytest_fapo.diagnosis.attribution import diagnose


def _found(bench: Bench) -> Diagnosis:
    return diagnose(bench.evaluation, artifacts=[])


def _length(bench: Bench, amount: float, unit: str, right: float, given: float) -> None:
    """A length that a model reads and code converts."""
    text, read = f"{amount:g} {unit}", {"value": amount, "unit": unit}
    steps = [
        span("read", read, prompt=f"Read: {text}", answer=f'{{"value": {amount}, "unit": "{unit}"}}'),
        span("convert", {"meters": given}, inputs={"read": read}),
    ]
    words = "" if given == right else unequal(given, right)
    bench.run({"text": text}, {"meters": right}, steps, {"meters": given}, explanation=words)


def test_a_number_that_code_converts_is_no_mistake_of_the_model_that_read_it() -> None:
    bench = Bench()
    for meters in (12.0, 13.0, 14.0, 15.0):
        _length(bench, meters, "m", meters, meters)
    for feet in (10.0, 20.0, 30.0, 40.0, 50.0, 60.0):
        _length(bench, feet, "ft", feet * 0.3, feet * 0.3)
    for kilometers in (2.0, 3.0, 4.0):
        _length(bench, kilometers, "km", kilometers * 1000, kilometers * 10)
    (cluster,) = _found(bench).clusters
    assert (cluster.step, cluster.level, len(cluster.nodeids)) == ("convert", "structure", 3)
    assert cluster.confidence < 0.8


def _votes(bench: Bench, listed: list[str], kept: list[str], right: int) -> None:
    """Names that a model lists, of which code drops some before it counts them."""
    answer = "\n".join(listed)
    steps = [
        span("list", listed, prompt=f"Who? {answer}", answer=answer),
        span("valid", kept, inputs={"names": listed}),
    ]
    words = "" if len(kept) == right else unequal(len(kept), right)
    bench.run({"text": answer}, {"votes": right}, steps, {"votes": len(kept)}, explanation=words)


def test_a_count_is_laid_at_the_step_whose_list_has_as_many_entries_where_cases_pass() -> None:
    bench = Bench()
    for names in (["Ann"], ["Ann", "Bo"], ["Bo", "Cy"], ["Ann", "Bo", "Cy"]):
        _votes(bench, [*names, "Ann" if len(names) == 2 else names[0]], names, len(names))
    _votes(bench, ["Dee-Ann", "Dee-Bo", "Cy"], ["Dee-Ann", "Cy"], 3)
    (finding,) = _found(bench).findings
    assert (finding.step, finding.level) == ("valid", "structure")


def _letter(bench: Bench, number: int, age: int, note: str, said: str, right: str) -> None:
    """A letter that a model sums up for another one, which decides."""
    text = f"Form {number}: the applicant is {age} years old and lives by the sea."
    steps = [
        span("note", prompt=f"In short: {text}", answer=note, inputs={"text": text}),
        span("rate", prompt=f"Which rate? {note}", answer=said, inputs={"note": note}),
    ]
    words = "" if said == right else unequal(said, right)
    bench.run({"text": text}, {"rate": right}, steps, {"rate": said}, explanation=words)


def test_a_text_that_left_out_a_number_is_to_blame_for_what_is_decided_by_it() -> None:
    bench = Bench()
    for number in range(8):
        age, rate = 10 + 9 * number, "low" if number < 4 else "high"
        _letter(bench, number, age, f"Form {number}: aged {age}", rate, rate)
    for number in (31, 32, 33):
        _letter(bench, number, 70, f"Form {number}: lives by the sea", "low", "high")
    found = _found(bench).findings
    assert {(each.step, each.level) for each in found} == {("note", "prompt")}
    assert "left out 70" in found[0].evidence


def test_a_number_that_is_left_out_where_cases_pass_too_is_no_cause_but_makes_less_sure() -> None:
    bench = Bench()
    for number in range(8):
        rate = "low" if number < 4 else "high"
        _letter(bench, number, 10 + 9 * number, f"Form {number}: lives by the sea", rate, rate)
    _letter(bench, 31, 70, "Form 31: lives by the sea", "low", "high")
    (finding,) = _found(bench).findings
    assert finding.step == "rate"
    assert finding.confidence < 0.8


def _tides(bench: Bench, day: str, result: str, said: str, right: str) -> None:
    """A model that asks a tool of one day."""
    use = {"id": "1", "type": "function", "function": {"name": "tide", "arguments": f'{{"day": "{day}"}}'}}
    messages = [
        {"role": "user", "content": f"The tide of {day}?"},
        {"role": "assistant", "content": None, "tool_calls": [use]},
        {"role": "tool", "tool_call_id": "1", "content": result},
    ]
    step = span("ask", prompt="", answer=said) | {"call": call("", said, messages=messages)}
    words = "" if said == right else unequal(said, right)
    bench.run({"day": day}, {"tide": right}, [step, span("tide", result)], {"tide": said}, explanation=words)


def test_a_tool_that_is_asked_in_another_form_than_where_cases_pass_needs_words_and_no_code() -> None:
    bench = Bench()
    for number in range(1, 6):
        _tides(bench, f"2030-04-0{number}", f'{{"tide": "{number} m"}}', f"{number} m", f"{number} m")
    _tides(bench, "April 7, 2030", '{"error": "unknown day"}', "unknown", "7 m")
    (finding,) = _found(bench).findings
    assert (finding.step, finding.category, finding.level) == ("ask", "tool", "prompt")


def test_a_tool_that_fails_asked_as_where_cases_pass_is_a_matter_of_its_code() -> None:
    bench = Bench()
    for number in range(1, 6):
        _tides(bench, f"2030-04-0{number}", f'{{"tide": "{number} m"}}', f"{number} m", f"{number} m")
    _tides(bench, "2030-04-07", '{"error": "unknown day"}', "unknown", "7 m")
    (finding,) = _found(bench).findings
    assert (finding.step, finding.level) == ("tide", "structure")
