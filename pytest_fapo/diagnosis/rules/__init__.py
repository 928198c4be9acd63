"""The rules of attribution: each looks at one failing item and says which step went wrong, or nothing.

`RULES` in `diagnosis/attribution.py` gives the order in which they are asked; the first that speaks
decides. In: a `Failure`. Out: a `Finding` or None. A new rule is a function in the file of its idea and a
line in `RULES`.
"""
