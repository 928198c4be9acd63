"""The code installed inside the processes that run a shadow tree's tests. Standard library only.

In: the spec file named by `FAPO_CHILD_SPEC`. Out: paths and imports of the real tree lead into the copy,
the real tree cannot be written, and reads of the edited files are noted. Open first: `bootstrap.py`.
"""
