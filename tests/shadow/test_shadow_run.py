"""Evaluations in a child process: verdicts, stages, what was read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.shadow_project import Bench, Project, all_passed, outcomes

from pytest_fapo.core.evaluation import ItemResult
from pytest_fapo.shadow.evaluation_request import Allotment, EvaluationRequest, EvaluationStage
from pytest_fapo.shadow.shadow_run import check_loaded, evaluate
from pytest_fapo.shadow.shadow_tree import ShadowTree

EVERY_OUTCOME = """
    import pytest

    @pytest.fixture
    def broken(): raise RuntimeError("no set-up")

    @pytest.fixture
    def leaky():
        yield
        raise ValueError("no tear-down")

    def test_passed(): pass
    def test_failed(): assert "billing" == "refund"
    def test_set_up(broken): pass
    def test_tear_down(leaky): pass
    def test_skipped(): pytest.skip("not today")
    @pytest.mark.xfail
    def test_xfailed(): assert False
    @pytest.mark.xfail
    def test_xpassed(): pass
    @pytest.mark.xfail(strict=True)
    def test_strict(): pass
    @pytest.mark.xfail(run=False)
    def test_not_run(): pass
    @pytest.mark.parametrize("n", [1])
    def test_parameter(n): pytest.fail("in words", pytrace=False)
"""


@pytest.mark.usefixtures("plugins")
def test_gives_every_outcome_as_pytest_gives_it(project: Project) -> None:
    project.write({"test_all.py": EVERY_OUTCOME})
    heard: list[ItemResult] = []
    with ShadowTree.create(project.root) as shadow:
        evaluation = evaluate(shadow, EvaluationRequest(), on_item=heard.append)
    found = {nodeid.partition("::")[2]: item.outcome for nodeid, item in evaluation.items.items()}
    assert found == {
        "test_passed": "passed",
        "test_failed": "failed",
        "test_set_up": "error",
        "test_tear_down": "error",
        "test_skipped": "skipped",
        "test_xfailed": "xfailed",
        "test_xpassed": "xpassed",
        "test_strict": "failed",
        "test_not_run": "xfailed",
        "test_parameter[1]": "failed",
    }
    assert evaluation.complete
    assert evaluation.exit_code == 1
    assert {item.nodeid for item in heard} == set(evaluation.items)
    failed = evaluation.items["test_all.py::test_failed"]
    assert "assert 'billing' == 'refund'" in failed.explanation
    assert failed.error_type == "AssertionError"
    assert evaluation.items["test_all.py::test_set_up"].error_type == "RuntimeError"
    assert "in words" in evaluation.items["test_all.py::test_parameter[1]"].explanation
    assert evaluation.items["test_all.py::test_parameter[1]"].test == "test_all.py::test_parameter"


@pytest.mark.usefixtures("plugins")
def test_without_the_plugin_items_are_recorded_all_the_same(project: Project) -> None:
    project.write({"test_all.py": EVERY_OUTCOME})
    evaluation = project.evaluate(args=["-p", "no:fapo"])
    found = {nodeid.partition("::")[2]: item.outcome for nodeid, item in evaluation.items.items()}
    assert found["test_failed"] == "failed"
    assert found["test_set_up"] == found["test_tear_down"] == "error"
    assert found["test_xfailed"] == found["test_not_run"] == "xfailed"
    assert found["test_strict"] == "failed"
    assert evaluation.items["test_all.py::test_failed"].error_type == "AssertionError"
    assert evaluation.items["test_all.py::test_skipped"].explanation.endswith("not today")


PATCHED = {
    "prompts/used.md": "hello\n",
    "prompts/unused.md": "never\n",
    "texts.py": 'PROMPT = "hello"\n',
    "unused.py": 'PROMPT = "never"\n',
    "test_texts.py": """
        from pathlib import Path
        import texts
        PROMPT = (Path(__file__).parent / "prompts" / "used.md").read_text()
        def test_prompt(): assert PROMPT == "better\\n"
        def test_constant(): assert texts.PROMPT == "better"
    """,
}


@pytest.mark.usefixtures("bytecode")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_judges_the_patch_and_says_what_was_read(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    if elsewhere:
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "bytecode"))
    project.write(PATCHED)
    files = {
        "prompts/used.md": b"better\n",
        "prompts/unused.md": b"other\n",
        "texts.py": b'PROMPT = "better"\n',
        "unused.py": b'PROMPT = "other"\n',
    }
    before = project.state()
    with ShadowTree.create(project.root) as shadow:
        shadow.apply(files)
        for _ in range(2):  # the second time from bytecode
            evaluation = evaluate(shadow, EvaluationRequest(watch=sorted(files)))
            assert all_passed(evaluation)
            assert evaluation.loaded_files == ["prompts/used.md", "texts.py"]
            assert check_loaded(evaluation, sorted(files)) == ["prompts/unused.md", "unused.py"]
    assert project.state() == before


def test_a_file_read_by_another_process_counts_as_read(project: Project) -> None:
    project.write(
        {
            "prompt.md": "hello\n",
            "tool.py": "print(open('prompt.md').read())\n",
            "test_tool.py": """
                import subprocess, sys
                def test_tool(): subprocess.run([sys.executable, "tool.py"], check=True)
            """,
        }
    )
    evaluation = project.evaluate({"prompt.md": b"new\n"})
    assert all_passed(evaluation)
    assert evaluation.loaded_files == ["prompt.md"]


def test_a_file_read_through_a_link_counts_as_read(project: Project) -> None:
    project.write(
        {"prompts/a.md": "old", "test_a.py": "def test_a(): assert open('link.md').read() == 'new'\n"}
    )
    (project.root / "link.md").symlink_to("prompts/a.md")
    evaluation = project.evaluate({"link.md": b"new"})
    assert all_passed(evaluation)
    assert evaluation.loaded_files == ["link.md"]


def test_tells_paths_as_those_of_the_project(project: Project) -> None:
    project.write({"test_path.py": "def test_path(): raise ValueError(__file__)\n"})
    evaluation = project.evaluate()
    assert str(project.root / "test_path.py") in evaluation.items["test_path.py::test_path"].explanation


# --- stages --------------------------------------------------------------------------------------------

STAGED = {
    "test_staged.py": """
        import pytest
        ORDER = []
        @pytest.mark.parametrize("n", range(6))
        def test_case(n):
            ORDER.append(n)
            assert n != 3
        def test_order(): raise ValueError(ORDER)
    """
}


def case(number: int) -> str:
    return f"test_staged.py::test_case[{number}]"


def test_runs_stage_by_stage_each_item_once_and_nothing_else(bench: Bench) -> None:
    evaluation = bench.evaluate(
        STAGED,
        stages=[
            EvaluationStage(name="targeted", nodeids=[case(4), case(2)]),
            EvaluationStage(name="train", nodeids=[case(2), case(1)]),
            EvaluationStage(name="order", nodeids=["test_staged.py::test_order"]),
        ],
    )
    assert list(evaluation.items) == [case(2), case(4), case(1), "test_staged.py::test_order"]
    assert "[2, 4, 1]" in evaluation.items["test_staged.py::test_order"].explanation
    assert evaluation.complete


def test_a_stage_without_ids_takes_all_the_rest(bench: Bench) -> None:
    evaluation = bench.evaluate(
        STAGED, stages=[EvaluationStage(name="first", nodeids=[case(5)]), EvaluationStage(name="suite")]
    )
    assert next(iter(evaluation.items)) == case(5)
    assert len(evaluation.items) == 7


@pytest.mark.parametrize(
    ("first", "dropped"),
    [
        (EvaluationStage(name="targeted", nodeids=[case(2), case(3)], min_passed=2), True),
        (EvaluationStage(name="targeted", nodeids=[case(2), case(3)], min_passed=1), False),
        (EvaluationStage(name="targeted", nodeids=[case(2), case(3)], protected=[case(3)]), True),
        (EvaluationStage(name="targeted", nodeids=[case(2), case(3)], protected=[case(2)]), False),
    ],
)
def test_a_candidate_that_cannot_win_is_dropped_after_the_stage(
    bench: Bench, first: EvaluationStage, dropped: bool
) -> None:
    evaluation = bench.evaluate(STAGED, stages=[first, EvaluationStage(name="train", nodeids=[case(1)])])
    assert evaluation.dropped_at == ("targeted" if dropped else "")
    assert evaluation.complete is not dropped
    assert list(evaluation.items) == [case(2), case(3), *([] if dropped else [case(1)])]
    assert ("dropped after stage 'targeted'" in evaluation.stopped) is dropped


def test_a_protected_item_may_have_passed_in_an_earlier_stage(bench: Bench) -> None:
    later = EvaluationStage(name="suite", nodeids=[case(1)], protected=[case(1), case(2)])
    evaluation = bench.evaluate(STAGED, stages=[EvaluationStage(name="targeted", nodeids=[case(2)]), later])
    assert evaluation.dropped_at == ""
    assert evaluation.complete


def test_ids_that_are_no_longer_collected_make_it_incomplete(bench: Bench) -> None:
    evaluation = bench.evaluate(STAGED, stages=[EvaluationStage(name="train", nodeids=[case(1), case(77)])])
    assert not evaluation.complete
    assert evaluation.stopped == f"no longer collected: {case(77)}"
    assert evaluation.items[case(1)].passed


def test_stages_win_over_plugins_that_shuffle(bench: Bench) -> None:
    shuffling = {
        "conftest.py": """
                import pytest
                @pytest.hookimpl(trylast=True)
                def pytest_collection_modifyitems(items): items.reverse()
            """
    }
    evaluation = bench.evaluate(
        {**STAGED, **shuffling},
        stages=[
            EvaluationStage(name="a", nodeids=[case(0), case(1)]),
            EvaluationStage(name="b", nodeids=[case(4), case(5)]),
        ],
    )
    assert list(evaluation.items) == [case(1), case(0), case(5), case(4)]


# --- the child's surroundings --------------------------------------------------------------------------


@pytest.mark.usefixtures("plugins")
def test_options_that_spread_stop_select_or_report_do_nothing(project: Project, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text("the user's own")
    project.write(STAGED)
    options = f"-x --pdb --lf --junitxml={report} --stepwise -s --setup-plan --color=yes"
    spread = "-n2" if find_spec("xdist") else ""
    project.write({"pytest.ini": f"[pytest]\naddopts = {options} {spread}\n"})
    evaluation = project.evaluate(stages=[EvaluationStage(name="all")])
    assert len(evaluation.items) == 7
    assert evaluation.complete, evaluation.stopped
    assert "[0, 1, 2, 3, 4, 5]" in evaluation.items["test_staged.py::test_order"].explanation
    assert report.read_text() == "the user's own"


def test_runs_in_the_same_folder_with_the_same_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "kept")
    monkeypatch.setenv("COV_CORE_SOURCE", "the parent's")
    monkeypatch.setenv("PYTHONPATH", f"{project.root / 'lib'}:{project.root.parent}")
    project.write(
        {
            "lib/helper.py": "",
            "sub/data.txt": "d",
            "sub/test_place.py": """
                import os, sys
                from pathlib import Path
                import helper
                def test_place():
                    assert os.environ["SOME_KEY"] == "kept"
                    assert "COV_CORE_SOURCE" not in os.environ
                    assert Path("data.txt").read_text() == "d"
                    assert os.environ["PWD"] == os.getcwd()
                    assert Path(helper.__file__).parent.parent == Path(__file__).parent.parent
                    assert sys.argv[0].endswith("__main__.py")
                def test_tmp(tmp_path):
                    assert "pytest-of" not in str(tmp_path)
            """,
        }
    )
    assert all_passed(project.evaluate(cwd="sub"))


def test_the_spec_tells_the_plugin_cache_and_limits(project: Project, tmp_path: Path) -> None:
    project.write(
        {
            "conftest.py": """
                import json, os, pytest
                @pytest.fixture
                def spec(request):
                    plugin = request.config.pluginmanager.get_plugin("fapo-child")
                    with open(os.environ["FAPO_CHILD_SPEC"]) as file: assert json.load(file) == plugin.spec
                    return plugin.spec["request"]
            """,
            "test_spec.py": """
                def test_spec(spec):
                    assert spec["cache_folder"].endswith("cache")
                    assert spec["cache_mode"] == "only"
                    assert spec["allotment"] == {"max_calls": 7, "max_cost": 0.5, "deadline": None}
            """,
        }
    )
    results = tmp_path / "kept" / "results.jsonl"
    evaluation = project.evaluate(
        cache_folder=str(project.root / ".fapo" / "cache"),
        cache_mode="only",
        allotment=Allotment(max_calls=7, max_cost=0.5),
        results=str(results),
    )
    assert all_passed(evaluation)
    kinds = [json.loads(line)["kind"] for line in results.read_text().splitlines()]
    assert kinds == ["collected", "start", "item", "end"]


def test_two_evaluations_into_one_results_file_are_kept_apart(project: Project, tmp_path: Path) -> None:
    project.write({"test_a.py": "def test_a(): pass\n", "test_b.py": "def test_b(): pass\n"})
    results = str(tmp_path / "results.jsonl")
    first = project.evaluate(args=["test_a.py"], results=results)
    second = project.evaluate(args=["test_b.py"], results=results)
    assert list(first.items) == ["test_a.py::test_a"]
    assert list(second.items) == ["test_b.py::test_b"]


def test_each_evaluation_starts_from_a_clean_tree(project: Project) -> None:
    project.write(
        {
            "counter.txt": "0",
            "test_counter.py": """
                from pathlib import Path
                def test_counter():
                    place = Path("counter.txt")
                    assert place.read_text() == "0"
                    place.write_text("1")
                    Path("made").mkdir()
            """,
        }
    )
    with ShadowTree.create(project.root) as shadow:
        assert all_passed(evaluate(shadow, EvaluationRequest()))
        assert all_passed(evaluate(shadow, EvaluationRequest()))
    assert outcomes(project.evaluate()) == {"test_counter": "passed"}
