"""Build the arguments with which a child runs the full suite as its user would."""

from __future__ import annotations

import glob
import os
from argparse import Action
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_fapo.core.project_file import SettingsHome

DROPPED = frozenset(
    {"numprocesses", "maxprocesses", "dist", "tx", "px", "looponfail", "rsyncdir", "rsyncignore"}
    | {"maxfail", "usepdb", "usepdb_cls", "trace", "capture"}
    | {"lf", "failedfirst", "newfirst", "stepwise", "stepwise_skip", "stepwise_reset"}
    | {
        "last_failed_no_failures",
        "cacheclear",
        "cacheshow",
        "collectonly",
        "setuponly",
        "setupplan",
        "setupshow",
    }
    | {
        "xmlpath",
        "pastebin",
        "htmlpath",
        "report_log",
        "json_report",
        "json_report_file",
        "allure_report_dir",
    }
    | {"inifilename", "rootdir", "basetemp", "debug", "durations", "durations_min", "log_file"}
)
"""Options (by their `dest`) that make no sense in a child: they spread, stop, select or write reports."""

SELECTING = frozenset({"keyword", "markexpr"})
"""Options by which a user looks at a part of the suite."""

SEEDS = {"randomly_seed": "--randomly-seed", "random_order_seed": "--random-order-seed"}

_COVERAGE_PREFIX, _OWN_PREFIX = "cov", "fapo_"

_OWN_KEPT = frozenset({"fapo_concurrency", "fapo_timeout", "fapo_repeats"})
"""Those of our own options that say how cases run, and so hold in every evaluation."""


def child_args(
    config: pytest.Config, home: SettingsHome | None = None, *, selected: bool = False
) -> list[str]:
    """pytest's arguments for a child process, made from those of this session.

    Args:
        config: pytest's, of the session that the user started.
        home: where the project's settings are; default: at the rootdir.
        selected: keep the user's own selection (paths, `-k`, `-m`) instead of the full suite.

    Returns:
        The user's options without ours (but for those in `_OWN_KEPT`) and without those in `DROPPED`; without
        a selection and where the session was not started from the project's folder, also the paths of the
        full suite.
    """
    actions = _actions(config)
    kept: list[str] = []
    for option, values in _tokens(_expanded(config.invocation_params), actions):
        dest = actions[option].dest if option in actions else None
        if option and _wanted(dest, selected):
            kept += (
                [option, *values] if not option.startswith("--") or not values else [_joined(option, values)]
            )
        elif not option and selected:
            kept += values
    kept += _seeds(config)
    if config.inipath is not None:
        kept += ["-c", os.fspath(config.inipath)]
    if config.pluginmanager.hasplugin("cacheprovider"):
        kept += ["-o", "cache_dir=.pytest_cache"]
    folder = home.folder if home is not None else config.rootpath
    if home is not None and home.root != config.rootpath:
        kept.append(f"--rootdir={os.fspath(config.rootpath)}")
    if not selected and config.invocation_params.dir != folder:
        kept += _suite(config) if folder == config.rootpath else [os.fspath(folder)]
    return kept


def _wanted(dest: str | None, selected: bool) -> bool:
    if dest is None or dest in _OWN_KEPT:
        return True
    if dest.startswith((_COVERAGE_PREFIX + "_", _OWN_PREFIX)) or dest in DROPPED:
        return False
    return selected or dest not in SELECTING


def _joined(option: str, values: Sequence[str]) -> str:
    return f"{option}={values[0]}"


def _actions(config: pytest.Config) -> dict[str, Action]:
    """Return the options that pytest and all plugins know, by their spelling."""
    parser: Any = config._parser
    optparser = getattr(parser, "optparser", None) or parser._getparser()
    return dict(optparser._option_string_actions)


def _expanded(params: pytest.Config.InvocationParams) -> Iterator[str]:
    """Yield the arguments of the command line, those of `@file` put in its place."""
    for argument in params.args:
        text = os.fspath(argument)
        path = Path(params.dir, text[1:])
        if text.startswith("@") and path.is_file():
            yield from path.read_text(encoding="utf-8").splitlines()
        else:
            yield text


def _tokens(arguments: Iterator[str], actions: dict[str, Action]) -> Iterator[tuple[str, list[str]]]:
    """Yield each option with its values; what is no option comes with an empty name."""
    for argument in arguments:
        if argument == "--":
            yield from (("", [rest]) for rest in arguments)
            return
        if not argument.startswith("-") or argument == "-":
            yield "", [argument]
            continue
        while argument not in actions and (flag := actions.get(argument[:2])) and flag.nargs == 0:
            yield argument[:2], []  # the first of several in one: -xvk expression
            argument = "-" + argument[2:]
        option, attached = _split(argument, actions)
        action = actions.get(option)
        if attached is not None or action is None or action.nargs in (0, "?"):
            yield option, [attached] if attached is not None else []
        else:
            count = action.nargs if isinstance(action.nargs, int) else 1
            yield option, [value for _, value in zip(range(count), arguments, strict=False)]


def _split(argument: str, actions: dict[str, Action]) -> tuple[str, str | None]:
    """Return an option as it is registered and the value glued to it, if any."""
    if argument in actions:
        return argument, None
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        if name not in actions:
            longer = [option for option in actions if option.startswith(name)]
            name = longer[0] if len(longer) == 1 else name
        return name, value if equals else None
    short = argument[:2]
    if short in actions and actions[short].nargs != 0:
        return short, argument[2:]
    return argument, None


def _seeds(config: pytest.Config) -> list[str]:
    """Plugins that shuffle and seed by chance do it with the seed of this session."""
    found = {option: getattr(config.option, dest, None) for dest, option in SEEDS.items()}
    return [f"{option}={seed}" for option, seed in found.items() if isinstance(seed, int)]


def _suite(config: pytest.Config) -> list[str]:
    """Return the paths that `testpaths` names, else the whole project: absolute paths."""
    paths: list[str] = []
    for pattern in config.getini("testpaths"):
        paths += sorted(glob.glob(os.path.join(config.rootpath, pattern), recursive=True))
    return paths or [os.fspath(config.rootpath)]
