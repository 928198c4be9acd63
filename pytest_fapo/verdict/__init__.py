"""Two evaluations compared: was an edit a gain, may this tree be merged.

In: an `Evaluation` before (or the committed `Baseline`) and one after. Out: a `Verdict` on a candidate
(`candidate_gate.py`) or a `GateResult` on the tree as it is (`merge_gate.py`). Both compare units
(`comparison.py`, `baseline_comparison.py`), decide by a policy (`policy.py` has its limits, `policies.py` its
rules), take every test of chance from `statistics.py` and every sentence from `reasons.py` or
`gate_problems.py`. Open `candidate_gate.py` first.
"""
