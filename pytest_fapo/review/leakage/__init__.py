"""Detect labeled data that leaks into a prompt or into code.

In: the cases of all splits and the text that an edit adds. Out: leaks, each with an explanation that never
quotes or names a case of val or holdout. Open `leak_checks.py` first.
"""
