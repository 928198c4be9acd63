"""Review a candidate independently before it is evaluated.

In: a candidate, the artifacts, the cases of all splits, the settings. Out: a `Review` with its problems;
none means that the candidate may be evaluated. Static checks come first (`static_review.py`, open it
first), then optionally a model that knows nothing of how the candidate was made (`model_reviewer.py`).
"""
