"""The part inside the user's pytest: cases become items, pipelines run, items leave records.

In: tests marked with `@fapo.cases`, the options, `[tool.fapo]`.
Out: an `Evaluation`, one `ItemResult` per test and case, with the traces of the runs.
Open first: `fapo_session.py`; `shared_runs.py` for which runs are shared and which start together.
"""
