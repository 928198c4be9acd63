"""Keys for the plugin's data on pytest's own objects. Imports pytest only."""

from __future__ import annotations

from typing import Any

import pytest

STAGE_KEY = pytest.StashKey[int]()
"""On an item of a staged evaluation: the number of its stage; a run prefetch never goes past it."""

SESSION_KEY = pytest.StashKey[Any]()
"""On the config: what the plugin keeps for this session; absent while nothing of ours is in use."""

TRACER_KEY = pytest.StashKey[Any]()
"""On the config: what traces the functions named by `steps`, from before the first conftest.py."""

CLOSURE_KEY = pytest.StashKey[Any]()
"""On an item that is not over yet: the fixtures around its run."""

RESULT_KEY = pytest.StashKey[Any]()
"""On an item: its record in the making."""

GATE_KEY = pytest.StashKey[Any]()
"""On the config: what `--fapo-gate` or `--fapo-update-baseline` has prepared before the tests ran."""

JOIN_KEY = pytest.StashKey[Any]()
"""On the config: takes in the results of a gate's shards, where they are joined and no test is run."""

COMMAND_KEY = pytest.StashKey[Any]()
"""On the config: what `--fapo-optimize` has prepared before the tests ran."""
