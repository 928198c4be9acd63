"""The search: from a failing baseline to a proven patch, and what is done with the patch.

In: an `OptimizeRequest` (`optimize_request.py`). Out: a `Summary`, and a run folder (`run_folder.py`) whose
journal says everything that happened (`events.py`); who wants to look on listens to it. Open
`optimization.py` for one run from beginning to end, then `search.py` for the loop: diagnose, propose, review,
evaluate, gate, accept.
"""
