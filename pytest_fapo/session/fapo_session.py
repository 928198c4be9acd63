"""The state that the plugin keeps for one pytest session in which it is in use."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.capture.recorder import Recorder, Replacements, recording
from pytest_fapo.capture.redaction import REDACTED, Redactor, use_redactor
from pytest_fapo.core.errors import ConfigError, PipelineError
from pytest_fapo.core.evaluation import Evaluation, ItemResult
from pytest_fapo.core.settings import PROVIDERS, Settings
from pytest_fapo.core.stash import JOIN_KEY, RESULT_KEY, STAGE_KEY, TRACER_KEY
from pytest_fapo.core.trace_store import RunSummary, TraceStore
from pytest_fapo.session.capturing import (
    CapturePlan,
    Capturing,
    cache_files,
    cache_url,
    child_plan,
    child_request,
    ledger,
)
from pytest_fapo.session.case_items import BoundCase, CaseBinder, CaseRules, bound_case
from pytest_fapo.session.case_progress import CaseProgress
from pytest_fapo.session.item_records import (
    ItemRecord,
    ItemState,
    MetricRules,
    item_record,
    run_summary,
    session_spending,
)
from pytest_fapo.session.outage_breaker import OutageBreaker
from pytest_fapo.session.package_settings import Packages
from pytest_fapo.session.pipeline_fixture import pipeline_name, pipeline_of
from pytest_fapo.session.produced_runs import produced_runs
from pytest_fapo.session.run_fixture import ItemNotes, Run
from pytest_fapo.session.shared_runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_fapo.capture.exchange import Ledger
    from pytest_fapo.core.case import Case


_NO_NOTES = ItemNotes()
"""Of all items that are over."""


class FapoSession:
    """Cases, runs and records of one session; made when the first marked test or option asks for it.

    Args:
        config: pytest's.
        plan: where calls are cached and what they may spend; default: as the options say.

    Raises:
        ConfigError: `[tool.fapo]` cannot be used.
    """

    def __init__(self, config: pytest.Config, plan: CapturePlan | None = None) -> None:
        self.config = config
        self.packages = Packages(config)
        self.settings = self.packages.merged()
        use_redactor(Redactor.of(self.settings))  # until the capturing brings the project's own hooks
        _check_proposers(self.settings, config)
        options = config.option
        self.binder = CaseBinder(
            list(dict.fromkeys([self.folder, config.rootpath])),
            self._rules,
            loader=lambda path: config.hook.pytest_fapo_load_cases(path=path),
        )
        self._runs = TraceStore(run_summary)
        self._taken = Evaluation.of_valid(traces=self._runs)
        self._further_keys: dict[str, list[str]] = {}
        self.plan = child_plan(config) or plan or default_plan(config, self)
        self.expected_items: int | None = None
        """The number of items that must leave a result, if it is not pytest's own count (under xdist)."""
        alone = child_plan(config) is None  # a candidate's evaluation is watched by the loop
        self.runs = Runs(
            options.fapo_concurrency or self.settings.concurrency,
            self.recorder,
            progress=CaseProgress(config, self.plan.max_cost) if alone else None,
            breaker=OutageBreaker() if alone else None,
            first_alone=alone,
            prepare=_load_prices if self.plan.mode != "only" else None,
        )
        self._metrics = MetricRules.of(self.settings, options.fapo_min_score)
        self.runs.produced = produced_runs(config)
        self._traced: set[str] = set()
        self._capturing: Capturing | None = None
        self._optimizer_ledger: Ledger | None = None
        self._said: set[str] = set()
        self._replacements = child_replacements(config)
        self._sample = child_sample(config)

    @property
    def root(self) -> Path:
        """Folder of the project, to which the settings' paths are relative."""
        return self.packages.home.root

    @property
    def folder(self) -> Path:
        """Folder that `.fapo` is in: that of the settings."""
        return self.packages.home.folder

    def _rules(self, test_file: Path) -> CaseRules:
        settings, options = self.packages.of(test_file), self.config.option
        return CaseRules(
            settings.pipeline,
            options.fapo_timeout or settings.timeout,
            options.fapo_repeats or settings.repeats,
        )

    # --- life -----------------------------------------------------------------------------------------

    def activate(self) -> Capturing:
        """Install tracing and capture, once, in the process that runs the tests."""
        if self._capturing is None:
            self.plan = self.plan.counted()
            implementations = self.config.hook.pytest_fapo_redact.get_hookimpls()
            redactions = [_redaction(each) for each in implementations]
            self._capturing = Capturing(
                self.settings, self.plan, redactions, self._say, self.config.stash.get(TRACER_KEY, None)
            )
            self._capturing.install()
        return self._capturing

    def close(self) -> None:
        self.runs.close()
        if self._capturing is not None:
            self._capturing.uninstall()
            self._capturing = None
        if self.plan.own_folder is not None:
            shutil.rmtree(self.plan.own_folder, ignore_errors=True)

    def _say(self, sentence: str) -> None:
        """Tell a person something while the tests run, in the process that has a terminal."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and sentence not in self._said and child_plan(self.config) is None:
            self._said.add(sentence)
            capture = self.config.pluginmanager.get_plugin("capturemanager")
            with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
                reporter.ensure_newline()
                reporter.write_line(f"fapo: {sentence}")

    def warnings(self) -> list[str]:
        """Return the warnings of this session although its tests ran."""
        return [*(self._capturing.warnings() if self._capturing is not None else ()), *self.runs.remarks()]

    def optimizer_ledger(self) -> Ledger | None:
        """Return the budget that the optimizer's own calls share with the pipelines'."""
        if self._optimizer_ledger is None:
            self._optimizer_ledger = ledger(self.plan, who="optimizer", warn=self._say)
        return self._optimizer_ledger

    # --- runs -----------------------------------------------------------------------------------------

    def run_for(self, request: pytest.FixtureRequest, case: Case) -> Run:
        """Return the run of this test's case: performed when all fixtures are set up, or read by one of
        them.
        """
        item = request.node
        bound = bound_case(item)
        if bound is None:
            pytest.fail("the fixture 'run' belongs to tests marked with @fapo.cases(...)", pytrace=False)
        try:
            function = pipeline_of(request, bound.pipeline)
        except PipelineError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        notes = self.state_of(item).notes
        notes.perform = partial(self.runs.perform, request, bound, function, notes, case)
        if self.runs.closure(item, bound).feeds_fixtures:
            notes.perform()
        return Run(case, notes, self.settings.judge_repeats)

    def perform(self, item: pytest.Item) -> None:
        """Run the item's pipeline, where the item asks for a run that no fixture has read."""
        state: ItemState | None = item.stash.get(RESULT_KEY, None)
        if state is not None and state.notes.perform is not None:
            state.notes.perform()

    def recorder(self, item: pytest.Item, bound: BoundCase, pipeline: str) -> Recorder:
        """Return a recorder for one run of this case."""
        recorder = Recorder(
            replacements=self._replacements.get(item.nodeid),
            pipeline=pipeline,
            case_id=bound.case.id,
            inputs=bound.case.inputs,
            sample=" ".join(filter(None, [bound.sample, self._sample])),
            limit=self.settings.trace_limit,
            redactor=self.activate().redactor,
        )
        recorder.stage = self._stage(item)
        recorder.collect_processes = self.activate().processes.collect
        network = self.activate().network
        recorder.late_violations = network.collect if network is not None else None
        return recorder

    def _stage(self, item: pytest.Item) -> str:
        """Return the item's stage of an evaluation; empty in a session of the user's own."""
        request = child_request(self.config)
        return request["stages"][item.stash.get(STAGE_KEY, 0)]["name"] if request is not None else ""

    def pipeline_name(self, item: pytest.Item, bound: BoundCase) -> str:
        """Return the name under which the item's pipeline is recorded."""
        return pipeline_name(self.runs.closure(item, bound))

    # --- records --------------------------------------------------------------------------------------

    def state_of(self, item: pytest.Item) -> ItemState:
        """Return the state of the item; a new one is made when its set-up begins."""
        state: ItemState | None = item.stash.get(RESULT_KEY, None)
        return state or self.begin(item)

    def begin(self, item: pytest.Item) -> ItemState:
        state = ItemState()
        bound = bound_case(item)
        earlier = item.stash.get(RESULT_KEY, None)
        if bound is not None and earlier is not None:
            self._run_again(earlier)
        if bound is not None:
            state.notes.case, state.notes.pipeline = bound.case, self.pipeline_name(item, bound)
            state.notes.repeat = bound.repeat
        item.stash[RESULT_KEY] = state
        return state

    def _run_again(self, earlier: ItemState) -> None:
        """An item that begins once more (a rerun) gets a run of its own, not the one that it has judged."""
        if earlier.notes.execution is not None:
            self.runs.forget(earlier.notes.execution)
        self._traced.discard(earlier.trace_id or "")

    def record(self, item: pytest.Item) -> ItemRecord | str:
        """Return the finished item's record; packed, where it has to cross from an xdist worker."""
        state = self.state_of(item)
        record = item_record(item, state, self._traced, self._metrics)
        # Items live as long as the session: of this one only what a rerun has to know is kept.
        kept = self.runs.done(item, state.notes.execution)
        state.notes = ItemNotes(execution=kept) if kept is not None else _NO_NOTES
        return record.pack() if hasattr(self.config, "workerinput") else record

    def take(self, given: ItemRecord | str) -> ItemRecord:
        """Take in a record of this process, or one that an xdist worker has packed."""
        record = ItemRecord.unpack(given) if isinstance(given, str) else given
        self._taken.add(record.item, record.case, record.trace)
        if record.further_keys:
            self._further_keys[record.item.nodeid] = record.further_keys
        return record

    def note_used_keys(self, pytest_session: pytest.Session) -> None:
        """Note for exports which recorded answers this session's cases used."""
        if self.plan.mode != "off" and child_plan(self.config) is None and JOIN_KEY not in self.config.stash:
            runs = self._runs.summaries.values()
            note_session(pytest_session, self.folder, runs, self._taken.items, self._further_keys)

    @property
    def taken(self) -> Evaluation:
        """The records taken in so far; their spending is not summed up."""
        return self._taken

    def evaluation(self, exit_code: int = 0) -> Evaluation:
        spending = session_spending(self._runs.summaries.values(), self._taken.items.values())
        return self._taken.model_copy(update={"exit_code": exit_code, "spending": spending})


def _load_prices() -> None:
    from pytest_fapo.answers.prices import load_tables

    load_tables()


def _check_proposers(settings: Settings, config: pytest.Config) -> None:
    """A name that is none of ours is good only where a plugin may know it.

    Raises:
        ConfigError: it names no proposer.
    """
    foreign = [
        *config.hook.pytest_fapo_proposer.get_hookimpls(),
        *config.hook.pytest_fapo_llm_client.get_hookimpls(),
    ]
    for name in settings.optimizer:
        if not foreign and name != "playbook" and name.partition(":")[0] not in PROVIDERS:
            raise ConfigError(
                f"tool.fapo.optimizer: {name!r} is none of 'playbook', 'openai:<model>', "
                f"'anthropic:<model>', 'command:<program>', 'gepa', and no plugin of this project offers it"
            )


def _redaction(implementation: Any) -> Callable[[str], str | None]:
    """One plugin's `pytest_fapo_redact`, called directly: it sees every text that is recorded.

    What it raises must not let the text through.
    """

    def redact(text: str) -> str | None:
        try:
            found = implementation.function(text=text)
        except Exception as error:
            return f"[not recorded: pytest_fapo_redact raised {type(error).__name__}]"
        return found if found is None or isinstance(found, str) else REDACTED

    return redact


def default_plan(config: pytest.Config, session: FapoSession) -> CapturePlan:
    """Return the plan of a plain session: answers in the project's cache, limits as the options say.

    Raises:
        CacheFileError: an exported cache that an option names does not exist.
    """
    options = config.option
    files, missing = (
        cache_files(config, session.settings, session.root) if options.fapo_cache != "off" else ((), ())
    )
    limit = options.fapo_time_limit
    spend_file = getattr(config, "workerinput", {}).get("fapo_spend_file")
    return CapturePlan(
        cache_folder=session.folder / ".fapo" / "cache",
        mode=options.fapo_cache,
        spend_file=Path(spend_file) if spend_file else None,
        max_calls=options.fapo_max_calls,
        max_cost=options.fapo_budget,
        deadline=time.monotonic() + limit if limit is not None else None,
        cache_files=files,
        missing_files=missing,
        cache_url=cache_url(config, session.settings),
    )


@contextmanager
def watched_body(session: FapoSession, item: pytest.Item) -> Iterator[None]:
    """Trace what the test calls itself, and let no error of its run go unnoticed."""
    bound = bound_case(item)
    if bound is None:
        yield
        return
    notes = session.state_of(item).notes
    recorder = session.recorder(item, bound, session.pipeline_name(item, bound))
    recorder.by_test = notes.execution is not None
    try:
        with recording(recorder):
            yield
    finally:
        _keep_trace(notes, recorder, bound)
    _raise_unread(notes, recorder, bound)


def _keep_trace(notes: ItemNotes, recorder: Recorder, bound: BoundCase) -> None:
    if notes.execution is not None:
        from pytest_fapo.core.unanswered import unanswered_in

        notes.further_keys = recorder.answered_keys()
        if recorder.is_empty:
            return
        trace = recorder.trace()
        notes.further_calls = trace.llm_calls
        notes.further_unanswered = unanswered_in(trace)
        return
    trace = recorder.trace(inputs=bound.case.inputs)
    notes.trace = trace if trace.steps or trace.llm_calls else None


def _raise_unread(notes: ItemNotes, recorder: Recorder, bound: BoundCase) -> None:
    """A test that passed without looking at its run must still fail where the run did."""
    __tracebackhide__ = True
    if notes.execution is not None and not notes.error_seen:
        Run(bound.case, notes).raise_error()
    refusal = recorder.refusal()
    if refusal is not None:
        notes.stopped = type(refusal).__name__
        pytest.fail(str(refusal), pytrace=False)


def child_replacements(config: pytest.Config) -> dict[str, Replacements]:
    """Node id to what is replaced in the item's run; empty in any process but an intervening child."""
    given = (child_request(config) or {}).get("interventions") or []
    return {
        one["nodeid"]: Replacements(
            outputs=one["outputs"], types=one["types"], resample=frozenset(one["resample"])
        )
        for one in given
    }


def child_sample(config: pytest.Config) -> str:
    """Return the name of the sample that every run of this process gets; empty for the answers that are on
    record.

    An evaluation asks for one by its option `sample`, a number: equal numbers give equal answers.
    """
    request = child_request(config)
    number = None if request is None else request["options"].get("sample")
    return "" if number is None else f"sample {number}"


_SELECTING = (
    *("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob", "maxfail"),
    "fapo_shard",
)
"""Options (by their `dest`) with which a part of the cases may be left out."""


def note_session(
    session: pytest.Session,
    folder: Path,
    runs: Iterable[RunSummary],
    items: Mapping[str, ItemResult],
    further: Mapping[str, Sequence[str]],
) -> None:
    """Note the keys of the calls behind each case; nothing where the project has no `.fapo` folder.

    Args:
        session: pytest's, ended.
        folder: that the project's `.fapo` is in.
        runs: of its items.
        items: their results.
        further: by node id, keys of calls that a test made beside its run's.
    """
    from pytest_fapo.answers.used_keys import note_used_keys

    cases: dict[str, set[str]] = {}
    for run in runs:
        cases.setdefault(f"{run.pipeline}::{run.case_id}", set()).update(run.keys.split())
    for nodeid, keys in further.items():
        item = items[nodeid]
        cases.setdefault(f"{item.pipeline}::{item.case_id}", set()).update(keys)
    config = session.config
    note_used_keys(
        folder / ".fapo",
        cases,
        whole=_whole(session, folder),
        redacting_hook=bool(config.hook.pytest_fapo_redact.get_hookimpls()),
    )


def _whole(session: pytest.Session, folder: Path) -> bool:
    """True if all of the project's cases have run, as far as that is known without doubt."""
    config, option = session.config, session.config.option
    source = config.args_source
    if source == config.ArgsSource.ARGS or session.shouldstop or session.shouldfail:
        return False
    start = config.invocation_params.dir
    if source == config.ArgsSource.INVOCATION_DIR and start not in (folder, config.rootpath):
        return False
    return session.exitstatus in (0, 1) and not any(getattr(option, name, None) for name in _SELECTING)
