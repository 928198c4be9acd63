"""What is installed inside the processes that run a shadow tree's tests.

Standard library only: it is loaded in every Python process that the tests start.
"""
