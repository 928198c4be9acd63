"""`fapo doctor`: what of this machine and project would stand in the way of a run. Nothing is run or sent."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from pytest_fapo import __version__
from pytest_fapo.answers.cache import AnswerCache
from pytest_fapo.cli.console import NOTHING_DONE, OK, CommandConsole, find_root
from pytest_fapo.core.errors import FapoError
from pytest_fapo.core.project_file import SettingsFiles, find_settings_home
from pytest_fapo.core.settings import Settings, home_settings
from pytest_fapo.core.text import count, listing
from pytest_fapo.loop.candidate_cage import missing_locks
from pytest_fapo.loop.run_folder import RunFolder, RunLock
from pytest_fapo.loop.run_result import ScopeSnapshot

State = Literal["ok", "note", "wrong"]

_KEYS: dict[str, str] = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_MODULES = {".yaml": "yaml", ".yml": "yaml", ".parquet": "pyarrow"}
_EXTRAS = {"yaml": "yaml", "pyarrow": "parquet"}


class Check(NamedTuple):
    """One thing that was looked at."""

    state: State
    """`wrong`: a run would stop or try nothing; `note`: it works, with less."""
    what: str
    found: str


def examine(options: argparse.Namespace, console: CommandConsole) -> int:
    """`fapo doctor`."""
    checks = [*_machine(), *_project(options.settings)]
    if options.json:
        console.json([check._asdict() for check in checks])
    else:
        width = max(len(check.what) for check in checks)
        for check in checks:
            mark = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}[check.state]
            console.line(f"{mark}  {check.what:<{width}}  {check.found}")
    return NOTHING_DONE if any(check.state == "wrong" for check in checks) else OK


def _machine() -> Iterator[Check]:
    python = f"Python {platform.python_version()}, pytest {version('pytest')}, pytest-fapo {__version__}"
    yield Check("ok", "versions", python)
    yield Check("ok", "system", f"{platform.system()} {platform.release()}")


def _project(given: str | None) -> Iterator[Check]:
    try:
        root = find_root(settings=given)
        settings, told = _settings(root, given)
    except FapoError as error:
        yield Check("wrong", "settings", str(error))
        return
    yield told
    yield from _scope(root, settings)
    yield from _models(settings)
    yield from _cage(settings)
    yield from _folder(root)


def _settings(root: Path, given: str | None) -> tuple[Settings, Check]:
    files = SettingsFiles(Path(given).resolve() if given else None, root, root)
    home = find_settings_home(files, [root], below=False)
    if home.file is None:
        found = f"no [tool.fapo] in {root} or above: the defaults hold; `fapo init` writes one"
        return Settings(), Check("note", "settings", found)
    return home_settings(home), Check("ok", "settings", str(home.file))


def _scope(root: Path, settings: Settings) -> Iterator[Check]:
    if settings.scope.is_empty:
        found = "empty: nothing can be edited; `pytest --fapo-diagnose` lists the texts that reach the model"
        yield Check("note", "scope", found)
        return
    try:
        snapshot, problems = ScopeSnapshot.of_usable(root, settings.scope)
    except FapoError as error:
        yield Check("wrong", "scope", str(error))
        return
    for problem in problems:
        yield Check("wrong", "scope", problem)
    for path in sorted(snapshot.files):
        module = _MODULES.get(Path(path).suffix, "")
        if module and find_spec(module) is None:
            advice = f"pip install 'pytest-fapo[{_EXTRAS[module]}]'"
            yield Check("wrong", "scope", f"{path} needs the package {module}: {advice}")
    yield Check(
        "ok", "scope", f"{count(len(snapshot.files), 'file')}: {listing(sorted(snapshot.files), most=4)}"
    )


def _models(settings: Settings) -> Iterator[Check]:
    for spec in settings.optimizer:
        provider = spec.partition(":")[0]
        if provider not in _KEYS:
            yield Check("ok", "optimizer", spec)
            continue
        own: dict[str, str | None] = {known: access.api_key_env for known, access in settings.llm.items()}
        name = own.get(provider) or _KEYS[provider]
        if os.environ.get(name):
            yield Check("ok", "optimizer", f"{spec}, key from {name}")
        else:
            yield Check("wrong", "optimizer", f"{spec}: the environment variable {name} is not set")


def _cage(settings: Settings) -> Iterator[Check]:
    if settings.cage == "off":
        yield Check("note", "cage", 'off: candidates run with your rights (cage = "on" locks them in)')
        return
    lacking = missing_locks()
    if not lacking:
        yield Check("ok", "cage", "files, programs, connections, other processes and the system are locked")
        return
    state: State = "wrong" if settings.cage == "require" else "note"
    refused = '; cage = "require" refuses to try candidates here' if state == "wrong" else ""
    yield Check(state, "cage", f"this system offers no lock for {listing(lacking)}{refused}")


def _folder(root: Path) -> Iterator[Check]:
    folder = root / ".fapo"
    if not folder.exists():
        yield Check("ok", "records", "none yet")
        return
    if not folder.is_dir():
        yield Check(
            "wrong", "records", f"{folder} is a file; runs and recorded answers need a folder of that name"
        )
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Check("wrong", "records", f"{folder} cannot be written by this user")
        return
    cache = AnswerCache(folder / "cache")
    try:
        answers = len(cache) if cache.exists() else 0
        yield Check("ok", "cache", count(answers, "recorded answer"))
    except FapoError as error:
        yield Check("wrong", "cache", str(error))
    finally:
        cache.close()
    owner = RunLock(folder).owner_at_work()
    if owner is not None:
        found = f"one is going on: process {owner.pid} on {owner.host}, since {owner.since}"
        yield Check("note", "runs", found)
    elif (run := RunFolder.newest_unfinished(folder / "runs")) is not None:
        yield Check("note", "runs", f"{run.path.name} was interrupted; pytest --fapo-resume continues it")
