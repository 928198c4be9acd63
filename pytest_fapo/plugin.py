"""Everything that pytest-fapo adds to pytest, in the order in which a session meets it.

Loaded at every start of pytest: imports nothing heavy, and does nothing until a test is marked with
`@fapo.cases` or a `--fapo-*` option is given.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fapo.core import plain_imports

# Before the modules below, so that pytest rewrites the asserts of none of them at each start.
plain_imports.install()

from pytest_fapo import hookspecs, options  # noqa: E402
from pytest_fapo.core.errors import FapoError, SettingsConflict, disk_errors  # noqa: E402
from pytest_fapo.core.project_file import SettingsFiles, argument_path, find_settings_home  # noqa: E402
from pytest_fapo.core.stash import SESSION_KEY, TRACER_KEY  # noqa: E402
from pytest_fapo.session.cases_decorator import MARK, has_mark  # noqa: E402

if TYPE_CHECKING:
    from pytest_fapo.session.fapo_session import FapoSession
    from pytest_fapo.session.run_fixture import Run


_COMMANDS = (
    "fapo_diagnose",
    "fapo_optimize",
    "fapo_resume",
    "fapo_estimate",
    "fapo_gate",
    "fapo_shard",
    "fapo_update_baseline",
    "fapo_review",
    "fapo_report",
    "fapo_summary",
    "fapo_code_quality",
)
"""Options that ask for more than running the tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse mistyped options. Before a conftest.py imports the application: trace the functions named by
    `steps` where they are defined; let SDK clients be made without a key if a stand-in is configured or
    nothing is ever sent."""
    options.refuse_mistyped(args)
    start = early_config.invocation_params.dir
    known = early_config.known_args_namespace
    if known.fapo_cache == "only" or known.fapo_estimate:
        from pytest_fapo.core.api_keys import fill_in_keys

        fill_in_keys()
    files = SettingsFiles(early_config.inipath, early_config.rootpath, start, bool(known.inifilename))
    arguments = [argument_path(argument, start) for argument in known.file_or_dir or ["."]]
    path = find_settings_home(files, arguments, below=False).file
    content = path.read_bytes() if path is not None else b""
    if path is not None and b"steps" in content:
        from pytest_fapo.capture.step_tracer import early_tracer

        early_config.stash[TRACER_KEY] = early_tracer(path)
    if path is not None and b"offline" in content and known.fapo_cache != "only" and not known.fapo_estimate:
        from pytest_fapo.core.api_keys import set_placeholder_keys

        set_placeholder_keys(path)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}(source): one item per labeled case (see pytest_fapo.cases)")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recording(config), "fapo-recording")
    if config.option.fapo_estimate:
        config.option.fapo_cache = "only"  # before the session, and xdist's workers, read it
    if _wanted(config):
        from pytest_fapo.commands.session_commands import prepare

        try:
            with disk_errors():
                prepare(config, _session(config))
        except FapoError as error:
            from pytest_fapo.capture.redaction import error_text

            raise pytest.UsageError(error_text(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: all workers count in one file, that of the run or that of the limits alone."""
    option = node.config.option
    if option.fapo_cache_file:
        from pytest_fapo.session.capturing import named_files

        node.workerinput["fapo_cache_files"] = [str(path) for path in named_files(node.config)]
    if _wanted(node.config) or any(
        limit is not None for limit in (option.fapo_max_calls, option.fapo_budget, option.fapo_time_limit)
    ):
        try:
            session = _session(node.config)
        except FapoError:
            return  # each worker says so at collection
        session.plan = session.plan.counted()
        if session.plan.spend_file is not None:
            node.workerinput["fapo_spend_file"] = str(session.plan.spend_file)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> Generator[None, object, object]:
    """Refuse or warn of marks that would do nothing; let a marked test have its pipeline as a fixture."""
    if isinstance(obj, type):
        if "unittest" in sys.modules and issubclass(obj, sys.modules["unittest"].TestCase):
            _refuse_unittest(obj)
        return (yield)
    _let_have_pipeline(collector, name, obj)
    made = yield
    if made is None and isinstance(obj, FunctionType) and has_mark(obj):
        collector.warn(
            pytest.PytestCollectionWarning(
                f"@fapo.cases does nothing on {name!r}: pytest does not collect it as a test. "
                f"Rename it so that its name begins with 'test' (setting python_functions)"
            )
        )
    return made


def _let_have_pipeline(collector: pytest.Collector, name: str, obj: object) -> None:
    """Before pytest looks at the fixtures of a marked test: let its pipeline be among them."""
    marked = has_mark(obj) or (name.startswith("test") and collector.get_closest_marker(MARK) is not None)
    if isinstance(obj, FunctionType) and marked:
        from pytest_fapo.session.case_items import ask_for_pipeline

        try:
            ask_for_pipeline(collector, obj, _session(collector.config).settings.pipeline)
        except FapoError:
            return  # said when the test is parametrized


def _refuse_unittest(case: type) -> None:
    """Raise where a unittest method is to have cases: unittest knows neither parameters nor fixtures."""
    marked = next((name for name in dir(case) if has_mark(getattr(case, name, None))), "")
    if marked or has_mark(case):
        raise pytest.Collector.CollectError(
            f"@fapo.cases cannot work on {case.__name__}{f'.{marked}' if marked else ''}: a method of a "
            f"unittest.TestCase takes neither 'case' nor 'run'. Write it as a function (or as a method of a "
            f"class that is no TestCase): def {marked or 'test_answer'}(case, run): assert run.output == "
            f"case.expected"
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker(MARK) is None:
        return
    try:
        session = _session(metafunc.config)
        session.activate()
        session.binder.parametrize(metafunc)
    except FapoError as error:
        raise pytest.Collector.CollectError(str(error)) from None


@pytest.hookimpl(tryfirst=True)  # before an xdist worker says what it has collected
def pytest_collection_finish(session: pytest.Session) -> None:
    """A command works with one file of settings: tests that have another one are not judged by it."""
    used = session.config.stash.get(SESSION_KEY, None)
    if used is None or not _wanted(session.config):
        return
    from pytest_fapo.session.case_items import bound_case

    try:
        used.packages.check(item.path for item in session.items if bound_case(item) is not None)
    except SettingsConflict as error:
        from pytest_fapo.commands.session_commands import refuse_collection

        refuse_collection(session, error)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Any:
    """The labeled case of this item: `id, inputs, expected, split, tags, weight, metadata`."""
    bound = getattr(request, "param", None)
    if bound is None:
        pytest.fail("the fixture 'case' belongs to tests marked with @fapo.cases(...)", pytrace=False)
    try:
        return bound.case.own_copy()  # what a test changes in it is no other test's business
    except Exception:  # inputs of a kind that has no copies
        return bound.case


@pytest.fixture
def run(case: Any, request: pytest.FixtureRequest) -> Run:
    """The pipeline's run on this item's case: `output, steps, llm_calls, score(), feedback()`."""
    return _session(request.config).run_for(request, case)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    session = item.config.stash.get(SESSION_KEY, None)
    if session is not None:
        session.begin(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    session = item.config.stash.get(SESSION_KEY, None)
    if session is None:
        return (yield)
    from pytest_fapo.session.fapo_session import watched_body

    with watched_body(session, item):
        return (yield)


@pytest.hookimpl(tryfirst=True, specname="pytest_runtest_call")
def pytest_runtest_call_pipeline(item: pytest.Item) -> None:
    """Inside of everything that surrounds the test's body, right before it: the pipeline runs."""
    session = item.config.stash.get(SESSION_KEY, None)
    if session is not None:
        session.perform(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    session = item.config.stash.get(SESSION_KEY, None)
    if session is not None:
        session.state_of(item).add(call, report)
        if item.config.option.fapo_estimate:
            from pytest_fapo.commands.estimate_command import skip_unrecorded

            skip_unrecorded(report, session.state_of(item).error_type)
        if report.when == "teardown":
            report.fapo = session.record(item)  # type: ignore[attr-defined]
    return report


class Recording:
    """Takes in the records that reports bring; under xdist only the controller has one."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.remarks: list[str] = []
        """Of xdist workers."""

    @pytest.hookimpl(tryfirst=True)  # before pytest's JUnit XML takes the properties
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        given = report.__dict__.pop("fapo", None)  # pytest keeps all reports
        if given is not None:
            record = _session(self._config).take(given)
            if getattr(self._config.option, "xmlpath", None):
                from pytest_fapo.views.junit import case_properties

                report.user_properties += case_properties(record.data)
            if self._config.hook.pytest_fapo_item.get_hookimpls():
                self._config.hook.pytest_fapo_item(record=record.data)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Our commands print no traceback of failing cases; why nothing could be collected has to be seen."""
        option = self._config.option
        if report.failed and _wanted(self._config) and option.tbstyle == "no":
            option.tbstyle = "short"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Report an xdist worker's remarks on its settings, its cache and its runs, each sentence once."""
        said = getattr(node, "workeroutput", None) or {}
        if "fapo_conflict" in said:
            from pytest_fapo.commands.session_commands import take_over

            take_over(self._config, _session(self._config), said["fapo_conflict"])
        for remark in json.loads(said.get("fapo_remarks", "[]")):
            if remark not in self.remarks:
                self.remarks.append(remark)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """The controller has no items: what a worker has collected says how many results must come."""
        if _wanted(self._config):
            _session(self._config).expected_items = len(ids)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> Generator[None, Any, Any]:
    """After everything that pytest itself prints: diagnose or optimize, as asked."""
    if getattr(session.config.option, "xmlpath", None) and SESSION_KEY in session.config.stash:
        from pytest_fapo.views.junit import add_suite_properties

        add_suite_properties(session.config, _session(session.config))
    used = session.config.stash.get(SESSION_KEY, None)
    if used is not None and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["fapo_remarks"] = json.dumps(used.warnings())
    result = yield
    used = session.config.stash.get(SESSION_KEY, None)
    if used is not None and not hasattr(session.config, "workerinput"):
        used.note_used_keys(session)
        if exitstatus != pytest.ExitCode.INTERNAL_ERROR:
            _say_scores(session.config, used)
    if _wanted(session.config) and not hasattr(session.config, "workerinput"):
        from pytest_fapo.commands.session_commands import finish

        finish(session, _session(session.config))
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, Any, Any]:
    """Around pytest's list of failures: many failing cases are told by cause, below pytest's last line."""
    session = config.stash.get(SESSION_KEY, None)
    if session is None or _wanted(config):
        return (yield)
    from pytest_fapo.views.failure_groups import folded_failures

    with folded_failures(terminalreporter, session.taken):
        return (yield)


def _say_scores(config: pytest.Config, session: FapoSession) -> None:
    """The last lines of a session: scores, calls and what to type next."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    from pytest_fapo.views.failure_groups import failure_lines, is_folded
    from pytest_fapo.views.session_lines import folded, session_lines

    recording: Recording | None = config.pluginmanager.get_plugin("fapo-recording")
    warnings = [*session.warnings(), *(recording.remarks if recording is not None else ())]
    evaluation = session.evaluation()
    lines = session_lines(evaluation, hint=not _wanted(config), warnings=warnings)
    if not _wanted(config) and is_folded(config, evaluation):
        lines = [*failure_lines(evaluation), *lines]
    for line in map(session.packages.advice, lines):
        for piece in folded(line, reporter._tw.fullwidth) if reporter.isatty else [line]:
            reporter.write_line(piece)


def pytest_unconfigure(config: pytest.Config) -> None:
    session = config.stash.get(SESSION_KEY, None)
    if session is not None:
        session.close()
    tracer = config.stash.get(TRACER_KEY, None)
    if tracer is not None:
        tracer.uninstall()


def _wanted(config: pytest.Config) -> bool:
    """True if an option asks for more than running the tests."""
    option = config.option
    return any(getattr(option, name) for name in _COMMANDS) or option.fapo_annotations == "github"


def _session(config: pytest.Config) -> FapoSession:
    """Return the plugin's session, made on first use.

    Raises:
        ConfigError: `[tool.fapo]` cannot be used.
    """
    session = config.stash.get(SESSION_KEY, None)
    if session is None:
        from pytest_fapo.session.fapo_session import FapoSession

        session = config.stash[SESSION_KEY] = FapoSession(config)
    return session
