"""For the whole repository: pytest's own tool for testing plugins."""

from __future__ import annotations

import os

pytest_plugins = ["pytester"]

# The CI that runs these tests must not be taken for the CI that the tested projects would run in: their
# annotations and summaries are not its own.
for _name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
    del os.environ[_name]
