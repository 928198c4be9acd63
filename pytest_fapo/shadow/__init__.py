"""Run the same tests on a copy of the project, with or without a candidate's patch.

In: an `EvaluationRequest` and a `ShadowTree` with the patch applied.
Out: an `Evaluation`, and which of the edited files were really read.
Open first: `shadow_run.py`; `shadow_tree.py` for the copy, `inside/` for what guards the child process.

Imports nothing itself: `inside` is loaded in every Python process that the tests start.
"""
