"""At which level a finding is mended, once it is known which artifacts its step uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_fapo.diagnose.roles import Role, role_of, roles_of
from pytest_fapo.models import Artifact, Finding, Level
from pytest_fapo.reading import FieldMap, StepView
from pytest_fapo.reading.values import mentions, texts_in, whole_text

_BY_CODE = ("content", "label", "format", "empty", "cascade", "missing-input", "requirement")
_OF_MODELS: set[Role] = {"temperature", "top_p", "max_tokens", "model"}


@dataclass(frozen=True)
class Scene:
    """A step with all that may be edited, and what the runs show of it."""

    step: str
    linked: list[Artifact]
    """What the step uses."""
    artifacts: Sequence[Artifact]
    """All that may be edited."""
    fields: FieldMap | None

    @property
    def roles(self) -> set[Role]:
        """What the linked parameters are for."""
        return roles_of(self.linked)

    @property
    def has_own_param(self) -> bool:
        """Whether a parameter is linked whose name tells nothing of its role: no rule about depths, limits
        and the like can then say that it is not what is wrong."""
        return any(
            artifact.level == "param" and role_of(artifact.address) is None for artifact in self.linked
        )

    @property
    def scope_has_params(self) -> bool:
        return any(artifact.level == "param" for artifact in self.artifacts)

    @property
    def scope_has_functions(self) -> bool:
        return any(artifact.level == "structure" for artifact in self.artifacts)

    def outputs(self, *, passed: bool) -> list[tuple[StepView, Any]]:
        """The step as it was in passing or failing cases, with what the case expected."""
        readings = self.fields.readings if self.fields is not None else []
        found = [(reading.view.by_key(self.step), reading) for reading in readings]
        return [
            (step, reading.case.expected)
            for step, reading in found
            if step is not None and reading.passed is passed
        ]


def settled_level(finding: Finding, scene: Scene) -> Level:
    """The level of a finding: the table's, but for what the linked parameters and functions tell better.

    Where the scope names neither parameters nor functions, nothing can be told of them: the table's level
    then says what would have to be put into the scope.
    """
    if finding.category == "retrieval":
        return _of_retrieval(finding, scene)
    if finding.category == "truncated":
        return _of_truncation(finding, scene)
    if finding.category == "empty" and "turns" in scene.roles:
        return "param"
    if finding.level == "structure" and finding.category in _BY_CODE and _is_code(scene):
        return "param" if scene.roles - _OF_MODELS or scene.has_own_param else "structure"
    if finding.level == "param" and not _is_code(scene) and scene.scope_has_params:
        return "param" if scene.roles & {"temperature", "top_p"} else "prompt"
    return finding.level


def _of_truncation(finding: Finding, scene: Scene) -> Level:
    """A token limit that is a parameter is raised; else the prompt asks for less, if that leaves any room."""
    if "max_tokens" in scene.roles:
        return "param"
    if finding.level == "param" and scene.scope_has_functions:
        return "structure"  # no room, and the limit stands in the code
    return finding.level


def _of_retrieval(finding: Finding, scene: Scene) -> Level:
    """Deeper retrieval where its depth is a parameter and may be what is short; else another retrieval."""
    if not scene.scope_has_params and not scene.scope_has_functions:
        return finding.level
    if ("threshold" in scene.roles and _found_fewer(scene)) or scene.roles & {"length", "turns"}:
        return "param"
    if scene.has_own_param or ("depth" in scene.roles and not _deep_enough(scene)):
        return "param"
    return "structure" if scene.roles or scene.scope_has_functions else finding.level


def _is_code(scene: Scene) -> bool:
    return not any(step.calls for passed in (True, False) for step, _ in scene.outputs(passed=passed))


def _found_fewer(scene: Scene) -> bool:
    """Whether failing cases got fewer passages than the depth allows: something else holds them back."""
    depth = _depth(scene)
    counts = [len(step.output) for step, _ in scene.outputs(passed=False) if isinstance(step.output, list)]
    return depth is None or any(count < depth for count in counts)


def _deep_enough(scene: Scene) -> bool:
    """Whether depth is not what the failing cases lack.

    Either they got fewer passages than they asked for, or in the passing cases what was needed always came
    among the first of many.
    """
    depth = _depth(scene)
    lists = [step.output for step, _ in scene.outputs(passed=False) if isinstance(step.output, list)]
    if depth is not None and lists and all(len(output) < depth for output in lists):
        return True
    ranks, longest = [], 0
    for step, expected in scene.outputs(passed=True):
        if isinstance(step.output, list):
            longest = max(longest, len(step.output))
            ranks += [rank for rank in [_rank(step.output, expected)] if rank is not None]
    return len(ranks) >= 4 and longest >= 3 and max(ranks) * 2 < longest


def _rank(passages: list[Any], expected: Any) -> int | None:
    """The place, from 0, of the first passage that tells an expected value."""
    values = [text for text in texts_in(expected) if len(text) >= 2]
    for rank, passage in enumerate(passages):
        if any(mentions(whole_text(passage), value) for value in values):
            return rank
    return None


def _depth(scene: Scene) -> int | None:
    for artifact in scene.linked:
        if artifact.level == "param" and role_of(artifact.address) == "depth" and artifact.text.isdigit():
            return int(artifact.text)
    return None
