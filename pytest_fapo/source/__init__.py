"""The editable pieces of a project: prompts, parameters and functions, read and changed byte by byte.

In: the scope of `[tool.fapo.scope]`, and edits that name pieces by address (`path::name`).
Out: artifacts with their texts, the files that edits give, a patch for `git apply`, and files written back.
Open first: `artifact_store.py`; `write_back.py` for what touches the user's files.
"""
