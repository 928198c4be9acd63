"""The interventions of an evaluation's child process, as the recorders of its runs take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_fapo.trace import Replacements

if TYPE_CHECKING:
    import pytest


def child_replacements(config: pytest.Config) -> dict[str, Replacements]:
    """Node id to what is replaced in the item's run; empty in any process but an intervening child."""
    child = config.pluginmanager.get_plugin("fapo-child")
    if child is None:
        return {}
    given: list[dict[str, Any]] = child.spec["request"].get("interventions") or []
    return {
        one["nodeid"]: Replacements(
            outputs=one["outputs"], types=one["types"], resample=frozenset(one["resample"])
        )
        for one in given
    }
