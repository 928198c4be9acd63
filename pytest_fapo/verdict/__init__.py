"""Two evaluations compared: was an edit a gain, may this tree be merged.

In: an `Evaluation` before (or the committed `Baseline`) and one after. Out: a `Verdict` on a candidate
(`candidate_gate.py`) or a `GateResult` on the tree as it is (`merge_gate.py`). Both compare units
(`comparison.py`), decide by a policy (`policy.py`, `candidate_policies.py`, `merge_policies.py`) and take
every test of chance from `statistics.py`. Open `candidate_gate.py` first.
"""
