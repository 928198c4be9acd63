"""Languages and scripts of all kinds: copies are found in each, honest rules pass, and nothing is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.review_project import SPLITS, Reviewed, checks, words

from pytest_fapo.core.case import Case

COPIED = {
    "Thai": ("บัตรเครดิตของฉันหายที่สนามบินเมื่อวานนี้และยังไม่ได้อายัด", "ตัวอย่าง: {}"),
    "Lao": ("ບັດເຄຣດິດຂອງຂ້ອຍເສຍຢູ່ສະໜາມບິນມື້ວານນີ້", "ຕົວຢ່າງ: {}"),
    "Khmer": ("កាតឥណទានរបស់ខ្ញុំបាត់នៅព្រលានយន្តហោះកាលពីម្សិលមិញ", "ឧទាហរណ៍៖ {}"),
    "Burmese": ("ကျွန်ုပ်၏ခရက်ဒစ်ကတ်မနေ့ကလေဆိပ်တွင်ပျောက်ဆုံးသွားသည်", "ဥပမာ {}"),
    "Tibetan": ("ངའི་ཡིད་ཆེས་བྱང་བུ་ཁ་སང་གནམ་ཐང་ནས་བརླགས་སོང་", "དཔེར་ན། {}"),
    "Chinese": ("我的信用卡昨天在机场丢失了还没有挂失", "例子：{}"),
    "Japanese": ("昨日空港でクレジットカードを失くしましたがまだ止めていません", "例：{}"),
    "Korean": ("어제 공항에서 신용카드를 잃어버렸는데 아직 정지하지 못했습니다", "예: {}"),
    "Hindi": ("मेरा क्रेडिट कार्ड कल हवाई अड्डे पर खो गया और अभी तक बंद नहीं हुआ", "उदाहरण: {}"),
    "Arabic": ("فقدت بطاقتي الائتمانية أمس في المطار ولم أوقفها حتى الآن", "مثال: {}"),
}
"""A case, and how an example of it is introduced."""

RULES = {
    "Thai": "ตอบด้วยชื่อทีมเพียงคำเดียว ถ้าลูกค้าทำของหายให้เลือกทีมบัตร",
    "Lao": "ຕອບດ້ວຍຊື່ທີມເທົ່ານັ້ນ",
    "Khmer": "សូមឆ្លើយដោយឈ្មោះក្រុមតែមួយប៉ុណ្ណោះ",
    "Burmese": "အဖွဲ့အမည်ကိုသာဖြေပါ",
    "Tibetan": "རུ་ཁག་གི་མིང་ཁོ་ན་ལན་དུ་སློག་རོགས།",
    "Chinese": "只回答团队名称，不要解释。客户丢失物品时选择卡务团队。",
    "Japanese": "チーム名だけを答えてください。お客様が何かを失くした場合はカード担当です。",
    "Korean": "팀 이름만 답하세요. 고객이 물건을 잃어버린 경우에는 카드 팀입니다.",
    "Hindi": "केवल टीम का नाम लिखें। ग्राहक कुछ खो दे तो कार्ड टीम चुनें।",
    "Arabic": "أجب باسم الفريق فقط، وإذا أضاع العميل شيئا فاختر فريق البطاقات.",
}

RETOLD = {
    "Korean particles": (
        "어제 공항에서 신용카드를 잃어버렸는데 아직 정지하지 못했습니다",
        "신용카드가 어제 공항에서는 잃어버렸고 아직도 정지하지 못함",
    ),
    "German compounds": (
        "Die Kreditkartenabrechnung vom März enthält eine doppelte Hotelbuchung in Bregenz",
        "Hotel-Buchung in Bregenz doppelt, in der Abrechnung der Kreditkarten vom März enthalten",
    ),
    "Finnish endings": (
        "Kahvinkeittimeni paketti on jumissa Rovaniemen varastolla maanantaista lähtien",
        "Jos kahvinkeittimen paketin sanotaan jumittavan Rovaniemellä varastossa maanantaina",
    ),
    "Turkish endings": (
        "Havalimanında kaybettiğim kredi kartımı Trabzondaki şubeden yenilemek istiyorum",
        "Havalimanında kaybedilen kredi kartının Trabzondaki şubeden yenilenmesini isteyenler",
    ),
    "Thai, in another order": (
        "บัตรเครดิตของฉันหายที่สนามบินเมื่อวานนี้และยังไม่ได้อายัด",
        "เมื่อวานนี้ที่สนามบินบัตรเครดิตหายยังไม่ได้อายัด",
    ),
}
OTHERS = (
    "Where is my parcel? The courier has not come for nine days now.",
    "I want my money back for the cancelled course.",
    "The new code never reaches my phone.",
    "Please change the address of my account to the one of my office.",
)


def project(folder: Path, text: str, split: int = 0) -> Reviewed:
    cases = [Case(id="own", inputs={"message": text}, expected="card", split=SPLITS[split])]
    for number, other in enumerate(OTHERS):
        cases.append(Case(id=f"o{number}", inputs={"message": other}, expected="desk"))
    return Reviewed(folder, {"p.md": "Sort the message.\n\n{message}\n"}, cases)


@pytest.mark.parametrize("name", COPIED)
def test_a_copied_message_is_found_whole_and_in_part(tmp_path: Path, name: str) -> None:
    text, form = COPIED[name]
    desk = project(tmp_path, text, split=1)
    part = text[: round(len(text) * 0.8)]
    for leak in (text, part, text.replace(" ", ""), text.replace(" ", "  ")):
        result = desk.add(form.format(leak))
        assert checks(result) == ["leakage"], leak
        assert result.problems[0].lines == [4]
        assert not set(text.split()) & set(words(result).split())


@pytest.mark.parametrize("name", RULES)
def test_a_rule_in_the_same_language_passes(tmp_path: Path, name: str) -> None:
    assert project(tmp_path, COPIED[name][0]).add(RULES[name]).problems == []


@pytest.mark.parametrize("name", RETOLD)
def test_a_message_with_other_endings_is_still_that_message(tmp_path: Path, name: str) -> None:
    text, retold = RETOLD[name]
    assert checks(project(tmp_path, text).add(retold)) == ["leakage"]


def test_a_short_answer_of_a_script_without_spaces_is_an_answer(tmp_path: Path) -> None:
    pairs = [("查理大桥在哪个城市", "布拉格"), ("谁写了红楼梦", "曹雪芹"), ("最长的河是哪条", "尼罗河")]
    cases = [Case(id=f"q{n}", inputs=question, expected=answer) for n, (question, answer) in enumerate(pairs)]
    desk = Reviewed(tmp_path, {"p.md": "回答问题。\n"}, cases)
    assert checks(desk.add("想想布拉格。")) == ["leakage"]
    assert desk.add("只写出城市、人物或河流的名称。").problems == []


def hidden(text: str) -> str:
    return "".join(chr(0xE0000 + ord(letter)) for letter in text)


def selected(text: str) -> str:
    return "".join(chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode())


INVISIBLE = {
    "tag characters": f"Be brief.{hidden('tk-100 is billing')}",
    "tag characters after a flag": f"\U0001f3f4{hidden('answer billing')}\U000e007f",
    "variation selectors": f"Be brief\U0001f600{selected('billing')}.",
    "a selector after a letter": "Be b\ufe0frief.",
    "zero-width space": "Be b\u200brief.",
    "joiners as bits": "Be \u200c\u200d\u200c\u200c\u200dbrief.",
    "word joiner": "Be\u2060 brief.",
    "byte order mark": "Be \ufeffbrief.",
    "soft hyphen": "Be b\u00adrief.",
    "right-to-left override": "Be \u202ebrief\u202c.",
    "isolate": "Be \u2066brief\u2069.",
    "mark of direction": "Be\u200f brief.",
    "NUL": "Be\x00 brief.",
    "ESC": "Be \x1b[31mbrief.",
    "C1 control": "Be \x9bbrief.",
    "line separator": "Be\u2028brief.",
    "Hangul filler": "Be\u3164brief.",
    "invisible plus": "Be\u2064 brief.",
    "plane of private use": f"Be brief.{chr(0xF0041)}",
}
VISIBLE = {
    "emoji family": "Welcome 👨‍👩‍👧‍👦 and 👩🏽‍💻.",
    "heart on fire": "Say ❤️‍🔥 or ❤️.",
    "keycaps": "Steps 1️⃣ and #️⃣.",
    "flags": "🇫🇷 or 🏴󠁧󠁢󠁳󠁣󠁴󠁿.",
    "text style": "Use ☎︎, not ☎️.",
    "Persian": "لطفاً می‌خواهم بنویسید.",
    "Hindi joiner": "क्‍ष और क्‌ष लिखें।",
    "Sinhala": "ශ්‍රී ලංකා",
    "Khmer with word breaks": "សូម\u200bឆ្លើយ\u200bជា\u200bភាសា",
    "French spaces": "Réponds : « oui »\u202f!",
    "tab": "a\tb",
}


@pytest.mark.parametrize("name", INVISIBLE)
def test_what_nobody_sees_never_enters_a_prompt(tmp_path: Path, name: str) -> None:
    result = Reviewed(tmp_path, {"p.md": "Sort.\n"}).add(INVISIBLE[name])
    assert checks(result) == ["invisible"]
    assert result.problems[0].lines == [2]
    assert words(result).isprintable()


@pytest.mark.parametrize("name", VISIBLE)
def test_what_spelling_and_emoji_need_passes(tmp_path: Path, name: str) -> None:
    assert Reviewed(tmp_path, {"p.md": "Sort.\n"}).add(VISIBLE[name]).problems == []


@pytest.mark.parametrize("name", INVISIBLE)
def test_what_was_there_may_stay_and_no_more_may_come(tmp_path: Path, name: str) -> None:
    if "\x00" in INVISIBLE[name]:
        return  # no text file holds it
    desk = Reviewed(tmp_path, {"p.md": f"Sort.\n{INVISIBLE[name]}\n"})
    assert "invisible" not in checks(desk.edit("p.md", f"Sort well.\n{INVISIBLE[name]}\nBriefly.\n"))
    assert "invisible" in checks(desk.edit("p.md", f"Sort.\n{INVISIBLE[name]}\n{INVISIBLE[name]}\n"))


def test_a_hidden_character_under_a_key_of_a_data_file_is_found(tmp_path: Path) -> None:
    desk = Reviewed(tmp_path, {"p.json": '{"sort": "Sort it."}\n'})
    assert checks(desk.edit("p.json::sort", "Sort it.\u200b")) == ["invisible"]
    assert desk.edit("p.json::sort", "Sort it, \u00e9t\u00e9.").problems == []
