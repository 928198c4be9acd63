"""A pipeline whose prompts need rules that only the cases tell: where two optimizers are compared.

Each step answers for itself from the same text, and a case passes when all steps are right: a right edit of
one step alone shows nothing where another step is still wrong.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.planted import cues
from benchmarks.planted.optimizers import proposal, shown
from benchmarks.planted.pipelines.common import project
from benchmarks.planted.server import Answerer
from benchmarks.planted.spec import Splits
from benchmarks.planted.talk import Ask, Say


@dataclass(frozen=True)
class StepRules:
    """One step: what its prompt says at its head, and the rules that it needs."""

    head: str
    ending: str
    wrong: str
    """The model's answer if no rule applies."""
    rules: Mapping[str, str]
    """Answers by the text that triggers them."""

    def prompt(self, known: Collection[str]) -> str:
        """A prompt that states these rules."""
        lines = [f"- {word}: {self.rules[word]}" for word in self.rules if word in known]
        return "\n".join([self.head, *lines, "", "Goods: {goods}", "", self.ending, ""])


RULES: dict[str, StepRules] = {
    "grade": StepRules(
        "Give the customs grade of the goods.",
        "Answer with the bare grade and nothing else.",
        "A0",
        {"oak": "R4", "slate": "K1", "glass": "T9", "wool": "B2", "copper": "N7", "clay": "D5"},
    ),
    "place": StepRules(
        "Say in which place the goods are stored.",
        "Answer with the bare name of the place and nothing else.",
        "hall",
        {"tiny": "east", "small": "north", "medium": "cellar", "large": "yard", "huge": "hangar",
         "long": "rack"},
    ),
    "duty": StepRules(
        "Name the duty class of the goods.",
        "Answer with the bare duty class and nothing else.",
        "free",
        {"Peru": "P1", "Norway": "E3", "Kenya": "F2", "Japan": "J8", "Chile": "C6", "Latvia": "L5"},
    ),
    "carrier": StepRules(
        "Choose the carrier of the goods.",
        "Answer with the bare name of the carrier and nothing else.",
        "post",
        {"fragile": "Bolt", "frozen": "Arctic", "urgent": "Comet", "bulky": "Atlas", "toxic": "Shield",
         "living": "Noah"},
    ),
}  # fmt: skip
_NAMES = ["Abel", "Bird", "Cole", "Dunn", "East", "Ford", "Gray", "Hale", "Innes", "Joyce", "Kerr", "Lowe"]


@dataclass(frozen=True)
class Item:
    """One case: the goods, and the right answer of each step."""

    id: str
    goods: str
    right: Mapping[str, str]
    split: Splits
    plain: bool = False
    """True if the model gets it right without one part."""


@dataclass(frozen=True, eq=False)
class Program:
    """One such pipeline.

    Args:
        steps: the steps, in order.
        known: by step, what its prompt says a rule on at first.
        items: the cases.
    """

    steps: tuple[str, ...]
    known: Mapping[str, Collection[str]]
    items: Sequence[Item]

    @property
    def prompts(self) -> dict[str, str]:
        """The prompts at first, by step."""
        return {step: RULES[step].prompt(self.known[step]) for step in self.steps}

    def of_split(self, split: Splits) -> list[Item]:
        return [item for item in self.items if item.split == split]

    def answer(self, ask: Ask) -> Say:
        """The model: follows the rules that its prompt states, and guesses badly without one."""
        found = [item for item in self.items if item.goods in ask.text]
        item = max(found, key=lambda item: ask.text.rfind(item.goods), default=None)
        step = next((name for name in self.steps if re.search(rf"\b{name}\b", ask.text)), self.steps[0])
        if item is None:
            return Say(RULES[step].wrong)
        cause = cause_of(step, item)
        told = cues.tells(ask.text.replace(item.goods, " "), item.right[step], cause)
        return Say(item.right[step] if told or item.plain else RULES[step].wrong)

    def files(self) -> dict[str, str]:
        """The project, without cases."""
        prompts = {f"app/prompts/{step}.md": text for step, text in self.prompts.items()}
        calls = ", ".join(f'"{step}": {step}(goods)' for step in self.steps)
        functions = "\n\n\n".join(
            f'def {step}(goods):\n    return complete(load("{step}").format(goods=goods))'
            for step in self.steps
        )
        pipeline = (
            "from app.llm import complete\nfrom app.prompts import load\n\n\n"
            f"def handle(goods):\n    return {{{calls}}}\n\n\n{functions}\n"
        )
        return project({"app/pipeline.py": pipeline, **prompts}, test="assert run.output == case.expected")

    def cases(self) -> list[dict[str, Any]]:
        """The cases as in a JSONL file, with the right output of every step."""
        found = []
        for item in self.items:
            right = {step: item.right[step] for step in self.steps}
            case = {"id": item.id, "inputs": {"goods": item.goods}, "expected": right}
            found.append({**case, "expected_steps": right, "split": item.split})
        return found


def cause_of(step: str, item: Item) -> str:
    """The word in an item's text that a step's answer depends on."""
    return next(word for word in RULES[step].rules if re.search(rf"\b{word}\b", item.goods))


def make_program(
    seed: int, known: Mapping[str, int], *, train: int = 50, val: int = 50, holdout: int = 12, plain: int = 0
) -> Program:
    """A pipeline of some steps.

    Args:
        seed: of the cases and of the rules that the prompts have at first.
        known: step to how many rules its prompt has at first.
        train: number of train cases; `val` and `holdout` alike.
        plain: one case of so many is right without any rule; 0 for none.
    """
    rng = random.Random(f"{seed}/{sorted(known)}")
    items: list[Item] = []
    sizes: dict[Splits, int] = {"train": train, "val": val, "holdout": holdout}
    for split, count in sizes.items():
        orders = {step: _shuffled(list(rules.rules), rng) for step, rules in RULES.items()}
        pairs = _shuffled(list(itertools.product(range(6), range(6))), rng)
        for number in range(count):
            one, two = pairs[number % len(pairs)]
            places = {"grade": one, "place": two, "duty": (one + two + number) % 6, "carrier": number % 6}
            words = {step: orders[step][place] for step, place in places.items()}
            goods = (
                f"a {words['place']} crate of {words['grade']} from {words['duty']}, {words['carrier']}, "
                f"for {rng.choice(_NAMES)} {len(items) + 100}"
            )
            right = {step: RULES[step].rules[word] for step, word in words.items()}
            easy = bool(plain) and number % plain == 0
            items.append(Item(f"g{len(items) + 1:03}", goods, right, split, easy))
    first = {step: rng.sample(list(RULES[step].rules), count) for step, count in known.items()}
    return Program(tuple(known), first, items)


def _shuffled(values: list[Any], rng: random.Random) -> list[Any]:
    rng.shuffle(values)
    return values


def reflect(step: str, current: str, seen: Sequence[Item]) -> str:
    """The reflector, the same for every optimizer: adds each rule that the cases it is shown tell.

    Args:
        step: whose prompt it is.
        current: the prompt.
        seen: the cases shown to it, with the right answers.
    """
    told = {cause_of(step, item) for item in seen}
    rules = {word: right for word, right in RULES[step].rules.items() if word in told}
    lines = [f"- {word}: {right}" for word, right in rules.items() if not cues.tells(current, right, word)]
    head = RULES[step].head
    return current.replace(head, "\n".join([head, *lines]), 1)


def reflecting(program: Program) -> Answerer:
    """The reflector behind the LLM proposer: edits the prompts of the steps that it is told are at fault."""

    def answer(ask: Ask) -> Say:
        blamed = re.split(r"^# (What|Texts that) may be edited", ask.user, flags=re.M)[0]
        seen = [item for item in program.items if item.goods in ask.text]
        edits = {}
        for address, text in shown(ask).items():
            step = address.rpartition("/")[2].removesuffix(".md")
            if step in program.steps and re.search(
                rf"^(Step that goes wrong|Also at fault)\b.*\b{step}\b", blamed, re.M
            ):
                edits[address] = reflect(step, text + "\n", seen)
        changed = {
            address: text for address, text in edits.items() if text.strip() != shown(ask)[address].strip()
        }
        return proposal(changed, "rules are missing", "add-rules")

    return answer
