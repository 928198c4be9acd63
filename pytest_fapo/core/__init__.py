"""Shared by every other package: the records passed between them, the settings, errors, and plain text
helpers.

In: nothing of the other packages. Out: one file for each arrow of the data flow
(`case`, `trace`, `evaluation`, `diagnosis`, `evidence`, `candidate`, `baseline`, `gate_result`),
`[tool.fapo]` read and validated (`project_file`, `settings`, `scope`), the tree of errors, and numbers and
lists as text.
Start with `record.py`, then read the records in the order above.
"""
