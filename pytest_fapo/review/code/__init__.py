"""Review rewritten code: its imports and access, its contract with callers, and traces of the cases in it.

In: a function as it is proposed, with the file around it. Out: problems in plain sentences. Open
`code_review.py` first.
"""
