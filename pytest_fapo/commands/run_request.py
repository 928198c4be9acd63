"""Build a run's request from pytest's options, the settings and the project's plugins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_fapo.answers.model_client import CallContext
from pytest_fapo.answers.sdk_clients import add_client_factory
from pytest_fapo.capture.exchange import optimizer_calls
from pytest_fapo.commands.plugin_hooks import PluginHooks
from pytest_fapo.core.evaluation import Evaluation
from pytest_fapo.core.settings import PROVIDERS, Settings
from pytest_fapo.diagnosis.model_reader import LLMReader, make_reader
from pytest_fapo.loop.optimize_request import Budget, ChooseChanges, OptimizeRequest, nobody_chooses
from pytest_fapo.loop.run_folder import RunFolder
from pytest_fapo.loop.run_result import ScopeSnapshot
from pytest_fapo.propose.proposer import Proposer
from pytest_fapo.propose.proposer_factory import make_proposer
from pytest_fapo.review.model_reviewer import LLMReviewer, make_reviewer
from pytest_fapo.session.capturing import offline_applies
from pytest_fapo.shadow.child_arguments import child_args
from pytest_fapo.shadow.tree_state import TreeState
from pytest_fapo.verdict.policy import GatePolicy, policy_of

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
    """Everything that a run (or a diagnosis, which has no proposers) works on."""
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
    """The policy that options and settings name.

    Raises:
        ConfigError: it lacks what it needs.
    """
    option = config.option
    return policy_of(settings, name=option.fapo_policy, target=option.fapo_target or settings.target)


def make_proposers(config: pytest.Config, session: FapoSession) -> list[Proposer]:
    """The proposers of the setting `optimizer`, in its order, each found usable.

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
            proposer or make_proposer(spec, settings=settings, root=session.root, calls=calls_of(session))
        )
    for proposer in proposers:
        proposer.check()
    return proposers


def readers_of(session: FapoSession) -> tuple[LLMReader | None, LLMReviewer | None]:
    """Who reads unsure failures and who reads candidates: models in fresh contexts, where any are named.

    Raises:
        ConfigError: a model has no key.
    """
    settings, calls = session.settings, calls_of(session)
    return make_reader(settings, calls, session.root), make_reviewer(settings, calls, session.root)


def use_plugins_clients(config: pytest.Config) -> None:
    """Let the project's plugins make the clients of models, until the session ends."""
    hook = config.hook
    config.add_cleanup(
        add_client_factory(lambda spec, settings: hook.pytest_fapo_llm_client(spec=spec, settings=settings))
    )


def calls_of(session: FapoSession) -> CallContext:
    """The context in which the optimizer's models are asked: cached, counted, within the budget."""

    def calls() -> AbstractContextManager[object]:
        return optimizer_calls(session.optimizer_ledger())

    return calls


def _relative(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return "."
