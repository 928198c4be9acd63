"""Async pipelines run on the loop that their fixtures belong to."""

from __future__ import annotations

import pytest

from pytest_fapo.session.pipeline_fixture import setting

pytest.importorskip("pytest_asyncio")

CLIENT = """
import asyncio
class Client:
    now = most = 0
    def __init__(self):
        self.loop, self.lock, self.closed = asyncio.get_running_loop(), asyncio.Lock(), False
    async def ask(self, text):
        assert not self.closed
        assert asyncio.get_running_loop() is self.loop
        Client.now += 1
        Client.most = max(Client.most, Client.now)
        async with self.lock:
            await asyncio.sleep(0.01)
        Client.now -= 1
        return text.upper()
"""

TESTS = """
import pytest, pytest_fapo as fapo, app
CASES = [{"id": f"c{n}", "inputs": {"text": f"hi{n}"}, "expected": f"HI{n}"} for n in range(4)]
@fapo.cases(CASES, split="train")
def test_sync(case, run):
    assert run.output == case.expected
@fapo.cases(CASES, split="train")
async def test_async(case, run):
    assert run.output == case.expected
@fapo.cases(CASES, split="train")
async def test_by_itself(case, pipeline):
    assert await pipeline(**case.inputs) == case.expected
"""

FIXTURE = """
import app, pytest, pytest_asyncio
@pytest_asyncio.fixture(scope="{scope}", loop_scope="{scope}")
async def client():
    made = app.Client()
    yield made
    made.closed = True
@pytest.fixture(scope="{scope}")
def pipeline(client):
    return {given}
"""


@pytest.mark.parametrize(
    ("scope", "given", "together"),
    [
        ("session", "client.ask", True),
        ("session", "lambda text: client.ask(text)", False),
        ("module", "client.ask", True),
        ("function", "client.ask", False),
    ],
)
def test_a_client_of_an_asyncio_fixture_works(
    pytester: pytest.Pytester, scope: str, given: str, together: bool
) -> None:
    end = "def test_most():\n    assert (app.Client.most > 1) is TOGETHER\n".replace(
        "TOGETHER", str(together)
    )
    pytester.makepyfile(app=CLIENT, conftest=FIXTURE.format(scope=scope, given=given), test_it=TESTS + end)
    pytester.makeini(
        f"[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = {scope}\n"
        f"asyncio_default_test_loop_scope = {scope}\n"
    )
    pytester.runpytest_subprocess("--fapo-timeout=60").assert_outcomes(passed=13)


ANYIO = """
import app, pytest
@pytest.fixture(scope="session", params=BACKENDS)
def anyio_backend(request):
    return request.param
@pytest.fixture(scope="session")
async def client(anyio_backend):
    made = app.Client()
    yield made
    made.closed = True
@pytest.fixture(scope="session")
def pipeline(client):
    return client.ask
"""

ANYIO_CLIENT = """
import anyio
class Client:
    def __init__(self):
        self.lock, self.closed = anyio.Lock(), False
        self.owner = self.token()
    def token(self):
        return anyio.lowlevel.current_token()
    async def ask(self, text):
        assert not self.closed and self.token() == self.owner
        async with self.lock:
            await anyio.sleep(60 if text == "late" else 0.01)
        return text.upper()
"""


def test_a_client_of_an_anyio_fixture_works_on_each_backend(pytester: pytest.Pytester) -> None:
    pytest.importorskip("anyio")
    backends = ["asyncio"]
    try:
        import trio  # noqa: F401

        backends.append("trio")
    except ImportError:
        pass
    marked = TESTS.replace("async def", "@pytest.mark.anyio\nasync def").replace(
        "import pytest,", "import anyio.lowlevel, pytest,"
    )
    late = """
@fapo.cases([{"id": "late", "inputs": {"text": "late"}}], split="train", timeout=0.5)
def test_late(run):
    assert isinstance(run.error, TimeoutError)
"""
    pytester.makepyfile(
        app=ANYIO_CLIENT, conftest=ANYIO.replace("BACKENDS", repr(backends)), test_it=marked + late
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=13 * len(backends))


def test_a_module_keeps_its_client_through_async_tests_with_a_loop_each(pytester: pytest.Pytester) -> None:
    """The loop of a single test ends with it, so a client made at first use must not belong to it."""
    pytester.makepyfile(
        app=CLIENT
        + """
client = None
async def ask(text):
    global client
    client = client or Client()
    return await client.ask(text)
""",
        conftest="import app, pytest\n@pytest.fixture(scope='session')\ndef pipeline(): return app.ask\n",
        test_it=TESTS.partition('@fapo.cases(CASES, split="train")\nasync def test_by_itself')[0],
    )
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.runpytest_subprocess().assert_outcomes(passed=8)


HIDDEN = """
from pytest_fapo.session import pipeline_fixture
found = pipeline_fixture.definitions_of
runner = '_scoped_runner'
pipeline_fixture.definitions_of = lambda item, name: [] if name.endswith(runner) else found(item, name)
# Before pytest-asyncio 1.1 no fixture gave out its loop
"""


def old_asyncio(pytester: pytest.Pytester, given: str) -> None:
    """A project whose pytest-asyncio does not give out the loop that its client lives on."""
    pytester.makepyfile(
        app=CLIENT,
        conftest=HIDDEN + FIXTURE.format(scope="session", given=given),
        test_it=TESTS.partition('@fapo.cases(CASES, split="train")\nasync def test_by_itself')[0]
        + "def test_other(): pass\n",
    )
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_test_loop_scope = session\n")


REMEDY = "*the async fixture 'client' lives on an event loop that *: pip install 'pytest-asyncio>=1.1'*"


@pytest.mark.parametrize("given", ["client.ask", "lambda text: client.ask(text)"])
@pytest.mark.parametrize("extra", [(), ("--fapo-timeout=60",)])
def test_a_loop_that_cannot_be_reached_is_told_with_the_remedy(
    pytester: pytest.Pytester, given: str, extra: tuple[str, ...]
) -> None:
    old_asyncio(pytester, given)
    result = pytester.runpytest_subprocess(*extra)
    result.assert_outcomes(failed=8, passed=1)
    result.stdout.fnmatch_lines([REMEDY])
    result.stdout.no_fnmatch_line("*assert asyncio.get_running_loop() is self.loop*")


def test_a_pipeline_that_is_not_async_needs_no_loop(pytester: pytest.Pytester) -> None:
    old_asyncio(pytester, "lambda text: text.upper()")
    pytester.runpytest_subprocess().assert_outcomes(passed=9)


@pytest.mark.parametrize(
    ("command", "code"), [("--fapo-update-baseline", 11), ("--fapo-diagnose", 2), ("--fapo-optimize", 2)]
)
def test_no_command_judges_runs_that_had_no_loop(pytester: pytest.Pytester, command: str, code: int) -> None:
    old_asyncio(pytester, "client.ask")
    pytester.makepyprojecttoml(
        '[tool.fapo]\noptimizer = ["playbook"]\n[tool.fapo.scope]\nprompts = ["*.md"]\n'
    )
    pytester.path.joinpath("prompt.md").write_text("Say it loud.\n")
    result = pytester.runpytest_subprocess(command)
    assert result.ret == code
    result.stdout.fnmatch_lines([REMEDY, "*fapo: *not*"])
    assert not pytester.path.joinpath("fapo-baseline.json").exists()


def test_a_setting_that_an_older_version_does_not_have_counts_as_empty(pytestconfig: pytest.Config) -> None:
    assert setting(pytestconfig, "asyncio_mode")
    assert setting(pytestconfig, "asyncio_setting_of_a_later_version") == ""


BOUND = {
    "loop of the thread": "asyncio.get_event_loop().run_until_complete(work(n))",
    "loop of the module": "LOOP.run_until_complete(work(n))",
    "connection of the module": "TABLE.execute('select ?', [n]).fetchone()[0]",
    "signal": "signal.signal(signal.SIGTERM, signal.SIG_DFL) and n or n",
}


@pytest.mark.parametrize("uses", BOUND)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_bound_to_one_thread_makes_cases_run_in_turn(uses: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        app=f"""
        import asyncio, signal, sqlite3, time
        LOOP, TABLE = asyncio.new_event_loop(), sqlite3.connect(":memory:")
        asyncio.set_event_loop(LOOP)
        async def work(n):
            await asyncio.sleep(0.05)
            return n
        def answer(n):
            return {BOUND[uses]}
        """,
        conftest="""
        import app, pytest
        @pytest.fixture(scope="session")
        def pipeline(): return app.answer
        """,
        test_it="""
        import app, pytest_fapo as fapo
        @fapo.cases([{"id": f"c{n}", "inputs": {"n": n}, "expected": n} for n in range(12)])
        def test_same(case, run): assert run.output == case.expected
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(
        ["*cases run one at a time, each in its own test: in threads, side by side, they fail (*"]
    )
