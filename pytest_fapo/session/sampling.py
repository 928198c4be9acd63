"""The sample of LLM answers that an evaluation's child process is to draw, where it is to draw one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def child_sample(config: pytest.Config) -> str:
    """Names the sample that every run of this process gets; empty for the answers that are on record.

    An evaluation asks for one by its option `sample`, a number: equal numbers give equal answers.
    """
    child = config.pluginmanager.get_plugin("fapo-child")
    if child is None:
        return ""
    number = child.spec["request"]["options"].get("sample")
    return "" if number is None else f"sample {number}"
