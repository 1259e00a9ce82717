"""Thoughts of language models, in the spellings of many families, are no part of a reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.prompts.sentences import UnusableReply, descriptions, descriptors, first_sentence
from susx.prompts.thoughts import begin_in_thought, is_mark, open_thought, without_thoughts

SAID = "A zebra has stripes."
PAIRS = [
    *(("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>")),
    *(("<reasoning>", "</reasoning>"), ("<analysis>", "</analysis>"), ("<Think>", "</Think>")),
    *(("<seed:think>", "</seed:think>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷")),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "assistantfinal"),
    ("Here is my thought process:\n", "Here is my response:"),
    ("Thinking...\n", "\n...done thinking.\n"),
]


@pytest.mark.parametrize(("opening", "closing"), PAIRS, ids=[opening for opening, _ in PAIRS])
def test_thoughts_go_whether_or_not_they_are_closed(opening: str, closing: str) -> None:
    thought = "We are asked about zebras. A zebra has no wings."
    assert without_thoughts(f"{opening}{thought}{closing}{SAID}") == (SAID, False)
    assert without_thoughts(f"{opening}{thought}") == ("", False)
    assert without_thoughts(f"{thought}{closing}{SAID}") == (SAID, False)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (SAID, SAID),
        (f"<think>One.</think>No.<think>Two.</think>{SAID}", SAID),
        (f"<think>Say <think> twice.</think></think>{SAID}", SAID),
        (f"{SAID}<think>Was that right", SAID),
        (f"<think></think>\n\n{SAID}", SAID),
        (f"<think>Hm.</think><answer>{SAID}</answer>", SAID),
        (f"Hm.<answer>{SAID}</answer> And so on.", SAID),
        (f"<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>", SAID),
        (f"Hm.[BEGIN FINAL RESPONSE]{SAID}[END FINAL RESPONSE]", SAID),
        (f"<|channel|>final<|message|>{SAID}<|return|>", SAID),
        (f"{SAID}<|im_end|>\n<|im_start|>user\nAnd an owl?<|im_end|>\n</think>An owl.", SAID),
        (f"<|im_start|>assistant\n{SAID}", SAID),
        ("<|channel|>commentary<|message|>I say so.<|end|>", ""),
        ("Analysis shows stripes.", "Analysis shows stripes."),
    ],
)
def test_what_remains_is_the_answer(reply: str, said: str) -> None:
    assert without_thoughts(reply)[0] == said


@pytest.mark.parametrize(
    "reply",
    [
        "Okay, the user wants a description of a zebra. A zebra has stripes.",
        "Okay, so I need to figure out what a zebra looks like. It has stripes",
        "Hmm, zebras. They have stripes.",
        "We need to answer in one sentence. A zebra is an animal.",
        "Let me think about zebras. They have stripes.",
        "The user is asking about a zebra.",
        "Alright, let's break this down. A zebra has legs.",
    ],
)
def test_thinking_aloud_without_tags_is_no_description(reply: str) -> None:
    assert without_thoughts(reply) == ("", False)
    assert descriptions([(reply, True)], "zebra").dropped == {"only thoughts": 1}


HEADINGS = [
    *("Thought:", "Thoughts:", "Reasoning:", "**Thinking:**", "**Thinking**:", "### Reasoning\n"),
    *("Analysis:", "Draft:", "Chain of thought:", "My thought process:", "## **Analysis**\n"),
]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize(
    "answer",
    [
        *("\nAnswer: ", "\n\nFinal Answer: ", "\n\n### Answer\n", "\n**Final answer:**\n"),
        *(" **Answer:** ", " The final answer is: ", "\nDescription: ", "\n**Caption**\n"),
    ],
)
def test_headings_act_as_tags_where_there_are_none(heading: str, answer: str) -> None:
    thought = f"{heading} A zebra has what a horse has. Its answer is long."
    assert without_thoughts(thought) == ("", False)
    assert descriptions([(f"{thought}{answer}{SAID}", True)], "zebra").texts == [SAID]
    assert descriptions([(thought, True)], "zebra").dropped == {"only thoughts": 1}


def test_a_list_below_a_thought_is_the_list() -> None:
    reply = "Reasoning:\n- a zebra lives in herds\n\nFeatures:\n- black stripes\n- a mane"
    assert descriptors([(reply, True)], "zebra").texts == ["black stripes", "a mane"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("draft horse", "Draft: horses are heavy, says a draft horse's owner."),
        ("draft horse", "Draft horses are heavy and tall."),
        ("Thought", "Thought: a grey cloud of lines."),
        ("zebra", "Analysis shows that a zebra has stripes."),
        ("zebra", "Draft beer stands beside the zebra."),
        ("zebra", "A zebra looks as if in thought: it is still."),
        ("answer sheet", "An answer sheet: a page of small circles."),
    ],
)
def test_words_of_a_description_are_no_headings(name: str, said: str) -> None:
    assert first_sentence(said, True, name) == said


def test_thoughts_yield_neither_sentences_nor_items() -> None:
    thought = "<think>Legs?\n- four legs\n- wings, no. Stripes. A zebra has none."
    assert descriptions([(thought, False)], "zebra").dropped == {"only thoughts": 1}
    assert descriptors([(thought, False)], "zebra").dropped == {"only thoughts": 1}
    assert descriptors([(f"{thought}</think>\n- a mane", True)], "zebra").texts == ["a mane"]


def test_nothing_said_within_the_limit_was_thought_and_nothing_at_all_is_empty() -> None:
    assert descriptions([("", False), ("", True)], "zebra").dropped == {
        "only thoughts": 1,
        "empty": 1,
    }


def test_a_turn_that_ended_is_finished_though_the_reply_was_cut() -> None:
    reply = "A zebra has stripes<|im_end|>\n<|im_start|>user\nWhat"
    assert first_sentence(reply, False, "zebra") == SAID
    with pytest.raises(UnusableReply, match="unfinished"):
        first_sentence("A zebra has stripes", False, "zebra")


@pytest.mark.parametrize(
    ("prompt", "opening"),
    [
        ("<|User|>What?<|Assistant|><think>\n", "<think>"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("[INST]What?[/INST][THINK]", "[THINK]"),
        ("What is <think>?", ""),
    ],
)
def test_a_prompt_may_open_the_thought(prompt: str, opening: str) -> None:
    assert open_thought(prompt) == opening


def test_a_model_that_closes_what_it_did_not_open_begins_in_thought() -> None:
    assert begin_in_thought([SAID, f"Hm.</think>{SAID}", f"Zebras...</think>{SAID}"])
    assert not begin_in_thought([SAID, SAID, f"Hm.</think>{SAID}"])
    assert not begin_in_thought([])
    assert not begin_in_thought([SAID, f"<think>Hm.</think>{SAID}", f"<answer>{SAID}</answer>"])


@pytest.mark.parametrize("token", ["[THINK]", "<|channel|>", "<|message|>", "<|im_end|>"])
def test_special_tokens_of_thoughts_and_turns_are_known(token: str) -> None:
    assert is_mark(token)
    assert not is_mark("<s>")


@given(st.lists(st.sampled_from([*sum(PAIRS, ()), "a", " ", "\n", "<", SAID])).map("".join))
def test_what_remains_has_no_marks(reply: str) -> None:
    said, _ = without_thoughts(reply)
    assert not any(mark in said for pair in PAIRS[:13] for mark in pair)
    assert said in reply
