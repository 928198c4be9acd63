"""Properties of cases and of the suite in JUnit XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.branch_project import ADDRESS, CHATTY_PROMPT, BranchProject

Properties = dict[str, str]


def properties_of(node: ElementTree.Element) -> Properties:
    return {each.attrib["name"]: each.attrib["value"] for each in node.findall("properties/property")}


def read(path: Path) -> tuple[Properties, dict[str, Properties]]:
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite is not None
    return properties_of(suite), {
        case.attrib["name"]: properties_of(case) for case in suite.findall("testcase")
    }


@pytest.mark.slow
def test_cases_and_suite_have_properties_under_xdist(tmp_path: Path) -> None:
    project = BranchProject(tmp_path)
    project.write({ADDRESS: CHATTY_PROMPT, "test_plain.py": "def test_plain(): pass\n"})
    code, text = project.pytest("-q", "--junitxml=out.xml", "-n", "2", "--fapo-repeats=2")
    assert code == 1, text
    suite, cases = read(tmp_path / "out.xml")
    failing = cases["test_team[t01~r2]"]
    assert failing["fapo.pipeline"] == "pipeline"
    assert failing["fapo.case"] == "t01"
    assert failing["fapo.split"] == "train"
    assert failing["fapo.repeat"] == "2"
    assert failing["fapo.step"] == "sort"
    assert failing["fapo.llm_calls"] == "1"
    assert 0 < float(failing["fapo.score.brevity"]) < 0.1
    passing = cases["test_team[t03]"]
    assert "fapo.step" not in passing
    assert cases["test_plain"] == {}
    assert float(suite["fapo.score.pipeline.train"]) == pytest.approx(1 / 3, abs=1e-4)
    assert float(suite["fapo.score.pipeline.holdout"]) == pytest.approx(1 / 3, abs=1e-4)
    assert suite["fapo.llm_calls.sent"] == "18"
    assert suite["fapo.llm_calls.recorded"] == "0"
    assert "fapo.baseline" not in suite


def test_hostile_names_stay_inside_the_xml(tmp_path: Path) -> None:
    project = BranchProject(tmp_path)
    project.write(
        {
            "cases.jsonl": '{"id": "a<b>&\\"\'", "inputs": {"ticket": "hello"}, "split": "train"}\n',
            "test_teams.py": """
                import pytest_fapo as fapo

                @fapo.cases("cases.jsonl", split="train")
                def test_team(case, run):
                    run.score('x"<y>\\x1b]0;t\\x07', 0.5)
                    assert run.output
                """,
        }
    )
    code, text = project.pytest("-q", "--junitxml=out.xml")
    assert code == 0, text
    _, cases = read(tmp_path / "out.xml")
    (properties,) = cases.values()
    assert properties["fapo.case"] == "a<b>&\"'"
    assert properties['fapo.score.x"<y>\\x1b]0;t\\x07'] == "0.5"


def test_a_suite_without_cases_gains_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain(): pass\n")
    (tmp_path / "pyproject.toml").write_text("[tool.fapo]\n")
    project = BranchProject.__new__(BranchProject)
    project.root = project.folder = tmp_path
    code, text = project.pytest("-q", "--junitxml=out.xml")
    assert code == 0, text
    assert read(tmp_path / "out.xml") == ({}, {"test_plain": {}})
