"""Sort a ticket: answer with one of the labels that the prompt allows."""

from __future__ import annotations

import re

from desk_offline.habits import draw, meets
from desk_offline.meaning import closed_set, meanings_of
from desk_offline.reading import Prompt

_ABOUT_THE_ANSWER = re.compile(
    r"\b(answer|reply|respond|response|output|print|give|return|choose|pick|use|label|labels|value|word|text|format|"
    r"explanation|punctuation|sentence)\b",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"\b(only|just|nothing (else|more|but)|no (other|further|extra|additional|more|explanation|punctuation|sentence|prose)|"
    r"single|one word|exactly|without|alone|do not (add|explain))\b",
    re.IGNORECASE,
)
_AS_WRITTEN = re.compile(
    r"\b(exactly|lower[- ]?case|small letters|as (it is |they are )?(written|spelled|spelt|listed|given|shown)|verbatim|unchanged|"
    r"letter for letter|character for character|no capitals?|uncapitali[sz]ed)\b",
    re.IGNORECASE,
)


def sort_ticket(prompt: Prompt) -> str:
    """The label, in the form that the prompt asks for, or in a form that a hasty clerk likes."""
    labels = closed_set(prompt.lines)
    if not labels:
        return "I am not sure what you would like me to choose from."
    label = meanings_of(labels, prompt).best(prompt.ticket)
    rules = [sentence for sentence in prompt.sentences if _ABOUT_THE_ANSWER.search(sentence)]
    bare = any(_BARE.search(rule) for rule in rules)
    as_written = any(_AS_WRITTEN.search(rule) for rule in rules) or (bare and "one of" in prompt.text.lower())
    if not as_written and meets(prompt.ticket, "capital letter", 6):
        label = label.capitalize()
    if not bare and meets(prompt.ticket, "chat around the label", 8):
        forms = ["Category: {}", "{} team", "This looks like a {} issue.", "{} issue"]
        return forms[draw(prompt.ticket, "kind of chat", len(forms))].format(label)
    return label
