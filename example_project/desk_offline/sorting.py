"""Sort a ticket: answer with one of the labels that the prompt allows."""

from __future__ import annotations

from desk_offline import cues
from desk_offline.habits import draw, meets
from desk_offline.meaning import closed_set, meanings_of
from desk_offline.reading import Prompt


def sort_ticket(prompt: Prompt) -> str:
    """The label, in the form that the prompt asks for, or in a form that a hasty clerk likes."""
    labels = closed_set(prompt.instructions.lines)
    if not labels:
        return "I am not sure what you would like me to choose from."
    label = meanings_of(labels, prompt.instructions).best(prompt.ticket)
    rules = [sentence for sentence in prompt.instructions.sentences if cues.ABOUT_THE_ANSWER.search(sentence)]
    bare = any(cues.BARE_LABEL.search(rule) for rule in rules)
    as_written = any(cues.AS_WRITTEN.search(rule) for rule in rules) or (
        bare and "one of" in prompt.instructions.text.lower()
    )
    if not as_written and meets(prompt.ticket, "capital letter", 6):
        label = label.capitalize()
    if not bare and meets(prompt.ticket, "chat around the label", 8):
        forms = ["Category: {}", "{} team", "This looks like a {} issue.", "{} issue"]
        return forms[draw(prompt.ticket, "kind of chat", len(forms))].format(label)
    return label
