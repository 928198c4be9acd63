"""Operators: known ways to build a better step, each a record that turns evidence into edits of a function.

In: `Evidence` and an operator's few choices. Out: `Edit` records, or `OperatorError` if it does not fit.
The playbook chooses among them by rules; a model names them in its answer. Open `step_operators.py`
first.
"""
