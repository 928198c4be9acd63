"""The Markdown page for a pull request: the verdict first, then scores, regressions and each changed prompt.

In: what a session has come to, the git branch it ran on, and the runs of this checkout (`page_gathering.py`
puts them into a `PullRequest`). Out: Markdown within a given size. Open `markdown_page.py` first.
"""
