"""Lists in the many styles of language models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.prompts.lines import told_lines
from susx.prompts.lists import items
from susx.prompts.sentences import descriptors

WORDS = ["four legs", "black stripes", "a long tail"]
LINES = [
    *("- {}", "* {}", "• {}", "+ {}", "– {}", "— {}", "· {}", "‣ {}", "▪ {}", "● {}", "○ {}"),
    *("◦ {}", "■ {}", "→ {}", "➤ {}", "✓ {}", "✅ {}", "✔️ {}", "🔹 {}", "~ {}", "> {}", "> - {}"),
    *("-{}", "•{}", "・{}", "*{}", "•\t{}", "-- {}", "=> {}", "- [ ] {}", "[x] {}", "<li>{}</li>"),
    *("\\item {}", "**{}**", "- **{}**", "{}", '"{}",', "{}\n", "  {}", "{}<br>", "- {}.", "- {};"),
]
COUNTED = [
    *("{n}. {}", "{n}) {}", "({n}) {}", "[{n}] {}", "{n}: {}", "{n} - {}", "{n}.{}", "**{n}.** {}"),
    *(
        "**{n}. {}**",
        "{n}\\. {}",
        "#{n}: {}",
        "#{n} {}",
        "{n}\ufe0f\u20e3 {}",
        "{n}．{}",
        "{n}、{}",
    ),
    *(
        "{n}/ {}",
        "Step {n}: {}",
        "Feature {n}: {}",
        "- **Feature {n}:** {}",
        "- {n}. {}",
        "10{n}. {}",
    ),
    *("{a}. {}", "({a}) {}", "{a}) {}", "{i}. {}", "({i}) {}", "{c} {}", "{c}{}"),
]
WHOLE = [
    '["four legs", "black stripes", "a long tail"]',
    "['four legs', 'black stripes', 'a long tail']",
    '```json\n["four legs",\n "black stripes",\n "a long tail"]\n```',
    '{"features": ["four legs", "black stripes", "a long tail"]}',
    'Here they are:\n["four legs", "black stripes", "a long tail"]',
    "```\nfour legs\nblack stripes\na long tail\n```",
    "four legs, black stripes, a long tail",
    "Four legs, black stripes, and a long tail.",
    "Features: four legs, black stripes, a long tail",
    "four legs; black stripes; a long tail",
    "four legs | black stripes | a long tail",
    "four legs / black stripes / a long tail",
    "• four legs • black stripes • a long tail",
    "- four legs - black stripes - a long tail",
    "1. four legs 2. black stripes 3. a long tail",
    "Features: (1) four legs, (2) black stripes, (3) a long tail",
    "| # | Feature |\n|---|---|\n| 1 | four legs |\n| 2 | black stripes |\n| 3 | a long tail |",
    "<ul><li>four legs</li><li>black stripes</li><li>a long tail</li></ul>",
    "\\begin{itemize}\n\\item four legs\n\\item black stripes\n\\item a long tail\n\\end{itemize}",
    "### Legs\n- four legs\n### Coat\n- black stripes\n- a long tail",
    "A zebra can be told by:\n\n  four legs\n  black stripes\n  a long tail",
    "Features:\n* four legs\n\nCoat:\n* black stripes\n* a long tail\n\nI hope this helps!",
]


def found(reply: str) -> list[str]:
    harvest = descriptors([(reply, True)], "zebra")
    assert not harvest.dropped
    return harvest.texts


@pytest.mark.parametrize("style", LINES)
def test_a_line_may_hold_an_item(style: str) -> None:
    assert found("\n".join(style.format(words) for words in WORDS)) == WORDS


@pytest.mark.parametrize("style", COUNTED)
def test_items_may_be_counted(style: str) -> None:
    counts = [
        {"n": n, "a": "abc"[n - 1], "i": "i" * n, "c": "①②③"[n - 1]}
        for n in range(1, len(WORDS) + 1)
    ]
    lines = [style.format(w, **count) for w, count in zip(WORDS, counts, strict=True)]
    assert found("\n".join(lines)) == WORDS


@pytest.mark.parametrize("reply", WHOLE)
def test_a_list_may_stand_in_one_line_a_table_or_code(reply: str) -> None:
    assert found(reply) == WORDS


def test_headings_of_nested_lists_are_no_features_and_are_counted() -> None:
    reply = "1. **Legs**\n   - four legs\n2. Coat:\n   - black stripes\n   - a long\n     tail"
    harvest = descriptors([(reply, True)], "zebra")
    assert harvest.texts == WORDS
    assert harvest.dropped == {"heading": 2}


@pytest.mark.parametrize(
    "reply",
    [
        "- Legs\n\t- four legs\n- Coat\n\t- black stripes\n\t- a long tail",
        "1. **Legs**\n- four legs\n2. **Coat**\n- black stripes\n- a long tail",
        "- Legs\n▪ four legs\n- Coat\n▪ black stripes\n▪ a long tail",
        "• Legs\no\tfour legs\n• Coat\no\tblack stripes\no\ta long tail",
        "🦓 Legs\n- four legs\n🎨 Coat\n- black stripes\n- a long tail",
        "Legs\n  four legs\nCoat\n  black stripes\n  a long tail",
        " - Legs\n  - four legs\n - Coat\n   - black stripes\n   - a long tail",
        "A. Legs\n  - four legs\nB. Coat\n  - black stripes\n  - a long tail",
    ],
)
def test_an_item_above_others_is_a_heading(reply: str) -> None:
    harvest = descriptors([(reply, True)], "zebra")
    assert harvest.texts == WORDS
    assert harvest.dropped == {"heading": 2}


@pytest.mark.parametrize(
    "reply",
    [
        "  - four legs\n  - black stripes\n  - a long tail",
        " - four legs\n - black stripes\n - a long tail",
        "    four legs\n    black stripes\n    a long tail",
        " - four legs\n- black stripes\n - a long tail",
        " 9. four legs\n10. black stripes\n11. a long tail",
        "1. four legs\n2. black stripes\n- a long tail",
        "- four legs\n* black stripes\n• a long tail",
    ],
)
def test_what_is_indented_or_marked_at_random_is_no_heading(reply: str) -> None:
    assert found(reply) == WORDS


def test_an_item_goes_on_in_indented_lines() -> None:
    assert items("- **Legs**:\n  four of them\n- a tail\nBye.") == (
        ["Legs: four of them", "a tail"],
        False,
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1.5 m tall", "1.5 m tall"),
        ("2 eyes", "2 eyes"),
        ("4-legged", "4-legged"),
        ("10:30 on its clock", "10:30 on its clock"),
        ("1/2 white", "1/2 white"),
        ("3D shape", "3D shape"),
        ("C. elegans is a worm", "C. elegans is a worm"),
        ("$5 on its label", "$5 on its label"),
    ],
)
def test_numbers_and_initials_of_the_text_stay(text: str, kept: str) -> None:
    assert told_lines(text) == [kept]


@pytest.mark.parametrize(
    "reply",
    ["It has stripes, legs, and a tail.", "Zebras have stripes; legs; tails.", "Stripes.", ""],
)
def test_a_sentence_is_no_list(reply: str) -> None:
    assert descriptors([(reply, True)], "zebra").texts == []


@pytest.mark.parametrize(
    "reply", ["[" * 9_000, "(" * 9_000, "1. " * 3_000, "- " * 4_000 + "x", "x" + " " * 9_000 + "y"]
)
def test_nonsense_ends_soon(reply: str) -> None:
    assert len(descriptors([(reply, True)], "zebra").texts) <= 1


@given(
    st.lists(st.sampled_from(["a", "four legs", "-", " ", "\n", "1.", "|", "[", '"', ",", "  "]))
)
def test_items_come_from_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    listed, _ = items(text)
    assert sum(map(len, listed)) <= len(text) + len(listed)


@pytest.mark.parametrize(
    "start", ["", "Here is the list:\n\n", "Here are the features: ", "Sure!\n"]
)
@pytest.mark.parametrize("fence", ["", "```"])
@pytest.mark.parametrize(
    ("literal", "texts"),
    [
        ('["red comb", "brown feathers"]', ["red comb", "brown feathers"]),
        ('{"features": ["red comb", "brown feathers"]}', ["red comb", "brown feathers"]),
        ('{"comb": "red", "beak_shape": "bent"}', ["comb: red", "beak shape: bent"]),
        ('{"hen": {"comb": "red", "legs": 2}}', ["comb: red", "legs: 2"]),
        ('{"1": "red comb", "feature_2": "two legs"}', ["red comb", "two legs"]),
        ('[{"feature": "comb", "description": "red and big"}]', ["comb: red and big"]),
    ],
)
def test_json_is_a_list_wherever_it_begins(
    start: str, fence: str, literal: str, texts: list[str]
) -> None:
    code = f"{fence}json\n{literal}\n{fence}" if fence else literal
    reply = f"{start.rstrip(' ')}\n{code}" if fence else f"{start}{literal}"
    assert descriptors([(reply, True)], "hen").texts == texts


@pytest.mark.parametrize(
    "item",
    ["n/A", "N/A", "None", "none.", "etc", "etc.", "and many more", "and more...", "same as above",
     "(continued)", "And so on", "Not applicable"],
)  # fmt: skip
def test_an_item_that_says_nothing_is_none_and_counted(item: str) -> None:
    harvest = descriptors([(f"- red comb\n- {item}\n- no tail\n- none of its claws", True)], "hen")
    assert harvest.texts == ["red comb", "no tail", "none of its claws"]
    assert harvest.dropped == {"empty": 1}
