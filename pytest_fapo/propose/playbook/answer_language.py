"""The language of answers: that of the input, or always the same one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pytest_fapo.propose.playbook.answer_contract import fields_in_question
from pytest_fapo.propose.playbook.prompt_evidence import Advice, PromptEvidence

_NEARLY = 0.8

_COMMON = {
    "English": "the is are and of to from for with you your yes when where what does we this that not it",
    "German": "der die das und ist ein eine einen nicht von bis zu im ja nein wann wo haben sie wir mit dem",
    "French": "le la les des un une et est de du que qui vous nous oui non pas à au en il elle avez pour",
    "Spanish": "el la los las un una y es de del que sí usted para por con en está hay su cuándo dónde no",
    "Italian": "il lo la gli un una e è di del della che non sì per con in sono si quando dove ha",
    "Portuguese": "o a os as um uma e é de do da que não sim para por com em está há quando onde",
    "Dutch": "de het een en is van niet ja nee op met voor wij u zijn wanneer waar te",
}
"""Words by which a short text is told; languages of other scripts are told apart by their letters."""

_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}

_SCRIPTS = {
    "Russian or Ukrainian": r"[\u0400-\u04ff]",
    "Greek": r"[\u0370-\u03ff]",
    "Arabic": r"[\u0600-\u06ff]",
    "Japanese": r"[\u3040-\u30ff]",
    "Korean": r"[\uac00-\ud7af]",
    "Chinese": r"[\u4e00-\u9fff]",
}


def language_of(text: str) -> str:
    """Return the language of a text; empty where its words do not tell one."""
    for name, letters in _SCRIPTS.items():
        if re.search(letters, text):
            return name
    words = re.findall(r"[^\W\d_]+", text.casefold())
    counts = Counter({name: sum(word in known for word in words) for name, known in _WORDS.items()})
    (first, most), (_, second) = counts.most_common(2)
    return first if most > second else ""


def answer_language(view: PromptEvidence) -> Iterator[Advice]:
    """Name the language of the answer where failing answers are in another one than their labels."""
    for name in fields_in_question(view):
        wrong = []
        for seen in view.targets:
            label, answer = (
                str(each or "") for each in (view.expected(seen, name), view.answer_of(seen, name))
            )
            if language_of(label) and language_of(answer) not in ("", language_of(label)):
                wrong.append(seen)
        labels = [(seen, language_of(str(view.expected(seen, name)))) for seen in view.labeled(name)]
        pairs = [(language_of(view.text(seen)), label) for seen, label in labels if label]
        known = [(given, label) for given, label in pairs if given]
        if 2 * len(wrong) <= len(view.targets) or not known:
            continue
        languages = {label for _, label in pairs}
        if sum(given == label for given, label in known) >= _NEARLY * len(known):
            line = f"Answer in the language of the {view.noun}, whatever language these instructions are in."
        elif len(languages) == 1:
            line = f"Answer in {languages.pop()}, whatever the language of the {view.noun}."
        else:
            continue
        yield Advice(
            "language",
            "Language of the answer",
            [line],
            "The answers are in another language than the labels.",
            fixes=frozenset(nodeid for seen in wrong for nodeid in seen.targets),
        )
