"""A stand-in for a language model, so that this example runs without a key and without a network.

It is **not** a language model, and figures that it produces say nothing about one. It is a small rule engine
that reads the prompt which it is sent and does what it finds there:

* It looks up allowed labels and values, what they are said to mean, rules for the form of the answer, limits
  of length, what must or must not be written, and what to do when something is missing.
* Where the prompt is silent it behaves like a hasty clerk: it sorts by the first words that catch the eye,
  chats around its answers, puts code fences around JSON, forgets to quote order numbers, promises days.
* Which ticket meets which bad habit is drawn from a hash of the ticket's text: the same ticket always meets
  the same habits, whatever the prompt says, until the prompt rules the habit out.

It never sees a label, a test or a case file: a prompt is all it gets. It knows everyday English (`words`) and
common ways of wording instructions (`cues`), and nothing about who wrote the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from desk_offline.reading import read
from desk_offline.record import fill_in
from desk_offline.sorting import sort_ticket
from desk_offline.writing import write_reply

if TYPE_CHECKING:
    from pytest_fapo.answers.offline import OfflineRequest

__all__ = ["reply"]


def reply(request: OfflineRequest) -> str:
    """Answer one request.

    Args:
        request: the API's name, the model's name, the messages and the whole body, as the desk sent them.
    """
    prompt = read(request.messages)
    if prompt.instructions.wants_json:
        return fill_in(prompt)
    if prompt.instructions.wants_letter:
        return write_reply(prompt)
    return sort_ticket(prompt)
