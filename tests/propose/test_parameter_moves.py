"""Parameters: which one, which way, how far."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.handmade import Bench, span

from pytest_fapo.core.candidate import Artifact, Attempt, Candidate, Domain, Review, Verdict
from pytest_fapo.core.diagnosis import Cluster, Finding
from pytest_fapo.core.evidence import Evidence, Repair
from pytest_fapo.core.record import Category
from pytest_fapo.propose.playbook.playbook import Playbook


def param(name: str, value: Any, *, path: str = "app/settings.py", **domain: Any) -> Artifact:
    kind = "choice" if "choices" in domain else "bool" if isinstance(value, bool) else type(value).__name__
    return Artifact(
        address=f"{path}::{name}",
        kind="param",
        level="param",
        path=path,
        name=name,
        text=json.dumps(value),
        domain=Domain.model_validate({"kind": kind, **domain}),
    )


def evidence(
    category: Category,
    *artifacts: Artifact,
    output: Any = None,
    linked: bool = True,
    finish: str = "stop",
    **more: Any,
) -> Evidence:
    bench = Bench()
    spans = [span("step", output, prompt="Find it.", answer="x", call={"finish_reason": finish})]
    nodeids = [
        bench.run({"question": f"q{n}"}, "y", spans, "x", explanation="assert 'x' == 'y'") for n in range(3)
    ]
    findings = [
        Finding(
            nodeid=nodeid,
            case_id=f"c{n}",
            pipeline="pipeline",
            step="step",
            category=category,
            level="param",
            confidence=0.9,
            evidence="",
        )
        for n, nodeid in enumerate(nodeids, start=1)
    ]
    cluster = Cluster(
        id="k1",
        label="",
        pipeline="pipeline",
        step="step",
        category=category,
        level="prompt",
        confidence=0.9,
        findings=findings,
        artifacts=[artifact.address for artifact in artifacts] if linked else [],
    )
    return bench.evidence(cluster, list(artifacts), level="param", **more)


def changes(given: Evidence) -> list[tuple[str, Any]]:
    found = list(Playbook().propose(given))
    assert all(candidate.level == "param" and len(candidate.edits) == 1 for candidate in found)
    return [(each.edits[0].address.rpartition("::")[2], json.loads(each.edits[0].after)) for each in found]


@pytest.mark.parametrize(
    ("category", "artifact", "values"),
    [
        ("retrieval", param("TOP_K", 1, low=1, high=20), [2, 4, 8, 16]),
        ("retrieval", param("TOP_K", 3, low=1, high=10), [6, 10]),
        ("content", param("TOP_K", 3, low=1, high=10), [6, 10, 1]),
        ("retrieval", param("RetrieverSettings.topK", 2, low=1, high=4), [4]),
        ("retrieval", param("rerank.keep", 1, path="c.yaml", low=1, high=10), [2, 4, 8, 10]),
        ("retrieval", param("MIN_SCORE", 0.3, low=0, high=1), [0.15, 0.075, 0.0]),
        ("truncated", param("MAX_TOKENS", 24, low=1, high=None), [96, 384, 1536, 6144]),
        ("retrieval", param("MAX_CHARS", 100, low=20, high=4000), [400, 1600, 4000]),
        ("label", param("TEMPERATURE", 1.2, low=0, high=2), [0.0, 0.6]),
        ("content", param("llm.temperature", 0.7, path="c.toml", low=0.2, high=1), [0.2, 0.35]),
        ("label", param("MODEL", "b", choices=["a", "b", "c"]), ["c", "a"]),
        ("tool", param("MAX_STEPS", 2, low=1, high=8), [4, 8]),
        ("tool", param("TIMEOUT", 0.5, low=0.1, high=60), [1.0, 2.0, 4.0, 8.0]),
        ("content", param("STRICT", False), [True]),
        ("label", param("MAX_TOKENS", 24, low=1, high=99), []),
        ("refusal", param("TOP_K", 3, low=1, high=10), []),
        ("label", param("TEMPERATURE", 0.0, low=0, high=2), []),
    ],
    ids=str,
)
def test_values_move_the_way_that_the_failure_asks_for(
    category: Category, artifact: Artifact, values: list[Any]
) -> None:
    found = changes(evidence(category, artifact))
    assert [value for _, value in found] == values
    assert [type(value) for _, value in found] == [type(json.loads(artifact.text)) for _ in found]


def test_what_binds_is_tried_first() -> None:
    depth, score = param("TOP_K", 3, low=1, high=6), param("MIN_SCORE", 0.3, low=0, high=1)
    full = changes(evidence("retrieval", score, depth, output=["a", "b", "c"]))
    assert full[0] == ("TOP_K", 6)
    few = changes(evidence("retrieval", depth, score, output=[]))
    assert few[0] == ("MIN_SCORE", 0.15)


def test_a_cut_answer_speaks_for_the_token_limit_whatever_the_category() -> None:
    limit, heat = param("MAX_TOKENS", 24, low=1, high=99), param("TEMPERATURE", 1.0, low=0, high=2)
    assert changes(evidence("schema", heat, limit))[0][0] == "TEMPERATURE"
    assert changes(evidence("schema", limit, heat, finish="length"))[0] == ("MAX_TOKENS", 96)


def test_parameters_of_the_step_come_before_others() -> None:
    mine, other = param("SEARCH_K", 2, low=1, high=4), param("A_K", 2, low=1, high=4)
    given = evidence("retrieval", other, mine)
    given = given.model_copy(
        update={"cluster": given.cluster.model_copy(update={"artifacts": [mine.address]})}
    )
    assert [name for name, _ in changes(given)] == ["SEARCH_K", "A_K"]


def test_what_was_tried_or_reaches_no_test_is_left_out() -> None:
    depth, score = param("TOP_K", 1, low=1, high=4), param("MIN_SCORE", 0.4, low=0.2, high=1)
    given = evidence("retrieval", depth, score, output=["a"])
    first = next(iter(Playbook().propose(given)))
    assert (first.technique, first.hypothesis[-8:]) == ("retrieval depth", "(TOP_K).")
    tried = Attempt(candidate=first, review=Review(), verdict=Verdict(accepted=False, reason="no"))
    assert changes(given.model_copy(update={"memory": [tried]}))[0] == ("TOP_K", 4)
    inert = tried.model_copy(update={"verdict": Verdict(accepted=False, reason="inert", inert=True)})
    assert {name for name, _ in changes(given.model_copy(update={"memory": [inert]}))} == {"MIN_SCORE"}


def test_no_parameter_no_candidate() -> None:
    assert changes(evidence("retrieval")) == []


def _repair(before: Any, after: Any, **domain: Any) -> Candidate | None:
    given = evidence("retrieval", param("TOP_K", before, **domain))
    first = next(iter(Playbook().propose(given)))
    edit = first.edits[0].model_copy(update={"after": json.dumps(after)})
    candidate = first.model_copy(update={"id": "c3", "edits": [edit]})
    return Playbook().repair(Repair(candidate=candidate, broken=[], broken_val=1), given)


def test_a_value_that_broke_something_goes_halfway_back() -> None:
    found = _repair(2, 16, low=1, high=20)
    assert found is not None
    assert (found.edits[0].after, found.repairs, found.technique) == ("9", "c3", "retrieval depth, repaired")
    assert _repair(2, 3, low=1, high=20) is None
