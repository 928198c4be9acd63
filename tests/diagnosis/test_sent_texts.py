"""Texts that reached a model are found in the project by the constant parts of its requests."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_fapo.capture.descriptions import descriptions_of
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.diagnosis import sent_texts
from pytest_fapo.diagnosis.request_samples import SentRequests, constant_parts, sample_requests, squeezed
from pytest_fapo.diagnosis.sent_texts import find_sent_texts
from pytest_fapo.source.project_texts import LocatedText, texts_in_file

TICKETS = ("My parcel is late", "I was charged twice", "The app crashes")


def sent(root: Path, files: Mapping[str, str], *requests: Sequence[str], imported: Sequence[str] = ()) -> Any:
    """What is found of one step's requests in a project of these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    steps = {"triage": [list(each) for each in requests]}
    return find_sent_texts(root, SentRequests(steps=steps, imported=list(imported)))


def filled(template: str) -> list[list[str]]:
    return [[template.replace("<t>", ticket)] for ticket in TICKETS]


PLACES: dict[str, tuple[Mapping[str, str], str, list[str]]] = {
    # files, the message that is sent, the entries
    "a file": ({"p/a.md": "Sort the ticket:\n{ticket}\n"}, "Sort the ticket:\n<t>\n", ["p/a.md"]),
    "a constant": (
        {"app.py": 'A = """Sort the ticket\n    into a team."""\n'},
        "Sort the ticket\n    into a team.",
        ["app.py::A"],
    ),
    "a template that is stripped and indented": (
        {"app.py": 'A = """\n    Sort the ticket {ticket}\n    into one team.\n"""\n'},
        "Sort the ticket <t>\ninto one team.",
        ["app.py::A"],
    ),
    "a docstring, as a schema or a tool's description": (
        {"app.py": 'class Triage:\n    """Sort the ticket\n    into a team."""\n'},
        "Sort the ticket\ninto a team.",
        ["app.py::Triage.__doc__"],
    ),
    "an argument of a call": (
        {"app.py": 'agent = Agent("gpt-4o", instructions="Sort the ticket, please.")\n'},
        "Sort the ticket, please.",
        ["app.py::agent.instructions"],
    ),
    "an f-string in a function": (
        {"app.py": 'def triage(t):\n    return ask(f"Sort {t!r} into one of {len(TEAMS)} teams.")\n'},
        "Sort <t> into one of 3 teams.",
        ["app.py::triage{t,TEAMS}"],
    ),
    "a class attribute": (
        {"app.py": 'class P:\n    A = "Sort the ticket, please."\n'},
        "Sort the ticket, please.",
        ["app.py::P.A"],
    ),
    "an f-string": (
        {"app.py": 'def ask(t):\n    return f"Sort the ticket {t} into a team."\n'},
        "Sort the ticket <t> into a team.",
        ["app.py::ask{t}"],
    ),
    "parts that are added": (
        {"app.py": 'A = "Sort the ticket " + "into a team."\n'},
        "Sort the ticket into a team.",
        ["app.py::A"],
    ),
    "entries and arguments": (
        {"app.py": 'P = {"a": {"system": "Sort the ticket."}}\nagent = Agent(prompt="Be kind to them.")\n'},
        "Sort the ticket. Be kind to them.",
        ["app.py::P.a.system", "app.py::agent.prompt"],
    ),
    "docstrings and descriptions": (
        {
            "app.py": 'class Team(Model):\n    """The team of a ticket."""\n'
            '    team: str = Field(description="One of the three teams.")\n'
            'def order(n):\n    """Look up an order.\n\n    Args:\n        n: its number.\n    """\n'
        },
        "The team of a ticket. One of the three teams. Look up an order.",
        ["app.py::Team.__doc__", "app.py::Team.team.description", "app.py::order.__doc__"],
    ),
    "a key of YAML": (
        {"p.yaml": "triage: |\n  Sort the ticket into a team.\ndraft: Write a kind reply now.\n"},
        "Sort the ticket into a team.\n<t>",
        ["p.yaml::triage"],
    ),
    "a key of JSON": ({"p.json": '{"a": {"b": "Sort the ticket."}}'}, "Sort the ticket.", ["p.json::a.b"]),
    "a Jinja file": (
        {"p.j2": "{% if vip %}Be very kind.{% endif %}\nSort the ticket of {{ name }} into a team.\n"},
        "\nSort the ticket of <t> into a team.",
        ["p.j2"],
    ),
    "two of one message": (
        {"p/a.md": "Sort the ticket.\n", "app.py": 'RULES = "Answer with one word."\n'},
        "Sort the ticket.\n\nAnswer with one word.\n\n<t>",
        ["p/a.md", "app.py::RULES"],
    ),
    "a whole short message": ({"app.py": 'A = "Classify."\nB = "Classify"\n'}, "Classify.", ["app.py::A"]),
    "a folder with brackets": ({"[p]/a.md": "Sort the ticket.\n"}, "Sort the ticket. <t>", ["[[]p]/a.md"]),
}


@pytest.mark.parametrize("name", PLACES)
def test_where_people_write_prompts(tmp_path: Path, name: str) -> None:
    files, message, entries = PLACES[name]
    found = sent(tmp_path, files, *filled(message))
    assert sorted(found.entries) == sorted(entries)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"app.py": 'A = "Sort the ticket into a team."\n'}, "Write a reply to the ticket."),
        ({"tests/test_a.py": 'A = "Sort the ticket, please."\n'}, "Sort the ticket, please."),
        (
            {"README.md": "# A\nSort the ticket, please.\nAnd much more of it in here.\n"},
            "Sort the ticket, please.",
        ),
        ({"app.py": 'A = "x"\nB = "the"\n'}, "Sort the x of y."),
        ({"app.py": "def broken(:\n"}, "Sort the ticket."),
    ],
    ids=["another text", "a test", "a page that quotes it", "a word by chance", "no Python"],
)
def test_what_reached_no_model_is_not_listed(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    assert sent(tmp_path, files, *filled(message)).entries == []


def test_a_file_that_is_looked_up_for_a_case_is_data(tmp_path: Path) -> None:
    notes = {f"notes/{n}.md": f"Opening hours of shop {n} are nine to five.\n" for n in range(4)}
    prompt = "Answer the question by the note.\n"
    requests = [[prompt + note] for note in notes.values()]
    found = sent(tmp_path, {**notes, "ask.md": prompt}, *requests)
    assert found.entries == ["ask.md"]


def test_of_two_prompts_that_the_code_chooses_from_both_are_listed(tmp_path: Path) -> None:
    code = 'KIND = "Be kind to the guest."\nBRIEF = "Be brief with the guest."\n'
    requests = [["Be kind to the guest."], *([["Be brief with the guest."]] * 5)]
    assert sent(tmp_path, {"app.py": code}, *requests).entries == ["app.py::KIND", "app.py::BRIEF"]


def test_only_python_that_the_run_imported_counts_where_that_is_known(tmp_path: Path) -> None:
    files = dict.fromkeys(("app.py", "old.py"), 'A = "Sort the ticket, please."\n')
    assert sent(tmp_path, files, *filled("Sort the ticket, please."), imported=["app.py"]).entries == [
        "app.py::A"
    ]


def test_python_that_another_process_imported_is_found_too(tmp_path: Path) -> None:
    files = {"app.py": 'A = "Sort the ticket, please."\n', "pool.py": 'B = "Answer it with one word only."\n'}
    message = "Sort the ticket, please. Answer it with one word only."
    assert sent(tmp_path, files, *filled(message), imported=["app.py"]).entries == ["app.py::A", "pool.py::B"]


def test_what_is_in_no_file_is_left_over(tmp_path: Path) -> None:
    files = {"app.py": 'A = "Sort the ticket, please."\n'}
    message = "Follow these rules to the letter. Sort the ticket, please. The ticket is this one here: <t>"
    [step] = sent(tmp_path, files, *filled(message)).steps
    assert [part.text for part in step.left_over] == [
        "Follow these rules to the letter.",
        "The ticket is this one here:",
    ]
    assert [part.line for part in step.left_over] == ["", ""]


def test_a_text_that_no_address_reaches_says_where_it_stands(tmp_path: Path) -> None:
    files = {"p.xml": "<all>\n<prompt>Sort the ticket into a team.</prompt>\n</all>\n"}
    [step] = sent(tmp_path, files, *filled("Sort the ticket into a team.")).steps
    assert step.texts == []
    assert [part.line for part in step.left_over] == ["p.xml:2"]


def test_of_thousands_of_files_those_with_words_of_a_request_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: set[str] = set()

    def counted(data: bytes, path: str) -> list[LocatedText]:
        parsed.add(path)
        return texts_in_file(data, path)

    monkeypatch.setattr(sent_texts, "texts_in_file", counted)
    files = {f"pages/{n}.md": f"Page {n} tells of other things than that.\n" for n in range(3000)}
    large = {"large.md": "Sort the ticket into a team.\n" * 20_000}
    ignored = {".gitignore": "out/\n", "out/a.md": "Sort the ticket into a team.\n"}
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    found = sent(
        tmp_path,
        {**files, **large, **ignored, "a.md": "Sort the ticket into a team.\n"},
        *filled("Sort the ticket into a team. <t>"),
    )
    assert found.entries == ["a.md"]
    assert parsed == {"a.md"}


WORD = st.text(st.characters(categories=["L"]), min_size=1, max_size=6)


@given(st.lists(WORD, min_size=4, max_size=30), st.lists(WORD, min_size=1, max_size=8), st.integers(0, 30))
def test_the_constant_parts_stand_in_every_request(words: list[str], other: list[str], at: int) -> None:
    requests = [
        [" ".join([*words[:at], f"{number}", *(other if number else []), *words[at:]])] for number in range(3)
    ]
    parts = constant_parts(requests)
    assert all(part in squeezed(text) for part in parts for [text] in requests)
    longest = max(words[:at], words[at:], key=len)
    assert len(longest) < 4 or any(" ".join(longest) in part for part in parts)


TOOL = {"name": "lookup", "description": "Look up an order."}
FIELDS = {"type": "object", "properties": {"team": {"type": "string", "description": "One of the teams."}}}


@pytest.mark.parametrize(
    "body",
    [
        {
            "tools": [{"type": "function", "function": TOOL}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": FIELDS}},
        },
        {"tools": [{**TOOL, "input_schema": FIELDS}]},
        {
            "tools": [{"type": "function", **TOOL}],
            "text": {"format": {"type": "json_schema", "schema": FIELDS}},
        },
        {"tools": [{"functionDeclarations": [TOOL]}], "generationConfig": {"responseSchema": FIELDS}},
        {"toolConfig": {"tools": [{"toolSpec": {**TOOL, "inputSchema": {"json": FIELDS}}}]}},
        {"tools": [{"function": TOOL}], "format": FIELDS},
    ],
    ids=["chat", "anthropic", "responses", "gemini", "bedrock", "ollama"],
)
def test_descriptions_of_tools_and_answers_are_read(body: Mapping[str, Any]) -> None:
    said = {"messages": [{"role": "user", "content": "x", "description": "no"}], "model": "m"}
    assert descriptions_of({**said, **body}) == ["Look up an order.", "One of the teams."]


def test_a_sample_holds_no_words_of_models_and_tools(tmp_path: Path) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where is it?"}]},
        {"role": "assistant", "content": "Let me see."},
        {"role": "tool", "tool_call_id": "1", "content": "On its way."},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "Late."}]},
        {"type": "function_call_output", "call_id": "1", "output": "Lost."},
        {"role": "user", "parts": [{"text": "And now?"}]},
    ]
    call = LLMCall(key="k", api="chat.completions", url="u", messages=messages, descriptions=["Look up."])
    step = Step(name="answer", index=0, llm_calls=[0])
    trace = Trace(pipeline="p", case_id="a", steps=[step], llm_calls=[call])
    sample = sample_requests(Evaluation(traces={"t": trace}), tmp_path)
    assert sample.steps == {"answer": [["Be kind.", "Where is it?", "And now?", "Look up."]]}
