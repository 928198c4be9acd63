"""Rows: what the playbook and a helpful model repair, and what accepted changes break."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.planted.lab import Lab
from benchmarks.planted.optimizers import Turns, proposal, shown
from benchmarks.planted.rows_repair import Repair, Workshop
from benchmarks.planted.server import Answerer
from benchmarks.planted.spec import Planted
from benchmarks.planted.table import Figure, share
from benchmarks.planted.talk import Ask, Say
from benchmarks.strangers.spec import Stranger

PLAYBOOK_BAR, HELPFUL_BAR = 0.70, 0.95
_ADVICE = (
    "Think before you answer.",
    "Quality matters.",
    "Read the input twice.",
    "You are very good at this.",
)


def helpful(planted: Planted) -> Answerer:
    """Fixes the fault as soon as the artifacts at fault are shown; gives feeble advice before."""
    turns = Turns()

    def answer(ask: Ask) -> Say:
        texts = shown(ask)
        if all(address in texts for address in planted.fixes):
            return proposal(planted.fixes, f"{planted.fault.step} does not do its part", "fix")
        turn = turns.next()
        prompts = [address for address, text in texts.items() if len(text.split()) > 3]
        if not prompts:
            return proposal({}, "nothing comes to mind", "none")
        where = prompts[turn % len(prompts)]
        return proposal(
            {where: f"{texts[where].rstrip()}\n{_ADVICE[turn % len(_ADVICE)]}\n"},
            "it is careless",
            f"t{turn % 4}",
        )

    return answer


def playbook(workshop: Workshop, lab: Lab, strangers: Sequence[Stranger]) -> Figure:
    """The playbook alone, where the fault is one of text or of a parameter."""
    suited = [stranger for stranger in strangers if stranger.fault.level != "structure"]
    done = lab.each(lambda stranger: workshop.repair(stranger, "playbook"), suited)
    return _figure("repaired by the playbook alone (text, parameter)", done, PLAYBOOK_BAR, "≥ 70 %")


def with_help(workshop: Workshop, lab: Lab, strangers: Sequence[Stranger]) -> Figure:
    """A model that knows the fault, at all levels."""
    done = lab.each(
        lambda stranger: workshop.repair(stranger, "openai:opt-helpful", helpful(stranger)), strangers
    )
    return _figure("repaired with a helpful model, all levels", done, HELPFUL_BAR, "≥ 95 %")


def broken(workshop: Workshop) -> Figure:
    """Of all trees that were written in this run, those that break an unseen case that passed."""
    harmful = [repair for repair in workshop.done if repair.broken]
    changed = sum(repair.changed for repair in workshop.done)
    return Figure(
        "accepted changes that break an unseen case",
        "0",
        f"{len(harmful)} of {changed} changed trees ({len(workshop.done)} runs)",
        not harmful and changed > 0,
        notes=[f"{repair.planted.name}: breaks {', '.join(sorted(repair.broken))}" for repair in harmful],
    )


def _figure(name: str, done: Sequence[Repair], bar: float, words: str) -> Figure:
    repaired = sum(repair.repaired for repair in done)
    notes = [
        f"{repair.planted.name} ({repair.planted.fault.level}): {len(repair.fixed)} of {len(repair.failing)} "
        f"unseen cases fixed, {len(repair.broken)} broken; {repair.said}"
        for repair in done
        if not repair.repaired
    ]
    return Figure(name, words, share(repaired, len(done)), repaired >= bar * len(done) > 0, notes=notes)
