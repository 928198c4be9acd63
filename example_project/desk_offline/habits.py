"""Bad habits that a prompt has not ruled out, drawn by a hash: the same ticket always meets the same ones."""

from __future__ import annotations

import hashlib


def meets(ticket: str, habit: str, percent: int) -> bool:
    """True if `habit`, which spoils `percent` of all tickets, spoils this one."""
    return draw(ticket, habit, 100) < percent


def draw(ticket: str, habit: str, sides: int) -> int:
    """A number from 0 to `sides - 1` that depends on the ticket's words and the habit's name only."""
    digest = hashlib.sha256(f"{habit}\n{' '.join(ticket.split())}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % sides
