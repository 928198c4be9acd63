"""Rewritten code: what it may import and reach, what its callers rely on, and whether it knows the cases.

In: a function as it is proposed, with the file around it. Out: problems in plain sentences. Open
`code_review.py` first.
"""
