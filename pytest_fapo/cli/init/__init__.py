"""`fapo init`: from a project to settings, fixtures, a test for every case file, and their first run.

In: the project's files, parsed and never imported. Out: new or extended files. Open `init_command.py` first;
`pipeline_choice.py` finds what the cases run through, `case_tests.py` the cases and their tests.
"""
