"""A pytest plugin that keeps what `--fapo-diagnose` found as data, beside what it prints.

`STRANGER_LOG` names the file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Note each diagnosis that is shown."""
    path = os.environ.get("STRANGER_LOG")
    if not path or not config.getoption("--fapo-diagnose"):
        return
    from pytest_fapo.views import diagnosis_table

    shown = diagnosis_table.render_diagnosis

    def render(diagnosis: Any, *arguments: Any, **named: Any) -> None:
        Path(path).write_text(diagnosis.model_dump_json(), encoding="utf-8")
        shown(diagnosis, *arguments, **named)

    diagnosis_table.render_diagnosis = render  # the name is looked up when a diagnosis is shown
