"""What is kept of a language model's replies, and why the rest is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.prompts.sentences import (
    MAX_DESCRIPTOR_WORDS,
    MAX_WORDS,
    UnusableReply,
    descriptions,
    descriptor,
    descriptors,
    first_sentence,
    mentions,
)

NAMES = st.one_of(
    st.sampled_from(["zebra", "St. Bernard", "C#", "a/b", "{0}", "café", "U.S. Army truck", "I"]),
    st.text(min_size=1, max_size=12).map(str.strip).filter(lambda t: t and t.isprintable()),
)
PIECES = st.sampled_from(
    ["A zebra", " has", " black stripes", ".", "!", "?", "\n", "- ", "1. ", "**", "e.g. ", "St. ",
     "3.5 cm", "Sure, ", "I'm sorry", "<b>", "![x](y)", "{0}", "…", ":", '"', " ", "\x00", "\ufffd",
     "<think>", "</think>", "café", "斑马。"]
)  # fmt: skip
REPLIES = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=20).map("".join))


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("A zebra has stripes.", "A zebra has stripes."),
        ("\n\n A zebra  has\tstripes. It eats grass.", "A zebra has stripes."),
        ("A zebra has stripes", "A zebra has stripes."),
        ("A zebra has stripes,", "A zebra has stripes."),
        ("A zebra has stripes! Lots of them.", "A zebra has stripes!"),
        ("A zebra is 1.5 m tall. It is striped.", "A zebra is 1.5 m tall."),
        ("A zebra eats plants, e.g. grass and leaves. Really.",
         "A zebra eats plants, e.g. grass and leaves."),
        ("A zebra of Mt. Elgon is striped. Yes.", "A zebra of Mt. Elgon is striped."),
        ("A U.S. Army zebra is striped. Yes.", "A U.S. Army zebra is striped."),
        ("Here is a description:\n\nA zebra has stripes.", "A zebra has stripes."),
        ("Sure! A zebra has stripes.", "A zebra has stripes."),
        ("Certainly, here is one for you. A zebra has stripes.", "A zebra has stripes."),
        ("What does a zebra look like? A zebra has stripes.", "A zebra has stripes."),
        ("A zebra has **black** and *white* `stripes`.", "A zebra has black and white stripes."),
        ('"A zebra has stripes."', "A zebra has stripes."),
        ("A zebra has stripes.\nQuestion: What else?", "A zebra has stripes."),
        ("<think>\nHm. Let me see.\n</think>\nA zebra has stripes.", "A zebra has stripes."),
        ("- A zebra has stripes.\n- It has legs.", "A zebra has stripes."),
        ("It has:\n1. Black and white stripes\n2. Legs", "Black and white stripes."),
        ("A zebra in a box (closed). Next one.", "A zebra in a box (closed)."),
    ],
)  # fmt: skip
def test_the_first_sentence_is_kept(reply: str, kept: str) -> None:
    assert first_sentence(reply, True, "zebra") == kept


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("<think>only thoughts</think>", "only thoughts"),
        ("I'm sorry, but I cannot help with that.", "refusal"),
        ("I’m not able to describe it.", "refusal"),
        ("Sorry, no idea what that is.", "refusal"),
        ("As an AI language model, I have no eyes.", "refusal"),
        ("I can't tell you about zebras.", "refusal"),
        ("Sure! I'm sorry, I have no picture of it.", "refusal"),
        ("I do not know what a zebra is.", "refusal"),
        ("Unfortunately, there is no zebra here.", "refusal"),
        ("A zebra ![stripes](x.png) in grass.", "markup"),
        ("A zebra <b>has</b> stripes.", "markup"),
        ("A zebra &nbsp; has stripes.", "markup"),
        ("# A zebra has stripes", "markup"),
        ("| zebra | has stripes |", "markup"),
        ("See https://example.org for a zebra.", "markup"),
        ("<think>A zebra has stripes, I think", "only thoughts"),
        ("A zebra \ufffd has stripes.", "garbled"),
        ("A zebra \x07 has stripes.", "garbled"),
        ("A zebra \u200b has stripes.", "garbled"),
        ("A zebra has stripes and so on...", "unfinished"),
        ("A zebra has stripes and so on…", "unfinished"),
        ("Zebra.", "no sentence"),
        ("? Is that so?", "no sentence"),
        ("Sure!", "no sentence"),
        ("A zebra has the following features:", "no sentence"),
        ("zebra " * (MAX_WORDS + 1), "too long"),
    ],
)
def test_junk_is_dropped_with_a_reason(reply: str, reason: str) -> None:
    with pytest.raises(UnusableReply, match=f"^{reason}$"):
        first_sentence(reply, True, "zebra")


def test_a_reply_that_was_cut_is_kept_up_to_its_last_full_sentence() -> None:
    reply = "A zebra has stripes. It is often seen in"
    assert first_sentence(reply, False, "zebra") == "A zebra has stripes."
    with pytest.raises(UnusableReply, match="unfinished"):
        first_sentence("A zebra has stripes and it is often seen in", False, "zebra")


@pytest.mark.parametrize("name", ["St. Bernard", "C#", "<br>", "I'm sorry", "Mr. [X]", "{0}"])
def test_the_class_name_is_no_sign_of_junk(name: str) -> None:
    sentence = f"Big and friendly, {name} sits in the grass."
    assert first_sentence(f"{sentence} More of it.", True, name) == sentence


def test_full_stops_inside_the_name_end_nothing() -> None:
    reply = "This is Prof. Big. Dog here. It barks."
    assert first_sentence(reply, True, "Prof. Big. Dog") == "This is Prof. Big. Dog here."


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("A zebra is striped.", True),
        ("Zebras are striped.", True),
        ("ZEBRA: striped", True),
        ("It is striped.", False),
        ("A zebraic pattern.", False),
    ],
)
def test_a_mention_is_a_word_of_its_own(text: str, there: bool) -> None:
    assert mentions(text, "zebra") is there


def test_a_sentence_without_the_class_name_gets_it() -> None:
    harvest = descriptions([("It has black stripes.", True)], "plains zebra")
    assert harvest.texts == ["plains zebra: It has black stripes."]
    assert harvest.prefixed == 1


def test_copies_are_dropped_whatever_their_case_and_name() -> None:
    replies = [
        ("It has Stripes.", True),
        ("zebra: it has stripes.", True),
        ("It has stripes. It runs.", True),
        ("I cannot say.", True),
    ]
    harvest = descriptions(replies, "zebra")
    assert harvest.texts == ["zebra: It has Stripes."]
    assert harvest.dropped == {"duplicate": 2, "refusal": 1}
    assert harvest.prefixed == 1


@given(REPLIES, st.booleans(), NAMES)
def test_whatever_a_model_writes_a_description_is_a_named_sentence(
    reply: str, finished: bool, name: str
) -> None:
    harvest = descriptions([(reply, finished)], name)
    assert len(harvest.texts) + harvest.dropped.total() == 1
    for text in harvest.texts:
        assert text.isprintable()
        assert mentions(text, name)
        assert text.rstrip("\"'”’)")[-1] in ".!…"
        assert not text.endswith("...")


@given(REPLIES, st.booleans(), NAMES)
def test_a_description_is_read_as_itself(reply: str, finished: bool, name: str) -> None:
    texts = descriptions([(reply, finished)], name).texts
    again = descriptions([(text, True) for text in texts], name)
    assert again.texts == texts or again.dropped == {"too long": 1}


@pytest.mark.parametrize(
    ("item", "phrase"),
    [
        ("Black and white stripes.", "black and white stripes"),
        ("a long tail;", "a long tail"),
        ("**Colour:** black", "colour: black"),
        ("UV reflecting coat", "UV reflecting coat"),
        ("four   legs", "four legs"),
    ],
)
def test_a_descriptor_is_a_phrase(item: str, phrase: str) -> None:
    assert descriptor(item, "zebra") == phrase


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("...", "empty"),
        ("[stripes](x)", "markup"),
        ("a \ufffd tail", "garbled"),
        ("I cannot say more", "refusal"),
        ("very " * MAX_DESCRIPTOR_WORDS + "long", "too long"),
    ],
)
def test_junk_is_no_descriptor(item: str, reason: str) -> None:
    with pytest.raises(UnusableReply, match=f"^{reason}$"):
        descriptor(item, "zebra")


def test_lists_of_all_kinds_are_read() -> None:
    reply = (
        "A zebra can be told by:\n\n- four legs\n* Stripes\n• a mane\n+ hooves\n"
        "1. a tail\n 2) two ears\n\nI hope this helps!"
    )
    harvest = descriptors([(reply, True)], "zebra")
    assert harvest.texts == ["four legs", "stripes", "a mane", "hooves", "a tail", "two ears"]
    assert not harvest.dropped


def test_the_last_item_of_a_list_that_was_cut_is_dropped() -> None:
    harvest = descriptors([("- four legs\n- black and wh", False)], "zebra")
    assert harvest.texts == ["four legs"]
    assert harvest.dropped == {"unfinished": 1}


def test_replies_without_a_list_and_repeated_items_are_counted() -> None:
    replies = [("It has stripes.", True), ("I'm sorry, no.", True), ("- Legs\n- legs", True)]
    harvest = descriptors(replies, "zebra")
    assert harvest.texts == ["legs"]
    assert harvest.dropped == {"no list": 1, "refusal": 1, "duplicate": 1}


@given(st.lists(REPLIES, max_size=4), st.booleans(), NAMES)
def test_whatever_a_model_writes_descriptors_are_phrases(
    replies: list[str], finished: bool, name: str
) -> None:
    texts = descriptors([(reply, finished) for reply in replies], name).texts
    assert len({text.casefold() for text in texts}) == len(texts)
    for text in texts:
        assert text.strip()
        assert text.isprintable()
        assert len(text.split()) <= MAX_DESCRIPTOR_WORDS
