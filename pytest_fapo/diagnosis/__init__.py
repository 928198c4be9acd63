"""Find where and why cases fail: which step went wrong, how, at which level it can be fixed.

In: an `Evaluation` and the project's artifacts. Out: a `Diagnosis` with findings and clusters. Rules look
at every failing case (`rules/`), a model may read what they leave unsure (`model_reader.py`), interventions
prove it (`interventions.py`). Open `attribution.py` first: `diagnose` calls all others in order.
"""
