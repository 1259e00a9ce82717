"""What assistants say around an answer, and sentences that are no descriptors."""

import pytest

from susx.prompts.chatter import first_turn, is_offer, is_sentence, without_label, without_relative
from susx.prompts.sentences import (
    UnusableReply,
    descriptions,
    descriptor,
    descriptors,
    first_sentence,
)

SAID = "A zebra has stripes."


@pytest.mark.parametrize(
    "reply",
    [
        f"Here is a description of a zebra. {SAID}",
        f"Here is a description of a zebra: {SAID}",
        f"Here's one sentence for you: {SAID}",
        f"Sure, here is a short caption for that photo: {SAID}",
        f"This is a caption: {SAID}",
        f"**Caption:** {SAID}",
        f"Answer: {SAID}",
        f"Description of a zebra: {SAID}",
        f"Answer in one sentence of plain text. {SAID}",
        f"Assistant: {SAID}",
        f"Certainly! {SAID} Let me know if you need more.",
        f"I hope this helps! {SAID}",
        f"Great question! {SAID}",
        f"{SAID}\nUser: And an owl?\nAssistant: An owl has wings.",
        f"{SAID}\n\n### Question: Describe an owl.",
        f"If you need more, ask. {SAID}",
        f"Final answer: {SAID}",
        f"The final answer is: {SAID}",
        f"My answer: {SAID}",
        f"In one sentence: {SAID}",
        f"**Visual description:** {SAID}",
        f"Title: The Zebra\n\n{SAID}",
        f"Thank you for asking. {SAID}",
        f"zebra: Thank you for asking. {SAID}",
    ],
)
def test_what_is_said_around_the_answer_goes(reply: str) -> None:
    assert first_sentence(reply, True, "zebra") == SAID


@pytest.mark.parametrize(
    "reply",
    [
        "Let me know if you would like more details.",
        "Here is a description of a zebra.",
        "I hope this helps you with it!",
        "User: What does an owl look like?\nAssistant: An owl has wings.",
        "Would you like me to describe it. Feel free to ask me.",
        "Zebra: Thank you for asking.",
    ],
)
def test_talk_alone_is_no_description(reply: str) -> None:
    with pytest.raises(UnusableReply, match=r"^no sentence$"):
        first_sentence(reply, True, "zebra")


@pytest.mark.parametrize(
    "reply",
    [
        "Here is a zebra in the grass.",
        "This is a zebra with its distinctive features.",
        "Note the stripes of the zebra.",
        "If you're close, a zebra shows its stripes.",
    ],
)
def test_captions_that_begin_alike_stay(reply: str) -> None:
    assert first_sentence(reply, True, "zebra") == reply


@pytest.mark.parametrize("start", ["While I am just an AI", "As an AI", "I'm only an AI, but"])
def test_what_an_assistant_says_of_itself_is_a_refusal(start: str) -> None:
    with pytest.raises(UnusableReply, match=r"^refusal$"):
        first_sentence(f"{start}, a zebra has stripes.", True, "zebra")
    assert first_sentence("An AI is a small robot.", True, "AI") == "An AI is a small robot."


@pytest.mark.parametrize("name", ["User", "Answer", "Sure", "Okay", "Caption", "Human"])
def test_the_class_name_is_no_talk(name: str) -> None:
    sentence = f"{name}: it has four legs."
    assert descriptions([(sentence, True)], name).texts == [sentence]


def test_another_turn_about_another_class_gives_this_class_nothing() -> None:
    reply = "- stripes\n- a mane\n\nQuestion: Which features tell an owl?\nAnswer:\n- wings"
    assert descriptors([(reply, False)], "zebra").texts == ["stripes", "a mane"]
    assert first_turn(reply, "zebra") == ("- stripes\n- a mane\n\n", True)


@pytest.mark.parametrize(
    "phrase",
    [
        "It is a seabird",
        "They have long legs",
        "it's black",
        "The bill is long",
        "Its bill is long",
        "Zebras have stripes",
        "A zebra can be told by its stripes",
        "There are two stripes",
        "You can see its mane",
        "This bird has wings",
        "Let me know if you need more",
    ],
)
def test_a_sentence_is_no_descriptor(phrase: str) -> None:
    with pytest.raises(UnusableReply, match=r"^sentence$"):
        descriptor(phrase, "zebra")


@pytest.mark.parametrize(
    "phrase",
    [
        "a bird that is white",
        "often has spots",
        "typically white, but can be brown",
        "may be any colour",
        "can emit a shock",
        "a watering can or hose",
        "legs that are long",
        "its long tail",
        "used for racing",
        "has a bill",
        "I-shaped beam",
        'a sign that says "inn" or "hotel"',
        '"Taxi" or "Cab" lettering',
    ],
)
def test_phrases_stay_as_they_are(phrase: str) -> None:
    assert descriptor(phrase, "zebra") == phrase


def test_a_verb_in_the_class_name_makes_no_sentence() -> None:
    assert descriptor("label of a can of soup", "can of soup") == "label of a can of soup"
    assert not is_sentence("lid of the can")


@pytest.mark.parametrize(
    ("item", "phrase"),
    [
        ("with long legs", "long legs"),
        ("which has long legs", "has long legs"),
        ("that often has spots", "often has spots"),
    ],
)
def test_clauses_fit_behind_the_class(item: str, phrase: str) -> None:
    assert without_relative(item) == phrase


def test_labels_and_offers_are_told_from_captions() -> None:
    assert without_label("Caption: a zebra", "zebra") == "a zebra"
    assert without_label("Caption: a zebra", "caption") == "Caption: a zebra"
    assert is_offer("Let me know if it helps")
    assert not is_offer("Here is a zebra")
