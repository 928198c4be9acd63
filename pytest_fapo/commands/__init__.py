"""The options that do more than run the tests: before the first test and after the last.

In: the pytest session, its options, and the evaluation that its tests gave.
Out: a diagnosis, an optimization, a gate's result or an updated baseline, and the exit status.
Open first: `session_commands.py`; each command has a file of its own.
"""
