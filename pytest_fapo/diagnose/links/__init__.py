"""Which artifacts a step was seen to use: prompts by their text, parameters by name and value, functions."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_fapo.diagnose.links.functions import functions_of_step
from pytest_fapo.diagnose.links.params import params_of_step
from pytest_fapo.diagnose.links.prompts import prompts_of_step
from pytest_fapo.models import Artifact
from pytest_fapo.reading import TraceView

__all__ = ["artifacts_of_step"]


def artifacts_of_step(step: str, views: Sequence[TraceView], artifacts: Sequence[Artifact]) -> list[str]:
    """Addresses of the artifacts that a step was seen to use: prompts, then parameters, then functions, the
    most specific of each kind first.

    Args:
        step: the step's key.
        views: the traces of its pipeline.
        artifacts: of all levels.
    """
    functions = functions_of_step(step, artifacts)
    return [
        *prompts_of_step(step, views, artifacts),
        *params_of_step(step, views, artifacts, functions),
        *(artifact.address for artifact in functions),
    ]
