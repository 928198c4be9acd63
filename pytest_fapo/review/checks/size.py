"""Not too long, not empty, not the same as before."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_fapo.models import ReviewProblem
from pytest_fapo.review.subject import Subject


def no_op(subject: Subject) -> Iterator[ReviewProblem]:
    """Each edit changes more than white space."""
    for change in subject.changes:
        if change.artifact.kind == "param":
            continue  # its value is compared, not its spelling
        if "".join(change.before.split()) == "".join(change.after.split()):
            what = "nothing" if change.before == change.after else "nothing but white space"
            yield ReviewProblem(
                check="no-op",
                message=f"The edit of {change.address} changes {what}; change its wording or leave it out.",
                address=change.address,
            )


def size(subject: Subject) -> Iterator[ReviewProblem]:
    """Each text stays within `max_prompt_chars`, or does not grow where it was longer already."""
    limit = subject.settings.max_prompt_chars
    for change in subject.changes:
        length = len(change.after)
        if not change.after.strip():
            message = f"The edit empties {change.address}; keep the text and change what is wrong in it."
            yield ReviewProblem(check="size", message=message, address=change.address)
        elif length > limit and length > len(change.before):
            message = (
                f"The new text of {change.address} has {length} characters; at most {limit} pass "
                f"([tool.fapo] max_prompt_chars). Say the same in fewer words."
            )
            yield ReviewProblem(check="size", message=message, address=change.address)
