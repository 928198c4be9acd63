"""GEPA as a proposer (`gepa`): the reflection of the installed package gepa, on train evidence alone.

In: the evidence about one cluster. Out: a new text of its prompt, as a candidate like any other. Open
`gepa_proposer.py`.
"""
