"""Snapshots for review: one Markdown page per pipeline, committed beside the baseline.

A page shows the prompts as they were sent for one train case, parameters, steps and scores, so that a pull
request that changes a prompt shows the change where a person reads it. In: an `Evaluation`, the `Baseline`
and the artifacts. Out: files, or what is out of date about them. Open `snapshot_files.py` first.
"""
