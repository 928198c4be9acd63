"""A model that answers wrong now and then, drawn for each request, and the edits that change nothing."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter

from benchmarks.planted.optimizers import Turns, feeble
from benchmarks.planted.rules_program import RULES, Program
from benchmarks.planted.server import Answerer
from benchmarks.planted.talk import Ask, Say

RATE = 0.05
"""Share of requests that are answered wrong, whatever the prompt says."""


def noisy(program: Program, seed: int) -> Answerer:
    """The program's model, wrong in one of twenty, by seed, request and how often it came."""
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(ask: Ask) -> Say:
        with lock:
            asked[ask.text] += 1
            number = asked[ask.text]
        draw = hashlib.sha256(f"{seed}/{number}/{ask.text}".encode()).digest()
        if int.from_bytes(draw[:4], "big") / 2**32 < RATE:
            return Say(next(iter(RULES.values())).wrong)
        return program.answer(ask)

    return answer


def changing_nothing() -> Answerer:
    """An optimizer whose every edit is a sentence that the model does not care about."""
    turns = Turns()

    def answer(ask: Ask) -> Say:
        turn = turns.next()
        said = feeble(ask, turn)
        # A number makes the ninth sentence differ from the first.
        return Say(said.text.replace('\\n"', f' ({turn})\\n"', 1)) if turn >= 8 else said

    return answer


def nothing_new(step: str, current: str, seen: object) -> str:
    """The same for GEPA's reflection: a sentence that changes nothing, and differs from the last."""
    sentence = f"Take care with every detail of the {step} ({current.count('Take care') + 1})."
    head = RULES[step].head
    return current.replace(head, f"{head} {sentence}", 1)
