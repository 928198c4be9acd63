"""What code of a candidate may be written with: an allow-list. It explains; the cage enforces.

In: the new source of a function and its file.
Out: one sentence for each thing that is not on the list.
Open first: `allow_list.py`.
"""
