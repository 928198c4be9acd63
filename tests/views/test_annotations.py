"""Workflow commands for GitHub and Code Quality entries for GitLab."""

from __future__ import annotations

import json
import re
from typing import Any

from pytest_fapo.views.annotations import Annotation, code_quality_json, github_lines


def annotation(**more: Any) -> Annotation:
    values: dict[str, Any] = {
        "level": "error",
        "check": "regression",
        "title": "Passed before",
        "message": "t01 fails",
        "path": "app/prompts/sort.md",
        "line": 3,
        "key": "t01",
        **more,
    }
    return Annotation(**values)


def test_a_command_names_file_line_and_title() -> None:
    expected = "::error file=app/prompts/sort.md,line=3,title=Passed before::t01 fails"
    assert github_lines([annotation()]) == [expected]
    assert github_lines([annotation(path="")]) == ["::error title=Passed before::t01 fails"]
    assert github_lines([annotation(line=0, level="notice")]) == [
        "::notice file=app/prompts/sort.md,title=Passed before::t01 fails"
    ]


def test_no_text_can_end_a_command_or_begin_another() -> None:
    evil = "50% done: a,b::c\r\n::set-output name=x::y\n\x1b[2J::stop-commands::z"
    (line,) = github_lines([annotation(title=evil, message=evil, path="a,b:c%.md")])
    assert "\n" not in line
    assert "\r" not in line
    assert "\x1b" not in line
    head, properties, message = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()  # type: ignore[union-attr]
    assert head == "error"
    assert properties.startswith("file=a%2Cb%3Ac%25.md,line=3,title=50%25 done%3A a%2Cb%3A%3Ac%0A")
    assert properties.count(",") == 2
    assert message.startswith("50%25 done: a,b::c%0A::set-output")


def test_ten_of_a_level_are_printed_and_the_rest_is_counted() -> None:
    lines = github_lines(
        [annotation(key=str(number)) for number in range(25)] + [annotation(level="notice")] * 10
    )
    assert len(lines) == 20
    assert lines[9].endswith("t01 fails%0A… and 15 more, see the summary")
    assert "more" not in "".join(lines[:9] + lines[10:])


def test_code_quality_has_what_gitlab_asks_for() -> None:
    report = code_quality_json(
        [annotation(), annotation(key="t02", level="notice"), annotation(path="", line=0, message="a\nb")],
        whole="fapo-baseline.json",
    )
    entries = json.loads(report)
    for entry in entries:
        assert entry.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert entry["location"]["lines"]["begin"] >= 1
        assert "\n" not in entry["description"]
    assert entries[0]["location"] == {"path": "app/prompts/sort.md", "lines": {"begin": 3}}
    assert entries[2]["location"]["path"] == "fapo-baseline.json"
    assert len({entry["fingerprint"] for entry in entries}) == 3
    assert json.loads(code_quality_json([], whole="x")) == []


def test_a_fingerprint_outlives_moved_lines_and_other_words() -> None:
    def fingerprints(*annotations: Annotation) -> list[str]:
        return [entry["fingerprint"] for entry in json.loads(code_quality_json(annotations, whole="x"))]

    first = fingerprints(annotation(), annotation())
    assert first == fingerprints(annotation(line=9, message="other"), annotation(title="other"))
    assert first[0] != first[1]
    assert first[0] != fingerprints(annotation(path="other.md"))[0]
