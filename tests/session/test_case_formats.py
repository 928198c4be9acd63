"""Files as people have them: what can be loaded is, and what cannot is one line with place and remedy."""

from __future__ import annotations

import bz2
import csv
import datetime
import decimal
import gzip
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_fapo.core.case import Case
from pytest_fapo.core.errors import CaseError
from pytest_fapo.core.record import canonical_json
from pytest_fapo.session.case_loading import load_cases
from pytest_fapo.session.cases_decorator import CaseSource
from pytest_fapo.session.splits import assign_splits, split_called

Rows = list[dict[str, Any]]


def load(folder: Path, name: str, content: str | bytes, **kwargs: Any) -> list[Case]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load_list(folder, name, **kwargs)


def load_list(folder: Path, source: Any, **kwargs: Any) -> list[Case]:
    return load_cases(CaseSource(source, **kwargs), test_file=folder / "test_x.py", folders=[folder])


def refusal(folder: Path, name: str, content: str | bytes, **kwargs: Any) -> str:
    with pytest.raises(CaseError) as caught:
        load(folder, name, content, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


MAPPED: dict[str, Any] = {"inputs": ["text"], "expected": "label", "split": "train"}


def texts(cases: list[Case]) -> list[Any]:
    return [case.inputs["text"] for case in cases if isinstance(case.inputs, dict)]


# --- tables -------------------------------------------------------------------------------------------

FIELD = st.text(st.characters(exclude_characters="\t\r\n\0", exclude_categories=["Cs"]), min_size=1)


@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
def test_a_tsv_has_as_many_rows_as_lines(rows: list[tuple[str, str]], tmp_path_factory: Any) -> None:
    lines = ["text\tlabel", *("\t".join(row) for row in rows)]
    folder = tmp_path_factory.mktemp("tsv")
    cases = load(folder, "x.tsv", "\n".join(lines), **MAPPED)
    assert len(cases) == len(rows)
    for case, (text, _) in zip(cases, rows, strict=True):
        undoubled = text[1:-1].replace('""', '"')
        assert case.inputs in ({"text": text}, {"text": undoubled})


def test_quotes_of_a_tsv_are_characters_unless_they_are_doubled_within_a_field(tmp_path: Path) -> None:
    content = 'text\tlabel\n"begins\ta\n5" screen\ta\nends"\tb\n"all"\tb\n"she said ""hi"""\tc\r\n'
    assert texts(load(tmp_path, "x.tsv", content, **MAPPED)) == [
        '"begins',
        '5" screen',
        'ends"',
        '"all"',
        'she said "hi"',
    ]


@given(
    rows=st.lists(
        st.tuples(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), FIELD),
        min_size=1,
        max_size=6,
    ),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_csv_is_read_as_it_was_written(
    rows: list[tuple[str, str]], delimiter: str, end: str, tmp_path_factory: Any
) -> None:
    out = io.StringIO(newline="")
    # Python's writer leaves a carriage return bare where it ends no line of the file.
    bare = any("\r" in text for text, _ in rows)
    dialect = "all quoted" if bare else "excel"
    csv.register_dialect("all quoted", csv.excel, quoting=csv.QUOTE_ALL)
    writer = csv.writer(out, dialect, delimiter=delimiter, lineterminator=end)
    writer.writerows([("text", "label"), *rows])
    folder = tmp_path_factory.mktemp("csv")
    cases = load(folder, "x.csv", out.getvalue(), **MAPPED)
    assert [(case.inputs, case.expected) for case in cases] == [({"text": a}, b) for a, b in rows]


def test_long_fields_are_loaded_and_pythons_own_limit_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    cases = load(tmp_path, "x.csv", f'text,label\n"{"word " * 60_000}",a\n', **MAPPED)
    assert len(texts(cases)[0]) == 300_000
    with pytest.raises(CaseError):
        load(tmp_path, "x.csv", 'text,label\n"a', **MAPPED)
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(("name", "between"), [("x.csv", ","), ("x.csv", ";"), ("x.tsv", "\t")])
def test_rows_without_any_value_are_none(tmp_path: Path, name: str, between: str) -> None:
    content = "text,label\na,x\n,\n,y\n\n,\n,\n".replace(",", between)
    assert [(case.inputs, case.origin) for case in load(tmp_path, name, content, **MAPPED)] == [
        ({"text": "a"}, f"{name}:2"),
        ({"text": ""}, f"{name}:4"),
    ]


def test_a_yaml_mapping_may_take_in_another_and_differ_from_it(tmp_path: Path) -> None:
    content = "- &a {text: a, label: 1}\n- {<<: *a, text: b}\n- {<<: *a, <<: *a, label: 2}\n"
    cases = load(tmp_path, "x.yaml", content, **MAPPED)
    assert texts(cases) == ["a", "b", "a"]
    assert [case.expected for case in cases] == [1, 1, 2]


def test_a_name_that_stands_twice_in_the_header(tmp_path: Path) -> None:
    content = "text,label,label,note,note,\na,x,y,n1,n2,\n"
    said = refusal(tmp_path, "x.csv", content, **MAPPED)
    assert said == "x.csv:1: column 'label' occurs 2 times in the header; rename all but one"
    case = load(tmp_path, "x.csv", content, inputs=["text"], split="train")[0]
    assert case.metadata["note"] == ["n1", "n2"]


def test_our_own_fields_stand_beside_mapped_columns(tmp_path: Path) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(
        [
            ("text", "label", "weight", "tags", "expected_steps", "metadata", "split", "note"),
            ("a", "x", "2.5", "hard; long", '{"sort": "x"}', '{"from": "shop"}', "validation", "n"),
            ("b", "y", "", "", "", "", "train", ""),
            ("c", "y", "0", '["one, two"]', "", "free text", "test", ""),
        ]
    )
    a, b, c = load(tmp_path, "x.csv", out.getvalue(), inputs=["text"], expected="label")
    assert (a.weight, a.tags, a.expected_steps) == (2.5, ["hard", "long"], {"sort": "x"})
    assert (a.metadata, a.split) == ({"note": "n", "from": "shop"}, "val")
    assert (b.weight, b.tags, b.expected_steps, b.split) == (1.0, [], {}, "train")
    assert (c.weight, c.tags, c.metadata["metadata"], c.split) == (0.0, ["one, two"], "free text", "holdout")
    mapped = load(tmp_path, "x.csv", "text,weight\na,12 kg\n", inputs=["text", "weight"], split="train")
    assert (mapped[0].inputs, mapped[0].weight) == ({"text": "a", "weight": "12 kg"}, 1.0)


# --- forms of files -----------------------------------------------------------------------------------

ROWS: Rows = [
    {"id": "a", "inputs": {"text": "one"}, "expected": "x", "split": "train"},
    {"id": "b", "inputs": {"text": "zwei äß"}, "expected": "y", "split": "dev"},
    {"id": "c", "inputs": {"text": "three"}, "expected": "x", "split": "test"},
]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def _same(cases: list[Case]) -> bool:
    return [(case.id, case.inputs, case.split) for case in cases] == [
        (row["id"], row["inputs"], split)
        for row, split in zip(ROWS, ("train", "val", "holdout"), strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("x.jsonl", LINES.encode("utf-8-sig"), None),
        ("x.ndjson", LINES.replace("\n", "\r\n").encode(), None),
        ("x.jsonl", LINES.encode("utf-16"), None),
        ("x.jsonl", LINES.encode("utf-32"), None),
        ("x.jsonl", LINES.encode("utf-16-le"), "utf-16-le"),
        ("x.jsonl", LINES.encode("cp1252"), "cp1252"),
        ("x.jsonl", LINES.encode("utf-8-sig"), "utf-8"),
        ("x.jsonl", json.dumps(ROWS).encode(), None),
        ("x.json", LINES.encode(), None),
        ("x.json", json.dumps({"version": 2, "data": ROWS}).encode(), None),
        ("x.json", json.dumps({"labels": ["x", "y"], "cases": ROWS}).encode(), None),
        ("x.yaml", json.dumps({"examples": ROWS}).encode(), None),
        *((f"x.jsonl.{kind}", pack(LINES.encode()), None) for kind, pack in PACK.items()),
    ],
)
def test_the_same_cases_in_every_form(
    tmp_path: Path, name: str, content: bytes, encoding: str | None
) -> None:
    assert _same(load(tmp_path, name, content, encoding=encoding))


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist([{**row, "at": datetime.date(2026, 1, 2)} for row in ROWS])
    parquet.write_table(table, tmp_path / "x.parquet")
    cases = load_list(tmp_path, "x.parquet")
    assert _same(cases)
    assert cases[0].metadata == {"at": "2026-01-02"}
    assert cases[1].origin == "x.parquet #2"
    assert refusal(tmp_path, "broken.parquet", b"PAR1").startswith("broken.parquet: not a Parquet file: ")


def test_dotted_names_are_paths_into_a_row(tmp_path: Path) -> None:
    rows = [{"user": {"text": "hi"}, "messages": [{"content": "yo"}], "gold.label": "x"}]
    case = load_list(
        tmp_path, rows, inputs=["user.text", "messages.0.content"], expected="gold.label", split="train"
    )[0]
    assert (case.inputs, case.expected) == ({"text": "hi", "content": "yo"}, "x")
    own = load(tmp_path, "x.csv", "id,inputs.text,inputs.k,expected.team\n1,hi,3,billing\n", split="train")
    assert (own[0].inputs, own[0].expected) == ({"text": "hi", "k": "3"}, {"team": "billing"})
    with pytest.raises(CaseError, match=r"missing field 'user.txt'; the row has user"):
        load_list(tmp_path, rows, inputs=["user.txt"], split="train")


PROMPTFOO = """
prompts: [a.txt, b.txt]
providers: [openai:x]
defaultTest:
  vars: {tone: kind}
  assert: [{type: llm-rubric, value: is polite}]
tests:
  - description: greets
    vars: {q: hi}
    assert:
      - {type: icontains, value: hello}
  - vars: {q: bye}
"""


def test_promptfoos_tests(tmp_path: Path) -> None:
    cases = load(tmp_path, "promptfooconfig.yaml", PROMPTFOO, split="train")
    assert [case.inputs for case in cases] == [{"tone": "kind", "q": "hi"}, {"tone": "kind", "q": "bye"}]
    assert [len(case.expected) for case in cases if isinstance(case.expected, list)] == [2, 1]
    assert cases[0].metadata == {"description": "greets"}
    assert cases[0].origin == "promptfooconfig.yaml:8"
    alone = "- vars: {q: hi}\n  assert: [{type: equals, value: hello}]\n"
    assert load(tmp_path, "t.yaml", alone, split="train")[0].expected == "hello"
    mapped = load(tmp_path, "t.yaml", alone, inputs="vars", expected="assert", split="train")[0]
    assert (mapped.inputs, mapped.expected) == ({"q": "hi"}, [{"type": "equals", "value": "hello"}])


def test_promptfoos_vars_that_are_lists_are_a_case_for_each_combination(tmp_path: Path) -> None:
    """As in promptfoo: lists of texts only, and not where `disableVarExpansion` says so."""
    row = "- vars: {tone: [kind, terse], q: [hi, bye], n: [1, 2], s: x}\n  id: a\n"
    cases = load(tmp_path, "t.yaml", row, split="train")
    assert [tuple((case.inputs or {}).values()) for case in cases] == [
        (tone, q, [1, 2], "x") for tone in ("kind", "terse") for q in ("hi", "bye")
    ]
    assert [case.id for case in cases] == ["a-1", "a-2", "a-3", "a-4"]
    for option in ("options: {disableVarExpansion: true}", "inputs: {q: hi}"):
        assert len(load(tmp_path, "t.yaml", f"{row}  {option}\n", split="train")) == 1
    common = "defaultTest: {options: {disableVarExpansion: true}}\ntests:\n" + row
    assert len(load(tmp_path, "t.yaml", common, split="train")) == 1
    line = '{"vars": {"q": ["hi", "bye"]}, "assert": [{"type": "equals", "value": "x"}]}\n'
    assert [case.expected for case in load(tmp_path, "t.jsonl", line, split="train")] == ["x", "x"]


@pytest.mark.parametrize(
    "content",
    [
        "text;label\na, b;x\n",
        'text;label;"notes, if any"\na, b;x;n\n',
        "text;label;notes, if any\na, b;x;n\n",
        "sep=;\ntext;label\na, b;x\n",
        '"sep=|"\r\ntext|label\r\na, b|x\r\n',
        "text\tlabel\ta, b\na, b\tx\tn\n",
        'label,text\nx,"a, b"\n',
    ],
)
def test_the_delimiter_is_the_one_that_the_header_has_most_often_or_that_the_file_names(
    tmp_path: Path, content: str
) -> None:
    (case,) = load(tmp_path, "x.csv", content, **MAPPED)
    assert (case.inputs, case.expected) == ({"text": "a, b"}, "x")


def test_the_expected_answer_stands_in_no_other_field_of_a_case(tmp_path: Path) -> None:
    (case,) = load(tmp_path, "x.csv", "text,expected,note\na,b,c\n", inputs=["text"], split="train")
    assert (case.expected, case.metadata) == ("b", {"note": "c"})


def test_ids_and_tags_may_be_numbers(tmp_path: Path) -> None:
    rows = [{"id": 7, "inputs": "a", "tags": [1, None, True, "x"]}, {"id": 8.0, "inputs": "b", "tags": 2.5}]
    cases = load_list(tmp_path, rows, split="train")
    assert [(case.id, case.tags) for case in cases] == [("7", ["1", "True", "x"]), ("8", ["2.5"])]
    mapped = load_list(tmp_path, [{"n": 9.0, "inputs": "a"}], id="n", inputs=["inputs"], split="train")
    assert mapped[0].id == "9"


def test_rows_of_pandas_and_numpy(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    class Strange:
        def __repr__(self) -> str:
            return "strange"

    rows = [
        {
            "text": numpy.str_("a"),
            "n": numpy.int64(3),
            "list": numpy.array([1, 2]),
            "missing": float("nan"),
            "at": datetime.datetime(2026, 1, 2),
            "money": decimal.Decimal("1.5"),
            "unused": Strange(),
            "half": "\ud83d",
        }
    ]
    case = load_list(
        tmp_path, rows, inputs=["text", "n", "list", "at", "money"], expected="missing", split="train"
    )[0]
    assert case.inputs == {"text": "a", "n": 3, "list": [1, 2], "at": "2026-01-02T00:00:00", "money": 1.5}
    assert case.expected is None
    assert case.metadata == {"unused": "strange", "half": "?"}
    Case.model_validate_json(case.model_dump_json())
    with pytest.raises(CaseError, match=r"cases\(...\) #1: field 'inputs': a .*Strange has no form in JSON"):
        load_list(tmp_path, rows, inputs="unused", split="train")


# --- what cannot be loaded ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "kwargs", "said"),
    [
        (
            "x.jsonl",
            '{"text": "cut \\ud83d", "label": 1}',
            MAPPED,
            "x.jsonl:1: field 'inputs.text': half a cha",
        ),
        (
            "x.jsonl",
            '{"text": "a", "label": ["\\udc00"]}',
            MAPPED,
            "x.jsonl:1: field 'expected.0': half a cha",
        ),
        ("x.jsonl", '{"text": Infinity, "label": 1}', MAPPED, "x.jsonl:1: field 'inputs.text': inf is no"),
        ("x.jsonl", '{"text": ' + "9" * 5000 + "}", MAPPED, "x.jsonl:1: broken JSON: Exceeds the limit"),
        (
            "x.jsonl",
            '{"text": "a", "text": "b", "label": 1}',
            MAPPED,
            "x.jsonl:1: the key 'text' occurs several",
        ),
        (
            "x.json",
            '[{"text": "a", "label": 1},\n{"text": {"q": 1, "q": 2}}]',
            MAPPED,
            "x.json:2: the key 'q' oc",
        ),
        ("x.yaml", "- text: a\n  text: b\n", MAPPED, "x.yaml:2: the key 'text' occurs several times"),
        ("x.json", "[" * 100_000, MAPPED, "x.json: nested too deeply"),
        ("x.json", '{"a": [1], "b": [2]}', MAPPED, "x.json: expected a list of cases, or an object"),
        ("x.json", '{"a": {"b": 1}}', MAPPED, "x.json: expected a list of cases, or an object"),
        (
            "x.yaml",
            "tests: file://t.csv\n",
            MAPPED,
            "x.yaml: 'tests' is 'file://t.csv', and no list of cases; w",
        ),
        (
            "x.yaml",
            "prompts: [a]\ntests: f.csv\n",
            MAPPED,
            "x.yaml: 'tests' is 'f.csv', and no list of cases",
        ),
        ("x.json", '{"cases": {"a": 1}}', MAPPED, "x.json: 'cases' is"),
        (
            "x.yaml",
            "tests:\n- file://t.csv\n",
            MAPPED,
            "x.yaml:2: 'file://t.csv', and no mapping of fields; w",
        ),
        ("x.jsonl", '{\n"text": "a"\n}\n', MAPPED, "x.jsonl:1: broken JSON: Expecting property name"),
        (
            "x.jsonl",
            '{"text": "a"},\n',
            MAPPED,
            "x.jsonl:1: broken JSON: Extra data (column 14); in JSONL each l",
        ),
        ("x.csv", "sep=;\n;;\na;b;c\n", MAPPED, "x.csv:2: no column has a name"),
        ("x.csv", "sep=;\ntext;label;label\na;b;c\n", MAPPED, "x.csv:2: column 'label' occurs 2 times"),
        ("x.csv", "text,label\n", MAPPED, "x.csv: the file holds no case; expected at least one"),
        ("x.yaml", "- text: \x07\n", MAPPED, "x.yaml: broken YAML: "),
        ("x.yaml", "- at: 2024-13-45\n", MAPPED, "x.yaml: broken YAML: "),
        ("x.csv", "text,label\na,b,c\n", MAPPED, "x.csv:2: expected 2 columns as in the header, got 3"),
        ("x.csv", 'text,label\n"a"b,c\n', MAPPED, "x.csv:2: broken CSV: "),
        ("x.csv", ",,\na,b,c\n", MAPPED, "x.csv:1: no column has a name"),
        (
            "x.tsv",
            "text\tlabel\na\n",
            MAPPED,
            "x.tsv:2: expected 2 columns as in the header, got 1; in",
        ),
        ("x.csv", b"text,label\na,b\0\n", MAPPED, "x.csv:2: a NUL character"),
        (
            "x.csv",
            "text,label\na,b\n".encode("utf-16-le"),
            MAPPED,
            "x.csv:1: a NUL character; if the",
        ),
        (
            "x.csv",
            b"text,label\ncaf\xe9,b\n",
            MAPPED,
            "x.csv:2: not UTF-8 (byte 14); save the file",
        ),
        ("x.csv", b"text,label\n", MAPPED | {"encoding": "utf-99"}, "x.csv: there is no encoding 'utf-99'"),
        ("x.jsonl.gz", b"no gzip", MAPPED, "x.jsonl.gz: cannot be unpacked: "),
        (
            "x.jsonl.gz",
            gzip.compress(b"text" * 99, mtime=0)[:-12],
            MAPPED,
            "x.jsonl.gz: cannot be unpacked: ",
        ),
        ("x.xlsx", b"PK", MAPPED, "x.xlsx: unknown kind of case file; expected one of .csv, "),
        *(
            ("x.csv", f"text,label,weight\na,b,{weight}\n", MAPPED, "x.csv:2: field 'weight': ")
            for weight in ("heavy", "-1", "nan", "inf")
        ),
        ("x.csv", "text,label,expected_steps\na,b,billing\n", MAPPED, "x.csv:2: field 'expected_steps': "),
        ("x.jsonl", '{"text": "a", "label": 1, "weight": true}', MAPPED, "x.jsonl:1: field 'weight': "),
        (
            "x.csv",
            "text,split\na,gold\n",
            {"inputs": ["text"]},
            "x.csv:2: unknown split 'gold'; expected",
        ),
    ],
)
def test_what_cannot_be_loaded_is_one_line(
    tmp_path: Path, name: str, content: str | bytes, kwargs: dict[str, Any], said: str
) -> None:
    assert refusal(tmp_path, name, content, **kwargs).startswith(said)


def test_paths_that_are_no_case_file(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "tickets.jsonl").write_text("{}")
    for source, said in (
        ("cases", "cases: a folder, not a case file; name one file (it has tickets.jsonl)"),
        ("cases/ticket.jsonl", "did you mean 'cases/tickets.jsonl'?"),
        ("elsewhere/x.jsonl", "elsewhere/x.jsonl: no such case file in "),
    ):
        with pytest.raises(CaseError) as caught:
            load_list(tmp_path, source)
        assert said in str(caught.value)


# --- splits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", ["train", "Training", " TRAIN "]),
        ("val", ["val", "valid", "Validation", "dev", "eval"]),
        ("holdout", ["holdout", "held-out", "hold_out", "Held Out", "test"]),
        (None, ["gold", "", 3, None]),
    ],
)
def test_the_names_that_people_give_splits(split: str | None, names: list[Any]) -> None:
    assert {split_called(name) for name in names} == {split}


def test_the_original_fapos_splits_are_kept(tmp_path: Path) -> None:
    rows = [
        {"case_id": f"{split}-{number}", "context": {"q": f"{split} {number}"}, "metadata": {"split": split}}
        for split in ("train", "eval", "test")
        for number in range(3)
    ]
    cases = load_list(tmp_path, rows)
    assert {case.id.partition("-")[0]: case.split for case in cases} == {
        "train": "train",
        "eval": "val",
        "test": "holdout",
    }
    # A file that says of every row that it is of the test set is meant so, and never becomes training data.
    only = load_list(tmp_path, [row for row in rows if row["metadata"] == {"split": "test"}])
    assert {case.split for case in only} == {"holdout"}


INPUTS = st.sampled_from(["a", "b", "c", "d", {"q": "e"}, ["f"], 7])


@given(inputs=st.lists(INPUTS, min_size=1, max_size=30), seed=st.randoms(use_true_random=False))
def test_equal_inputs_are_in_one_split_in_any_order(inputs: list[Any], seed: Any) -> None:
    cases = [Case(id=f"c{number}", inputs=value, expected="x") for number, value in enumerate(inputs)]
    split = {case.id: case.split for case in assign_splits(cases, [False] * len(cases))}
    by_inputs: dict[str, set[str]] = {}
    for case in cases:
        by_inputs.setdefault(canonical_json(case.inputs), set()).add(split[case.id])
    assert all(len(found) == 1 for found in by_inputs.values())
    shuffled = list(cases)
    seed.shuffle(shuffled)
    again = {case.id: case.split for case in assign_splits(shuffled, [False] * len(cases))}
    assert again == split


def test_ids_decide_where_inputs_are_unique_as_they_always_have() -> None:
    cases = [Case(id=f"case-{number}", inputs=f"text {number}") for number in range(12)]
    found = "".join(case.split[0] for case in assign_splits(cases, [False] * 12))
    assert found == "tvttvvthtvvh"


def test_a_row_without_a_split_goes_where_its_inputs_are() -> None:
    given_split = [Case(id=f"g{number}", inputs=f"text {number}", split="holdout") for number in range(20)]
    free = [Case(id=f"f{number}", inputs=f"text {number}") for number in range(20)]
    found = assign_splits([*free, *given_split], [False] * 20 + [True] * 20)
    assert {case.split for case in found} == {"holdout"}
