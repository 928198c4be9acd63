"""The rules of attribution: each examines one failing item and returns the step that went wrong, or nothing.

`RULES` in `diagnosis/attribution.py` gives the order in which they are asked; the first that speaks
decides. In: a `Failure`. Out: a `Finding` or None. A new rule is a function in the file of its idea and a
line in `RULES`.
"""
