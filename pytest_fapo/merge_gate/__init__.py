"""The merge gate: whether the tree as it is may be merged, judged against the committed baseline."""

from __future__ import annotations

from pytest_fapo.merge_gate.exact import fall_test
from pytest_fapo.merge_gate.excuses import old_failure
from pytest_fapo.merge_gate.floors import Floor, floors_of
from pytest_fapo.merge_gate.judge import judge, with_problems
from pytest_fapo.merge_gate.pairs import compare

__all__ = ["Floor", "compare", "fall_test", "floors_of", "judge", "old_failure", "with_problems"]
