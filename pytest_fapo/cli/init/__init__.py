"""`fapo init`: from a project to settings, a fixture, and a test for every case file.

In: the project's files, parsed and never imported. Out: new or extended files. Open `init_command.py` first;
`pipeline_choice.py` finds what the cases run through, `case_search.py` the cases.
"""
