"""The ways in which one project is run; none of them may change a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Way:
    """One way of running the tests.

    Args:
        name: in a word or two.
        arguments: pytest's.
        env: variables of its process.
        plugins: modules of pytest plugins beside ours.
        part: of which tests it tells: `all`, or `some`, those whose id holds `-1`.
        recorded: the answers are on record already.
    """

    name: str
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
    part: str = "all"
    recorded: bool = False


XDIST = ("xdist.plugin",)
ASYNCIO = ("--asyncio-mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
"""Without the scope pytest-asyncio warns by itself, which ends a session whose warnings are errors."""
WAYS = (
    Way("-k", ("-k", "-1"), part="some"),
    Way("reversed", env={"TRUTH_ORDER": "reversed"}),
    Way("shuffled", env={"TRUTH_ORDER": "7"}),
    Way("-n 2", ("-n", "2"), plugins=XDIST),
    Way("-n 2 by group", ("-n", "2", "--dist", "loadgroup"), plugins=XDIST),
    Way("one at a time", ("--fapo-concurrency=1",)),
    Way("sixteen at a time", ("--fapo-concurrency=16",)),
    Way("asked again", ("--fapo-cache=refresh",), recorded=True),
    Way("without a cache", ("--fapo-cache=off",)),
    Way("replayed", ("--fapo-cache=only",), recorded=True),
    Way("replayed, shuffled", ("--fapo-cache=only",), env={"TRUTH_ORDER": "11"}, recorded=True),
    Way("replayed, -n 2", ("--fapo-cache=only", "-n", "2"), plugins=XDIST, recorded=True),
    Way("randomly", plugins=("pytest_randomly",)),
    Way("rerunfailures", ("--reruns", "1"), plugins=("pytest_rerunfailures",)),
    Way("timeout", ("--timeout", "60"), plugins=("pytest_timeout",)),
    Way("cov", ("--cov=app", "--cov-report="), plugins=("pytest_cov.plugin",)),
    Way("asyncio", ASYNCIO, plugins=("pytest_asyncio.plugin",)),
    Way("anyio", plugins=("anyio.pytest_plugin",)),
    Way("warnings are errors", ("-W", "error")),
    Way("no capture", ("-s",)),
)
BY_NAME = {way.name: way for way in WAYS}
STATED = ("reversed", "-n 2", "one at a time")
"""Those in which the commands are run as well: diagnosis, baseline, gate, optimize."""
