"""The output for people and other programs: the terminal, an HTML report, Markdown, JUnit, annotations,
snapshots.

In: the records (`Evaluation`, `GateResult`, `Summary`, `Diagnosis`) and the event log of a run. Out: text,
on a stream or in a file; a view decides nothing and changes no record. No other package but the commands
imports a view. Open `terminal.py` first, then `progress.py` for a run and `publishing.py` for what a
session leaves in files.
"""
