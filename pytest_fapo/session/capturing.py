"""Turn tracing and capture on for a session, as its options (or its parent process) say.

Also: which exported caches are read, and what a person should know although the tests ran (settings without
effect, a broken cache).
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_fapo.capture.redaction import use_redactor
from pytest_fapo.core.api_keys import key_given
from pytest_fapo.core.cache_url import check_cache_url, network_location
from pytest_fapo.core.errors import CacheFileError, ConfigError
from pytest_fapo.core.settings import CacheMode, Settings
from pytest_fapo.core.text import did_you_mean

if TYPE_CHECKING:
    from pytest_fapo.capture.exchange import Answers, Ledger
    from pytest_fapo.capture.http_capture import Capture
    from pytest_fapo.capture.network_guard import NetworkGuard
    from pytest_fapo.capture.step_tracer import StepTracer

Files = tuple[Path, ...]


def cache_files(config: pytest.Config, settings: Settings, root: Path) -> tuple[Files, Files]:
    """Return the exported caches, the first on top, and those of the setting that do not exist (yet).

    Args:
        config: pytest's; its `--fapo-cache-file` is relative to where pytest was started.
        settings: of the session.
        root: to which its `cache_files` are relative.

    Raises:
        CacheFileError: a file that the option names does not exist.
    """
    # An xdist worker may run in another folder than the user: it is given the paths as they were found.
    given = getattr(config, "workerinput", {}).get("fapo_cache_files")
    start = config.invocation_params.dir
    named = [Path(path) for path in given] if given is not None else named_files(config)
    for path in named:
        if not path.exists():
            beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            raise CacheFileError(
                f"--fapo-cache-file: {path} does not exist (relative to {start})"
                f"{did_you_mean(path.name, beside)}; `fapo cache export` writes such a file"
            )
    configured = [root / name for name in settings.cache_files]
    found = {path.resolve(): path for path in (*named, *configured) if path.exists()}
    return tuple(found.values()), tuple(path for path in configured if not path.exists())


def cache_url(config: pytest.Config, settings: Settings) -> str:
    """Return where machines share their answers; empty for nowhere.

    Raises:
        ConfigError: the option's URL cannot be used.
    """
    given: str | None = config.option.fapo_cache_url
    if given is None:
        return settings.cache_url
    if given:
        try:
            check_cache_url(given)
        except ValueError as error:
            raise ConfigError(f"--fapo-cache-url: {error}") from None
    return given


def named_files(config: pytest.Config) -> list[Path]:
    """Return the paths of `--fapo-cache-file`, absolute."""
    return [config.invocation_params.dir / name for name in config.option.fapo_cache_file or ()]


def session_warnings(steps: Sequence[str], tracer: StepTracer, capture: Capture) -> list[str]:
    """One sentence each.

    Args:
        steps: `[tool.fapo] steps`.
        tracer: what wrapped the functions that they name.
        capture: what used the cache.
    """
    unmatched = tracer.unmatched()
    found = []
    for pattern in steps:
        module = pattern.partition(":")[0]
        if _missing(module):
            hint = did_you_mean(module, sys.modules, cutoff=0.8)
            found.append(f"steps: {pattern!r} traces nothing: there is no module {module}{hint}")
        elif pattern in unmatched:
            names = vars(sys.modules[module]) if module in sys.modules else ()
            hint = did_you_mean(pattern.partition(":")[2], names)
            found.append(f"steps: {pattern!r} traces nothing: {module} has no such function{hint}")
    found += [
        f"steps: {pattern!r} does not trace {function}: it was taken from its module before pytest began to "
        f"trace, and ran as it was; import the module later, in a conftest.py or in the pipeline's fixture"
        for pattern, function in tracer.bypassed()
    ]
    return found + [f"the cache is not used: {problem}" for problem in capture.problems]


def _missing(module: str) -> bool:
    """True if there is no such module; nothing is imported to find out."""
    if module in sys.modules:
        return False
    parent = module.rpartition(".")[0]
    if parent and parent not in sys.modules:
        return _missing(parent)
    try:
        return find_spec(module) is None
    except (ImportError, ValueError, AttributeError):
        return True


@dataclass(frozen=True)
class CapturePlan:
    """The location of cached answers and the budget for the calls of this process."""

    cache_folder: Path
    mode: CacheMode
    spend_file: Path | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    deadline: float | None = None
    """By `time.monotonic`."""
    cache_files: tuple[Path, ...] = ()
    """Exported caches below the local one, the first on top."""
    checked: bool = False
    """True if somebody has looked at every answer in them, and at the server of `cache_url`."""
    missing_files: tuple[Path, ...] = ()
    """Those that the settings name and that do not exist."""
    stage: str = ""
    """What the calls of this process are for, where the running code does not know better."""
    channel: Path | None = None
    """Socket that serves recorded answers, where this process may not read the cache."""
    cache_url: str = ""
    """Of the answers that machines share, as it was given: passwords in variables are not in it."""
    own_sockets: tuple[str, ...] = ()
    """Those by which a child asks its parent: nothing is sent by them that a record could answer."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts that cases may connect to under `only`, beside the setting of this name."""
    own_folder: Path | None = None
    """Holds the spend file of limits without a run of their own; goes with the session that made it."""

    def counted(self) -> CapturePlan:
        """This plan with a file to count in, where it has limits and no such file."""
        limits = (self.max_calls, self.max_cost, self.deadline)
        if self.spend_file is not None or all(limit is None for limit in limits):
            return self
        folder = Path(tempfile.mkdtemp(prefix="fapo-spend-"))
        return replace(self, spend_file=folder / "spend.jsonl", own_folder=folder)


def child_request(config: pytest.Config) -> Mapping[str, Any] | None:
    """Return the request of the evaluation that this process is a child of; None in any other process."""
    child = config.pluginmanager.get_plugin("fapo-child")
    if child is None:
        return None
    request: Mapping[str, Any] = child.spec["request"]
    return request


def child_plan(config: pytest.Config) -> CapturePlan | None:
    """Return the plan that the parent of an evaluation's child process has made; None in any other
    process.
    """
    request = child_request(config)
    if request is None:
        return None
    allotment = request.get("allotment") or {}
    spend_file = request.get("spend_file")
    produced = request["options"].get("produced") or {}
    return CapturePlan(
        cache_folder=Path(request["cache_folder"]),
        mode=request["cache_mode"],
        spend_file=Path(spend_file) if spend_file else None,
        max_calls=allotment.get("max_calls"),
        max_cost=allotment.get("max_cost"),
        deadline=allotment.get("deadline"),
        stage=request["stages"][0]["name"],
        cache_files=tuple(map(Path, request.get("cache_files") or ())),
        checked=True,
        channel=Path(request["answers"]) if request.get("answers") else None,
        own_sockets=tuple(filter(None, (request.get("answers"), produced.get("socket")))),
        allow_hosts=tuple(request.get("allow_hosts") or ()),
    )


def prepare_folder(folder: Path) -> Path:
    """Make the project's `.fapo` folder, private to the user, with a .gitignore of its own."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by pytest-fapo: runs, cached answers. Nothing here belongs in git.\n*\n")
    return folder


class Capturing:
    """Tracing and capture of one process, installed once and taken out at the end."""

    def __init__(
        self,
        settings: Settings,
        plan: CapturePlan,
        redactions: Sequence[Callable[[str], str | None]] = (),
        warn: Callable[[str], None] | None = None,
        tracer: StepTracer | None = None,
    ) -> None:
        from pytest_fapo.capture.http_capture import MODULES, Capture
        from pytest_fapo.capture.redaction import Redactor
        from pytest_fapo.capture.step_tracer import StepTracer

        self._steps = settings.steps
        self.redactor = Redactor.of(settings, redactions)
        self.tracer = tracer if tracer is not None else StepTracer(())
        self.tracer.extend(settings.steps)
        offline = None
        if offline_applies(settings):
            assert settings.offline is not None
            from pytest_fapo.answers.offline import offline_model

            offline = offline_model(settings.offline.model)
        self._plan = plan
        self._problems: list[str] = []
        self._cache = opened_cache(plan, self._problems)
        from pytest_fapo.capture.case_processes import CaseProcesses

        self.processes = CaseProcesses(
            self._program_data,
            self._renew,
            [*MODULES, *(pattern.partition(":")[0] for pattern in settings.steps)],
        )
        self._settings = settings
        self._undo = ExitStack()
        self.network: NetworkGuard | None = None
        """Refuses what cases send past the record, where nothing may be sent."""
        if plan.mode == "only":
            from pytest_fapo.capture.network_guard import NetworkGuard

            # Recorded answers come from there.
            own = [network_location(plan.cache_url)] if plan.cache_url else []
            self.network = NetworkGuard([*settings.allow_hosts, *own, *plan.own_sockets, *plan.allow_hosts])
        self.capture = Capture(
            cache=self._cache,
            mode=plan.mode,
            endpoints=settings.endpoints,
            offline=offline,
            ledger=ledger(plan, warn=warn if offline is None else None),
            redactor=self.redactor,
            remedy=_remedy(plan),
        )

    def warnings(self) -> list[str]:
        """Return the warnings about tracing and capture, one sentence each."""
        children = self.network.children.warnings() if self.network is not None else []
        found = [
            *session_warnings(self._steps, self.tracer, self.capture),
            *self._outdated(),
            *self._problems,
            *(shared.remarks() if (shared := getattr(self._cache, "shared", None)) is not None else ()),
        ]
        return [*found, *children]

    def _outdated(self) -> list[str]:
        local = getattr(self._cache, "local", self._cache)
        count = getattr(local, "outdated", 0)
        if not count:
            return []
        return [
            f"{count} answer(s) in {_shown(self._plan.cache_folder)} are not used: they were recorded by an "
            f"earlier version, which could replay the answer to another request; they are asked again"
        ]

    def install(self) -> None:
        use_redactor(self.redactor)
        self.tracer.install()
        self.capture.install()
        self._undo.enter_context(self.processes.followed())
        if self.network is not None:
            self.network.install()

    def _program_data(self) -> dict[str, Any]:
        """Return what a Python process that a case starts sets its capture up with."""
        plan = asdict(replace(self._plan, own_folder=None, checked=True))
        return {
            "begin": "pytest_fapo.session.case_program:begin",
            "settings": self._settings.model_dump(mode="json"),
            "plan": json.loads(json.dumps(plan, default=str)),
        }

    def _renew(self) -> None:
        self.capture.renew(opened_cache(self._plan, []), ledger(self._plan))

    def uninstall(self) -> None:
        if self.network is not None:
            self.network.uninstall()
        self._undo.close()
        self.capture.uninstall()
        self.tracer.uninstall()
        use_redactor(None)
        if self._cache is not None:
            self._cache.close()


def opened_cache(plan: CapturePlan, problems: list[str]) -> Answers | None:
    """Return the recorded answers of a plan; None where there are and will be none.

    Args:
        plan: says which.
        problems: is given why the project's own cache cannot be used, where it cannot.

    Raises:
        CacheFileError: an exported cache cannot be used.
        ConfigError: the Redis of `cache_url` refuses us.
    """
    if plan.mode == "off":
        return None
    if plan.channel is not None:
        from pytest_fapo.answers.answer_channel import ChanneledAnswers

        return ChanneledAnswers(plan.channel)
    from pytest_fapo.answers.cache import AnswerCache
    from pytest_fapo.answers.cache_layers import layered_cache

    folder = AnswerCache(plan.cache_folder)
    # Under `only` nothing is written, and nothing can be in a cache that is not there.
    local = folder if plan.mode != "only" or folder.exists() else None
    if local is not None:
        try:
            prepare_folder(plan.cache_folder.parent)
            if not os.access(plan.cache_folder.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            local = None
            problems.append(
                f"answers of models are not recorded: {plan.cache_folder} cannot be made "
                f"({error.strerror or error})"
            )
    if not plan.cache_files and not plan.cache_url:
        return local
    shared = None
    if plan.cache_url:
        from pytest_fapo.answers.shared_answers import SharedAnswers

        shared = SharedAnswers(plan.cache_url, writable=plan.mode != "only")
        if not plan.checked:
            shared.check()
    return layered_cache(local, plan.cache_files, check=not plan.checked, shared=shared)


def _remedy(plan: CapturePlan) -> str:
    """Return the advice for a question that no recorded answer matches."""
    record = "Run once with --fapo-cache=auto to record it"
    files = [*plan.cache_files, *plan.missing_files]
    if not files:
        return f"{record}."
    missing = "".join(f" {_shown(path)} does not exist." for path in plan.missing_files)
    return f"{record}, then update the exported file: fapo cache export {_shown(files[0])}.{missing}"


def _shown(path: Path) -> str:
    """Return a path as its user would type it, where he stands above it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def offline_applies(settings: Settings) -> bool:
    """True if the stand-in model answers: it is configured and no provider's key is set."""
    offline = settings.offline
    return offline is not None and not any(key_given(name) for name in offline.unless_env)


def ledger(
    plan: CapturePlan,
    who: Literal["pipeline", "optimizer"] = "pipeline",
    warn: Callable[[str], None] | None = None,
) -> Ledger | None:
    """Return the ledger of a plan's budget; None if nothing is counted."""
    if plan.spend_file is None:
        return None
    from pytest_fapo.answers.budget import SpendLedger

    return SpendLedger(
        plan.spend_file,
        max_calls=plan.max_calls,
        max_cost=plan.max_cost,
        deadline=plan.deadline,
        who=who,
        stage=plan.stage,
        warn=warn,
    )
