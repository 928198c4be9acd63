"""A coding agent as proposer (`command:`): any program that edits files.

In: the evidence, laid out as files in a copy of the project that holds no case of val or holdout. Out: the
program's diff as a candidate. Open `coding_agent.py` first.
"""
