"""The unpatched copy must give the same verdicts; where it does not, the reason is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.shadow_project import Project

from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.trace import LLMCall, Step, Trace
from pytest_fapo.shadow.evaluation_request import EvaluationRequest
from pytest_fapo.shadow.reproduction import Mismatch, reproduced
from pytest_fapo.shadow.shadow_run import evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

ROOT = Path("/home/me/app")


def in_the_project(project: Project) -> Evaluation:
    """The baseline: pytest in the project itself, which leaves its verdicts in its JUnit report."""
    report = project.root.parent / "baseline.xml"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=project.root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
    )
    from xml.etree import ElementTree

    items = {}
    for case in ElementTree.parse(report).iter("testcase"):
        nodeid = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        outcome = next((child.tag for child in case), "passed")
        items[nodeid] = ItemResult.model_validate(
            {"nodeid": nodeid, "outcome": {"failure": "failed"}.get(outcome, outcome)}
        )
    return Evaluation(items=items)


def compared(project: Project) -> Mismatch | None:
    baseline = in_the_project(project)
    assert baseline.items
    with ShadowTree.create(project.root) as shadow:
        return reproduced(baseline, evaluate(shadow, EvaluationRequest()), project.root)


def test_a_copy_with_failing_and_skipped_tests_reproduces(project: Project) -> None:
    project.write(
        {
            "data/x.txt": "1",
            "test_a.py": """
                import pytest
                from pathlib import Path
                def test_good(): assert (Path(__file__).parent / "data" / "x.txt").read_text() == "1"
                def test_bad(): assert False
                def test_skipped(): pytest.skip("no")
                def test_error(missing_fixture): pass
            """,
        }
    )
    assert compared(project) is None


def test_a_file_beside_the_project(project: Project) -> None:
    (project.root.parent / "shared.txt").write_text("s")
    project.write(
        {"test_a.py": "def test_a(): assert open('../shared.txt').read() == 's'\ndef test_b(): pass\n"}
    )
    mismatch = compared(project)
    assert mismatch is not None
    assert mismatch.nodeids == ["test_a.py::test_a"]
    assert "a file outside the project is opened by a relative path (../shared.txt)" in mismatch.reason


def test_a_write_that_was_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAL_ROOT", str(project.root))
    project.write(
        {
            "test_a.py": """
                import io, os
                def test_a(): io.FileIO(os.environ["REAL_ROOT"] + "/log.txt", "a").write(b"x")
            """
        }
    )
    mismatch = compared(project)
    assert mismatch is not None
    assert f"the tests write into the project itself ({project.root}/log.txt)" in mismatch.reason


def test_a_part_of_the_project_that_is_not_copied(project: Project) -> None:
    project.write({".tox/x.txt": "x", "test_a.py": "def test_a(): open('.tox/x.txt')\n"})
    mismatch = compared(project)
    assert mismatch is not None
    assert ".tox/x.txt exists in the project but is not part of the copy" in mismatch.reason


def test_a_test_that_depends_on_where_it_lies(project: Project) -> None:
    project.write({"test_a.py": f"import os\ndef test_a(): assert os.getcwd() == {str(project.root)!r}\n"})
    mismatch = compared(project)
    assert mismatch is not None
    assert mismatch.items[0].before == "passed"
    assert mismatch.items[0].after == "failed"
    assert str(project.root) in mismatch.items[0].explanation
    assert "absolute path" in mismatch.reason


def test_a_crash_in_the_copy(project: Project) -> None:
    project.write(
        {"test_a.py": f"import os\ndef test_a(): os.getcwd() == {str(project.root)!r} or os._exit(3)\n"}
    )
    mismatch = compared(project)
    assert mismatch is not None
    assert "exit code 3" in mismatch.reason
    assert mismatch.items[0].after == "missing"


# --- traces --------------------------------------------------------------------------------------------


def traced(outcome: str, output: str, key: str, question: str, *, hit: bool = True) -> Evaluation:
    """One case whose step `draft`, inside `answer`, made one call."""
    trace = Trace(
        pipeline="pipeline",
        case_id="a",
        steps=[
            Step(name="answer", index=0, output=output),
            Step(name="triage", index=1, parent=0, output="same"),
            Step(name="draft", index=2, parent=0, output=output, llm_calls=[0]),
        ],
        llm_calls=[
            LLMCall(key=key, api="messages", url="u", messages=[{"content": question}], cache_hit=hit)
        ],
    )
    item = ItemResult.model_validate({"nodeid": "t.py::t[a]", "outcome": outcome, "trace_id": "t1"})
    return Evaluation(items={item.nodeid: item}, traces={"t1": trace})


def test_the_first_step_that_differs_is_named() -> None:
    mismatch = reproduced(traced("passed", "x", "k1", "q"), traced("failed", "y", "k1", "q"), ROOT)
    assert mismatch is not None
    assert mismatch.items[0].step == "draft"
    assert "step 'draft' gave something else" in mismatch.reason


def test_another_request_means_a_pipeline_that_is_not_deterministic() -> None:
    before, after = (
        traced("passed", "x", "k1", "at 10:00"),
        traced("failed", "y", "k2", "at 10:01", hit=False),
    )
    mismatch = reproduced(before, after, ROOT)
    assert mismatch is not None
    assert "not deterministic: step 'draft' asked something else" in mismatch.reason


def test_the_same_words_under_another_key_mean_an_absolute_path() -> None:
    before, after = traced("passed", "x", "k1", f"see {ROOT}/a"), traced("failed", "y", "k2", f"see {ROOT}/a")
    mismatch = reproduced(before, after, ROOT)
    assert mismatch is not None
    assert "step 'draft' puts the project's absolute path into its request" in mismatch.reason


def test_other_outputs_with_the_same_verdict_are_no_mismatch() -> None:
    assert reproduced(traced("failed", "x", "k1", "q"), traced("failed", "y", "k1", "q"), ROOT) is None


def test_failing_for_want_of_a_file_is_another_failure_than_before() -> None:
    before, after = traced("failed", "x", "k1", "q"), traced("failed", "y", "k1", "q")
    before.items["t.py::t[a]"].error_type = "AssertionError"
    after.items["t.py::t[a]"].error_type = "FileNotFoundError"
    mismatch = reproduced(before, after.model_copy(update={"outside_files": ["../rules.txt"]}), ROOT)
    assert mismatch is not None
    assert "../rules.txt" in mismatch.reason
    assert reproduced(after, after, ROOT) is None


def test_another_answer_to_the_same_question_means_a_cache_that_is_off() -> None:
    before, after = traced("passed", "x", "k1", "q"), traced("failed", "y", "k1", "q", hit=False)
    before.traces["t1"].llm_calls[0].answer, after.traces["t1"].llm_calls[0].answer = "x", "y"
    mismatch = reproduced(before, after, ROOT)
    assert mismatch is not None
    assert "step 'draft' in another way; leave the cache on (--fapo-cache=auto)" in mismatch.reason


@pytest.mark.parametrize(
    ("failed", "words"),
    [({"status": 503}, "answered 503"), ({"error": "ReadTimeout"}, "gave no answer (ReadTimeout)")],
)
def test_a_provider_that_failed_in_one_run_is_named(failed: dict[str, object], words: str) -> None:
    before, after = traced("failed", "x", "k1", "q"), traced("passed", "y", "k1", "q", hit=False)
    call = before.traces["t1"].llm_calls[0]
    before.traces["t1"].llm_calls[0] = call.model_copy(update=failed)
    mismatch = reproduced(before, after, ROOT)
    assert mismatch is not None
    assert f"the LLM endpoint {words} in one of the two runs" in mismatch.reason


def test_more_items_than_the_baseline_has_are_no_mismatch() -> None:
    one = ItemResult(nodeid="t.py::one", outcome="passed")
    two = ItemResult(nodeid="t.py::two", outcome="failed")
    whole = Evaluation(items={one.nodeid: one, two.nodeid: two})
    assert reproduced(Evaluation(items={one.nodeid: one}), whole, ROOT) is None
    mismatch = reproduced(whole, Evaluation(items={one.nodeid: one}), ROOT)
    assert mismatch is not None
    assert mismatch.reason == "collected only in the project itself: t.py::two"


def test_chance_is_named_last() -> None:
    before = Evaluation(items={"t": ItemResult(nodeid="t", outcome="passed")})
    after = Evaluation(items={"t": ItemResult(nodeid="t", outcome="failed", explanation="assert 0.3 > 0.5")})
    mismatch = reproduced(before, after, ROOT)
    assert mismatch is not None
    assert "chance" in mismatch.reason
