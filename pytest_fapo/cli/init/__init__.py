"""`fapo init`: from a project to settings, a fixture, a first case file and a test that runs.

In: the project's files, parsed and never imported. Out: new or extended files. Open `init_command.py`
first.
"""
