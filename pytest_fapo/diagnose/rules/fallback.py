"""Where nothing else speaks: the last step, with low confidence."""

from __future__ import annotations

from pytest_fapo.diagnose.failure import Failure
from pytest_fapo.models import Finding


def fallback(failure: Failure) -> Finding:
    """The last step that asked a model, or the pipeline as a whole."""
    if failure.view is None:
        return failure.finding(
            "unknown", None, "the test left no trace: its pipeline never ran", confidence=0.1
        )
    step = failure.last_step
    if step is None:
        return failure.finding(
            "unknown", None, "the trace holds no step and no LLM call", confidence=0.1, level="structure"
        )
    first = next((line for line in failure.item.explanation.splitlines() if line.strip()), "")
    about = f" ({first.strip()[:120]})" if first else ""
    return failure.finding(
        "content" if step.calls else "unknown",
        step,
        f"no step is known to be wrong{about}; taken to be the last one",
        confidence=0.3,
    )
