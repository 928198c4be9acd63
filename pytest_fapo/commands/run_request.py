"""Build a run's request from pytest's options, the settings, the proposers and the project's plugins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.answers.model_client import CallContext
from pytest_fapo.answers.sdk_clients import add_client_factory
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.core.candidate import Attempt, Candidate, ReviewProblem, Verdict
from pytest_fapo.core.case import Case
from pytest_fapo.core.diagnosis import Finding
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.settings import PROVIDERS, Settings
from pytest_fapo.core.trace import Trace
from pytest_fapo.diagnosis.model_reader import LLMReader, make_reader
from pytest_fapo.loop.optimize_request import Budget, ChooseChanges, OptimizeRequest, RunHooks, nobody_chooses
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.loop.run_summary import Summary
from pytest_fapo.propose.proposer import Proposer
from pytest_fapo.review.model_reviewer import LLMReviewer, make_reviewer
from pytest_fapo.session.capturing import offline_applies
from pytest_fapo.shadow.child_arguments import child_args
from pytest_fapo.shadow.tree_state import TreeState
from pytest_fapo.verdict.policy import GatePolicy, policy_of


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
        problems: list[ReviewProblem] = []
        for answer in self._ask("pytest_fapo_review", candidate=candidate):
            for problem in answer or ():
                _expect(problem, ReviewProblem, "pytest_fapo_review", "a list of ReviewProblem")
                problems.append(problem)
        return problems

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
        sections = []
        for answer in self._ask("pytest_fapo_report_section", summary=summary):
            _expect(answer, tuple, "pytest_fapo_report_section", "a title and a text, or None")
            title, text = answer
            sections.append((str(title), str(text)))
        return sections

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


def make_proposer(spec: str, *, settings: Settings, root: Path, calls: CallContext = nullcontext) -> Proposer:
    """Return the proposer that one entry of the setting `optimizer` names.

    Args:
        spec: `playbook`, `openai:<model>`, `anthropic:<model>`, `gepa` (or `gepa:<model>`), or
            `command:<program and arguments>`.
        settings: `[tool.fapo]`.
        root: the project; the setting `optimizer_prompts` is relative to it.
        calls: context in which the proposer calls its model (capture, cache, budget).

    Raises:
        ConfigError: a prompt file of `optimizer_prompts` cannot be used, or GEPA has no model.
    """
    if spec == "playbook":
        from pytest_fapo.propose.playbook.playbook import Playbook

        return Playbook()
    if spec.startswith("command:"):
        from pytest_fapo.propose.agent.coding_agent import CodingAgentProposer

        return CodingAgentProposer(spec, settings=settings, root=root, memo=root / ".fapo" / "agents")
    if spec.partition(":")[0] == "gepa":
        from pytest_fapo.propose.gepa.gepa_proposer import GepaProposer

        return GepaProposer.from_settings(spec, settings=settings, calls=calls)
    from pytest_fapo.propose.model.model_proposer import LLMProposer

    return LLMProposer.from_settings(spec, settings=settings, root=root, calls=calls)


if TYPE_CHECKING:
    from pytest_fapo.session.fapo_session import FapoSession


def make_request(
    config: pytest.Config,
    session: FapoSession,
    baseline: Evaluation,
    *,
    run: RunFolder,
    snapshot: ScopeSnapshot,
    proposers: Sequence[Proposer],
    reader: LLMReader | None = None,
    reviewer: LLMReviewer | None = None,
    begun: TreeState | None = None,
    choose: ChooseChanges = nobody_chooses,
) -> OptimizeRequest:
    """Return everything that a run (or a diagnosis, which has no proposers) works on."""
    option, settings, plan = config.option, session.settings, session.plan
    under_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    offline = settings.offline.model if settings.offline and offline_applies(settings) else ""
    return OptimizeRequest(
        root=session.root,
        settings=settings,
        baseline=baseline,
        proposers=proposers,
        run=run,
        snapshot=snapshot,
        budget=Budget(run.spend_file, plan.max_calls, plan.max_cost, plan.deadline),
        child_args=child_args(config, session.packages.home),
        cwd=_relative(config.invocation_params.dir, session.root),
        cache_folder=plan.cache_folder,
        cache_mode=plan.mode,
        cache_files=plan.cache_files,
        cache_url=plan.cache_url,
        executor=option.fapo_executor or "",
        begun=begun,
        guard=option.fapo_guard,
        write=option.fapo_write or ("patch" if under_ci else "auto"),
        target=option.fapo_target or settings.target,
        max_candidates=option.fapo_max_candidates,
        level=option.fapo_level,
        policy=gate_policy(config, settings),
        reader=reader,
        reviewer=reviewer,
        hooks=PluginHooks(config.hook),
        settings_file=session.packages.named_file,
        stand_in=offline,
        choose=choose,
    )


@contextmanager
def passing_run(session: FapoSession, name: str) -> Iterator[RunFolder]:
    """Give a run folder for records that nobody needs afterwards; calls are counted there.

    Args:
        session: the plugin's.
        name: what the folder is for.
    """
    session.activate()
    with tempfile.TemporaryDirectory(prefix=f"fapo-{name}-") as folder:
        run = RunFolder(Path(folder))
        session.plan = replace(session.plan, spend_file=run.spend_file)
        yield run


def gate_policy(config: pytest.Config, settings: Settings) -> GatePolicy:
    """Return the policy that options and settings name.

    Raises:
        ConfigError: it lacks what it needs.
    """
    option = config.option
    return policy_of(settings, name=option.fapo_policy, target=option.fapo_target or settings.target)


def make_proposers(config: pytest.Config, session: FapoSession) -> list[Proposer]:
    """Return the proposers of the setting `optimizer`, in its order, each found usable.

    Raises:
        ConfigError: one cannot be used.
    """
    settings = session.settings
    use_plugins_clients(config)
    proposers = []
    for spec in settings.optimizer:
        proposer = None
        if spec != "playbook" and spec.partition(":")[0] not in PROVIDERS:
            proposer = config.hook.pytest_fapo_proposer(spec=spec, settings=settings, root=session.root)
        proposers.append(
            proposer
            or make_proposer(spec, settings=settings, root=session.root, calls=calls_of(session, "proposing"))
        )
    for proposer in proposers:
        proposer.check()
    return proposers


def readers_of(session: FapoSession) -> tuple[LLMReader | None, LLMReviewer | None]:
    """Return the readers of unsure failures and of candidates: models in fresh contexts, where any are named.

    Raises:
        ConfigError: a model has no key.
    """
    settings, root = session.settings, session.root
    reader = make_reader(settings, calls_of(session, "diagnosing"), root)
    return reader, make_reviewer(settings, calls_of(session, "reviewing"), root)


def use_plugins_clients(config: pytest.Config) -> None:
    """Let the project's plugins make the clients of models, until the session ends."""
    hook = config.hook
    config.add_cleanup(
        add_client_factory(lambda spec, settings: hook.pytest_fapo_llm_client(spec=spec, settings=settings))
    )


def calls_of(session: FapoSession, stage: str) -> CallContext:
    """Return the context in which the optimizer's models are asked: cached, counted, within the budget."""

    def calls() -> AbstractContextManager[object]:
        return optimizer_calls(session.optimizer_ledger(), stage)

    return calls


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return "."
