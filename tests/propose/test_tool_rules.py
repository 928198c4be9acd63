"""The playbook's rules for agents about their tools, and for other steps with known labels or errors."""

from __future__ import annotations

from typing import Any

from support.handmade import Bench, prompt_file, span, unequal

from pytest_fapo.core.candidate import Artifact, Candidate
from pytest_fapo.core.evidence import Evidence
from pytest_fapo.core.record import Category
from pytest_fapo.diagnosis.attribution import diagnose
from pytest_fapo.propose.playbook.playbook import Playbook

SKILL = prompt_file(
    "skills/orders/SKILL.md", "Look the order up with `get_order`.\nAnswer with the bare state.\n"
)


def _turns(question: str, uses: list[tuple[str, dict[str, Any], str]], answer: str) -> dict[str, Any]:
    """The last request of an agent's loop, with all that was said before it."""
    messages: list[Any] = [{"role": "system", "content": SKILL.text}, {"role": "user", "content": question}]
    for number, (name, arguments, result) in enumerate(uses):
        calls = [{"id": f"c{number}", "function": {"name": name, "arguments": arguments}}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": result})
    return {"messages": messages, "answer": answer, "offered": ["order_status", "opening_hours"]}


def _agent(
    category: Category,
    rows: list[tuple[list[tuple[str, dict[str, Any], str]], str, str]],
    *artifacts: Artifact,
) -> Evidence:
    bench = Bench()
    for number, (uses, answer, expected) in enumerate(rows):
        made = _turns(f"question {number}", uses, answer)
        spans = [span("assist", prompt=SKILL.text, answer=answer, call=made)]
        explanation = "" if answer == expected else unequal(answer, expected)
        bench.run(
            {"question": f"question {number}"}, {"state": expected}, spans, answer, explanation=explanation
        )
    cluster = diagnose(bench.evaluation, artifacts=[SKILL]).clusters[0]
    changes = {"category": category, "step": "assist", "artifacts": [SKILL.address], "field": ""}
    return bench.evidence(cluster.model_copy(update=changes), [SKILL, *artifacts])


def _first(evidence: Evidence) -> Candidate:
    return next(iter(Playbook().propose(evidence)))


UNKNOWN = "Error: unknown tool 'get_order'; there are order_status and opening_hours"


def test_a_wrong_name_of_a_tool_is_corrected() -> None:
    rows = [([("get_order", {"order": "1"}, UNKNOWN)], "I cannot.", "packed") for _ in range(3)]
    rows += [([("order_status", {"order": "1"}, "sent")], "sent", "sent") for _ in range(2)]
    proposals = list(Playbook().propose(_agent("tool", rows)))
    assert proposals[0].technique == "tool names corrected"
    assert proposals[0].edits[0].after == SKILL.text.replace("get_order", "order_status")


def test_the_form_of_arguments_is_told_as_the_tool_took_them() -> None:
    refused = "Error: invalid argument date: expected something else"
    rows = [([("order_status", {"date": f"{n} May"}, refused)], "No.", "x") for n in range(1, 4)]
    rows += [([("order_status", {"date": f"2027-05-0{n}"}, "ok")], "ok", "ok") for n in range(1, 4)]
    first = _first(_agent("tool", rows))
    assert first.technique == "tool arguments"
    assert 'Give the argument "date" of the tool order_status as YYYY-MM-DD' in first.edits[0].after


def test_the_form_of_arguments_is_told_in_the_tools_own_words() -> None:
    refused = "Error: invalid argument date: expected YYYY-MM-DD"
    rows = [([("order_status", {"date": f"{n} May", "n": n}, refused)], "No.", "x") for n in range(1, 4)]
    after = _first(_agent("tool", rows)).edits[0].after
    assert 'Give the argument "date" of the tool order_status as it expects: YYYY-MM-DD.' in after


def test_idle_tools_are_called_for() -> None:
    rows: list[Any] = [([], f"{n}", f"{n + 100}") for n in range(4)] + [([], "7", "7")]
    found = list(Playbook().propose(_agent("content", rows)))
    rules = [candidate.edits[0].after for candidate in found if candidate.technique == "use of tools"]
    assert "Always use the tools (order_status and opening_hours) to find the answer" in rules[0]


BRIDGE = prompt_file("prompts/bridge.md", "Which club is it?\n\n{context}\n")


def test_labels_of_a_step_of_its_own_tell_what_its_prompt_lacks() -> None:
    bench = Bench()
    clubs = ("Redwood United", "Lakeside Rovers", "Harbour City")
    for number in range(9):
        club, town = clubs[number % 3], f"town {number}"
        good = number >= 5
        said = club if good else f"The player gave an interview and plays for {club}"
        context = f"notes {number} about {club}"
        spans = [
            span(
                "bridge", prompt=BRIDGE.text.format(context=context), answer=said, inputs={"context": context}
            ),
            span("answer", town if good else "unknown"),
        ]
        told = town if good else "?"
        bench.run(
            {"question": f"Where does player {number} train?"},
            {"town": town},
            spans,
            {"town": told},
            explanation="" if good else unequal("?", town),
            expected_steps={"bridge": club},
        )
    cluster = diagnose(bench.evaluation, artifacts=[BRIDGE]).clusters[0]
    assert cluster.step == "bridge"
    found = list(Playbook().propose(bench.evidence(cluster, [BRIDGE])))
    assert found
    assert "Redwood United" in found[0].edits[0].after or "at most" in found[0].edits[0].after


SPLIT = prompt_file("prompts/split.md", "Split the question.\n\n{question}\n")


def test_items_that_share_a_line_are_given_lines_of_their_own() -> None:
    bench = Bench()
    for number in range(8):
        good = number >= 4
        said = f"part a {number}\npart b {number}" if good else f"part a {number} and part b {number}"
        spans = [span("split", said.splitlines(), prompt=SPLIT.text.format(question=number), answer=said)]
        bench.run(
            {"question": f"q{number}"}, {"x": "y"}, spans, "y", explanation="" if good else unequal("z", "y")
        )
    cluster = diagnose(bench.evaluation, artifacts=[SPLIT]).clusters[0]
    cluster = cluster.model_copy(update={"step": "split", "category": "format", "artifacts": [SPLIT.address]})
    first = _first(bench.evidence(cluster, [SPLIT]))
    assert first.technique == "one item per line"
    assert "- Write each item on a line of its own." in first.edits[0].after


QUERY = prompt_file("prompts/query.md", "Write a query over the table guests.\n\n{question}\n")
SOURCE = """
def run(sql):
    db.execute("CREATE TABLE guests (name TEXT, home_town TEXT, age INTEGER DEFAULT (1), PRIMARY KEY (name))")
"""


def test_columns_are_named_where_queries_use_others() -> None:
    bench = Bench()
    error = "sqlite3.OperationalError: no such column: city"
    for number in range(4):
        spans = [
            span("write", prompt=QUERY.text.format(question=number), answer="SELECT city FROM guests"),
            span("run", error=error),
        ]
        bench.run({"question": f"q{number}"}, {"n": 1}, spans, error=error, explanation=error)
    cluster = diagnose(bench.evaluation, artifacts=[QUERY]).clusters[0]
    cluster = cluster.model_copy(
        update={"step": "write", "category": "content", "artifacts": [QUERY.address]}
    )
    first = _first(bench.evidence(cluster, [QUERY], sources={"app/db.py": SOURCE}))
    assert first.technique == "table columns"
    assert "The table guests has the columns name, home_town and age;" in first.edits[0].after


NOTES = prompt_file("prompts/reply.md", "Write a reply.\n\n{notes}\n\n{question}\n")


def test_sources_that_have_to_be_named_beside_facts() -> None:
    bench = Bench()
    for number in range(8):
        value, source = f"{number + 3} years", f"HC-{100 + number}"
        notes = f"{source}: the warranty runs for {value}"
        good = number >= 4
        reply = f"It runs for {value}{f' [{source}]' if good else ''}."
        prompt = NOTES.text.format(notes=notes, question=f"q{number}")
        spans = [span("reply", prompt=prompt, answer=reply, inputs={"notes": notes})]
        explanation = "" if good else f"AssertionError: assert {source!r} in {reply!r}"
        expected = {"must_include": [value, source]}
        bench.run({"question": f"q{number}"}, expected, spans, {"reply": reply}, explanation=explanation)
    cluster = diagnose(bench.evaluation, artifacts=[NOTES]).clusters[0]
    first = _first(bench.evidence(cluster, [NOTES]))
    assert (
        "Name the identifier (the letters HC, a hyphen, 3 digits, such as HC-123) of the text"
        in first.edits[0].after
    )
