"""Which recorded answers a session's cases used, noted for `fapo cache export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pytest_fapo.models import Evaluation

_SELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob", "maxfail")
"""Options (by their `dest`) with which a part of the cases may be left out."""


def note_session(
    session: pytest.Session, folder: Path, evaluation: Evaluation, further: Mapping[str, Sequence[str]]
) -> None:
    """Note the keys of the calls behind each case; nothing where the project has no `.fapo` folder.

    Args:
        session: pytest's, ended.
        folder: that the project's `.fapo` is in.
        evaluation: what its items have left.
        further: by node id, keys of calls that a test made beside its run's.
    """
    from pytest_fapo.llm import note_used_keys

    cases: dict[str, set[str]] = {}
    for trace in evaluation.traces.values():
        used = cases.setdefault(f"{trace.pipeline}::{trace.case_id}", set())
        used.update(call.key for call in trace.llm_calls if call.answered)
    for nodeid, keys in further.items():
        item = evaluation.items[nodeid]
        cases.setdefault(f"{item.pipeline}::{item.case_id}", set()).update(keys)
    config = session.config
    note_used_keys(
        folder / ".fapo",
        cases,
        whole=_whole(session, folder),
        redacting_hook=bool(config.hook.pytest_fapo_redact.get_hookimpls()),
    )


def _whole(session: pytest.Session, folder: Path) -> bool:
    """Whether all of the project's cases have run, as far as that is known without doubt."""
    config, option = session.config, session.config.option
    source = config.args_source
    if source == config.ArgsSource.ARGS or session.shouldstop or session.shouldfail:
        return False
    start = config.invocation_params.dir
    if source == config.ArgsSource.INVOCATION_DIR and start not in (folder, config.rootpath):
        return False
    return session.exitstatus in (0, 1) and not any(getattr(option, name, None) for name in _SELECTING)
