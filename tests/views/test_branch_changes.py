"""The base of a branch's comparison, and its changes of prompts, as real git reports them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.branch_project import ADDRESS, BranchProject

from pytest_fapo.core.candidate import Attempt, Candidate, Edit, Review, Verdict
from pytest_fapo.core.scope import Scope
from pytest_fapo.source.artifact_store import ArtifactStore
from pytest_fapo.views.annotations import RepositoryLocations
from pytest_fapo.views.pull_request.branch_changes import GitRepository, changes_since, hypotheses
from pytest_fapo.views.pull_request.page_record import ArtifactChange

SCOPE = Scope(
    prompts=["app/prompts/*.md", "app/texts.py::*_PROMPT"], params=["app/texts.py::TOP_K"], structure=[]
)
TEXTS = 'TOP_K = 3\n\nSORT_PROMPT = """Sort it.\nOne word.\n"""\n'


@pytest.fixture
def project(tmp_path: Path) -> BranchProject:
    """`main` with one commit, and a branch `better` on which two commits changed the prompt."""
    project = BranchProject(tmp_path / "origin")
    project.write({"app/texts.py": TEXTS})
    project.begin()
    project.git("checkout", "-q", "-b", "better")
    project.write({ADDRESS: "Which team?\nReply with one word.\n"})
    project.commit("Ask for one word")
    project.write({ADDRESS: "Which team?\nReply with one lower-case word.\n"})
    project.commit("Ask for lower case")
    return project


def clone(project: BranchProject, folder: Path, *arguments: str) -> GitRepository:
    project.git("clone", "-q", *arguments, project.root.as_uri(), str(folder))
    return GitRepository(folder)


def test_a_pull_request_is_compared_with_the_branch_that_it_goes_to(
    project: BranchProject, tmp_path: Path
) -> None:
    fork = project.git("rev-parse", "main")
    project.git("checkout", "-q", "main")
    project.write({"later.txt": "x"})
    project.commit("Main goes on")
    project.git("checkout", "-q", "better")
    for variable in ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"):
        base = clone(project, tmp_path / variable).base({variable: "main"})
        assert base is not None
        assert (base.name, base.commit) == ("main", fork)
    base = GitRepository(project.root).base({"CI_MERGE_REQUEST_DIFF_BASE_SHA": fork})
    assert base is not None
    assert (base.name, base.commit) == (fork[:10], fork)


def test_two_commits_of_githubs_merge_commit_are_enough(project: BranchProject, tmp_path: Path) -> None:
    main = project.git("rev-parse", "main")
    project.git("checkout", "-q", "-b", "merged", "main")
    project.git("merge", "-q", "--no-ff", "-m", "Merge", "better")
    shallow = clone(project, tmp_path / "two", "--depth=2", "--branch=merged", "--single-branch")
    base = shallow.base({"GITHUB_BASE_REF": "main"})
    assert base is not None
    assert base.commit == main
    one = clone(project, tmp_path / "one", "--depth=1", "--branch=merged", "--single-branch")
    assert one.base({"GITHUB_BASE_REF": "main"}) is None


def test_elsewhere_it_is_the_last_commit_and_without_git_nothing(
    project: BranchProject, tmp_path: Path
) -> None:
    base = GitRepository(project.root).base({})
    assert base is not None
    assert (base.name, base.commit) == ("the last commit", project.git("rev-parse", "HEAD"))
    assert GitRepository(tmp_path).base({}) is None
    assert GitRepository(tmp_path).changed_paths("HEAD") == []
    for name in ("--output=/tmp/x", "main; rm", "../main", ""):
        assert GitRepository(project.root).base({"GITHUB_BASE_REF": name or "none"}) is None


def test_changes_are_edits_with_lines_and_the_commits_words(project: BranchProject) -> None:
    repository = GitRepository(project.root)
    main = repository.base({"GITHUB_BASE_REF": "main"})
    assert main is not None
    project.write({"app/texts.py": TEXTS.replace("One word", "Two words"), "app/prompts/new.md": "New\n"})
    (change, new, texts) = sorted(
        changes_since(main, repository, ArtifactStore(project.root, SCOPE)),
        key=lambda each: (each.address != ADDRESS, each.address),
    )
    assert (change.address, change.path, change.line) == (ADDRESS, ADDRESS, 1)
    assert change.before.startswith("Which team is this for")
    assert change.after.endswith("one lower-case word.\n")
    assert change.why == ["Ask for lower case", "Ask for one word"]
    assert change.origin == "commits"
    assert (new.address, new.before, new.after, new.why) == ("app/prompts/new.md", "", "New\n", [])
    assert (texts.address, texts.line) == ("app/texts.py::SORT_PROMPT", 4)


def test_a_deleted_prompt_and_a_scope_that_was_another_are_told(project: BranchProject) -> None:
    repository = GitRepository(project.root)
    base = repository.base({})
    assert base is not None
    project.write({"app/prompts/other.md": "Other\n", "app/texts.py": "SORT_PROMPT = 1 + 1\n"})
    (project.root / ADDRESS).unlink()
    changes = {
        change.address: change
        for change in changes_since(base, repository, ArtifactStore(project.root, SCOPE))
    }
    assert changes[ADDRESS].after == ""
    assert changes[ADDRESS].before.startswith("Which team?")


def test_it_works_below_the_top_of_the_repository(tmp_path: Path) -> None:
    project = BranchProject(tmp_path, "services/desk")
    project.begin()
    project.write({ADDRESS: "Other\n"})
    repository = GitRepository(project.folder)
    base = repository.base({})
    assert base is not None
    store = ArtifactStore(project.folder, Scope(prompts=["app/prompts/*.md"]))
    assert [change.address for change in changes_since(base, repository, store)] == [ADDRESS]
    places = RepositoryLocations(project.folder, store, {"GITHUB_WORKSPACE": str(tmp_path)})
    assert places.of_artifact(ADDRESS) == (f"services/desk/{ADDRESS}", 1)
    assert places.of_case("cases.jsonl:4", "test_teams.py::test[t04]") == ("services/desk/cases.jsonl", 4)
    unknown = "services/desk/test_teams.py"
    for origin in ("", "cases(...) #2", "gone.jsonl:3", "/etc/passwd:3"):
        assert places.of_case(origin, "test_teams.py::test[t04]") == (unknown, 0)
    assert places.path("../../../elsewhere") == ""


def test_the_line_of_a_constant_is_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "texts.py").write_text(TEXTS)
    store = ArtifactStore(tmp_path, SCOPE)
    places = RepositoryLocations(tmp_path, store, {})
    assert places.of_artifact("app/texts.py::SORT_PROMPT") == ("app/texts.py", 3)
    assert places.of_artifact("app/texts.py::GONE_PROMPT") == ("app/texts.py", 0)


def attempt(name: str, before: str, after: str) -> Attempt:
    candidate = Candidate(
        id=name,
        edits=[Edit(address=ADDRESS, before=before, after=after)],
        hypothesis=f"because of {name}",
        proposer="playbook",
        technique="labels",
    )
    return Attempt(candidate=candidate, review=Review(), verdict=Verdict(accepted=True, reason=""))


def test_a_text_that_a_run_of_this_checkout_made_has_its_hypothesis() -> None:
    told = ArtifactChange(
        address=ADDRESS, path=ADDRESS, before="one", after="three", why=["Better prompt"], origin="commits"
    )
    (explained,) = hypotheses([told], [attempt("c3", "two", "three"), attempt("c4", "x", "other")])
    assert (explained.why, explained.origin) == (["because of c3"], "c3 by playbook")
    assert hypotheses([told], [attempt("c4", "x", "other")]) == [told]
