"""The command `fapo`: lists runs, applies and undoes their changes, manages the cache, sets a project up.

In: the command line (`command_line.py`, which finds the function to call). Out: text or JSON
on the standard output and an exit code. Open `command_line.py` first. No other package imports it.
"""
