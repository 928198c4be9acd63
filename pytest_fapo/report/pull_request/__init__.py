"""What a pull request is shown: verdict first, then scores, regressions and each changed prompt."""

from pytest_fapo.report.pull_request.page import pull_request_markdown
from pytest_fapo.report.pull_request.record import ArtifactChange, Difference, PageKind, PullRequest

__all__ = ["ArtifactChange", "Difference", "PageKind", "PullRequest", "pull_request_markdown"]
