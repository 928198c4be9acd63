"""Call the hooks of the project's own plugins through pytest's plugin manager."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_fapo.core.candidate import Attempt, Candidate, ReviewProblem, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.trace import Trace
from pytest_fapo.loop.optimize_request import RunHooks
from pytest_fapo.loop.run_summary import Summary


class PluginHooks(RunHooks):
    """Asks every plugin that implements a hook of `pytest_fapo.hookspecs`.

    Args:
        relay: `config.hook` of pytest.

    A hook that raises or returns something else than it should ends the run with its name: a guard that a
    project has written itself must not be passed over.
    """

    def __init__(self, relay: Any) -> None:
        self._relay = relay

    def review(self, candidate: Candidate) -> Sequence[ReviewProblem]:
        found: list[ReviewProblem] = []
        for answer in self._ask("pytest_fapo_review", candidate=candidate):
            for problem in answer or ():
                _expect(problem, ReviewProblem, "pytest_fapo_review", "a list of ReviewProblem")
                found.append(problem)
        return found

    def gate(self, candidate: Candidate, before: Evaluation, after: Evaluation, verdict: Verdict) -> Verdict:
        answers = self._ask(
            "pytest_fapo_gate", candidate=candidate, before=before, after=after, verdict=verdict
        )
        for answer in answers:
            _expect(answer, str, "pytest_fapo_gate", "a sentence, or None to let the candidate pass")
            return verdict.model_copy(update={"accepted": False, "stage": "gate", "reason": answer})
        return verdict

    def attribute(self, item: ItemResult, case: Case, trace: Trace | None) -> Finding | None:
        for answer in self._ask("pytest_fapo_attribute", item=item, case=case, trace=trace):
            _expect(answer, Finding, "pytest_fapo_attribute", "a Finding, or None")
            return answer  # type: ignore[no-any-return]
        return None

    def sections(self, summary: Summary) -> list[tuple[str, str]]:
        found = []
        for answer in self._ask("pytest_fapo_report_section", summary=summary):
            _expect(answer, tuple, "pytest_fapo_report_section", "a title and a text, or None")
            title, text = answer
            found.append((str(title), str(text)))
        return found

    def judged(self, attempt: Attempt) -> None:
        name = "pytest_fapo_accepted" if attempt.verdict.accepted else "pytest_fapo_rejected"
        self._ask(name, attempt=attempt)

    def _ask(self, name: str, **arguments: Any) -> list[Any]:
        try:
            answers: Any = getattr(self._relay, name)(**arguments)
        except FapoError:
            raise
        except Exception as error:
            raise FapoError(
                f"the hook {name} of this project raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(answers, list):  # a hook of which the first result counts
            answers = [answers]
        return [answer for answer in answers if answer is not None]


def _expect(answer: object, kind: type, hook: str, what: str) -> None:
    if not isinstance(answer, kind):
        raise FapoError(f"the hook {hook} of this project returned {type(answer).__name__}; expected {what}")
