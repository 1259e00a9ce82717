"""What a language model thinks aloud, which is no part of its reply."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAMES = r"(?:seed:|longcat_)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|scratchpad)"
_ANSWERS = r"(?:final_)?(?:answer|response|solution)"
_LESS, _MORE = r"(?:<|&lt;)", r"(?:>|&gt;)"
# Spellings of Qwen, DeepSeek, GLM, EXAONE, Seed and LongCat (tags), Mistral ([THINK]), Kimi
# (triangles), Cohere (START_THINKING), OpenThinker (begin_of_thought), Apertus (inner_prefix),
# Gemma (<|channel>), gpt-oss (channels, also as they read once special tokens were skipped),
# Granite and Apriel (phrases), and Ollama's terminal.
OPENING = re.compile(
    rf"{_LESS}{_NAMES}{_MORE}|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>"
    r"|<\|inner_prefix\|>|<start_working_out>|<\|(?:channel|think|thought)>"
    r"|<\|channel\|>(?!\s*final)|\A\s*(?:analysis|commentary)(?=[A-Z\"'“])"
    r"|\A\W*(?:here(?:['’]s| is| are) (?:a |my )?(?:thinking|thought|reasoning)|thinking process)\b"
    r"|\A\s*thinking\.\.\.",
    re.IGNORECASE,
)
CLOSING = re.compile(
    rf"{_LESS}/{_NAMES}{_MORE}|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>"
    r"|<\|inner_suffix\|>|<end_working_out>|<(?:channel|think|thought)\|>"
    r"|<\|channel\|>\s*final\s*<\|message\|>|assistantfinal"
    r"|\[BEGIN FINAL RESPONSE\]|here(?:['’]s| is) my response:|\.\.\.done thinking\.",
    re.IGNORECASE,
)
ANSWER = re.compile(
    rf"{_LESS}{_ANSWERS}{_MORE}|<\|(?:START_RESPONSE|begin_of_solution|begin_of_box)\|>",
    re.IGNORECASE,
)
_BOLD = r"(?:\*\*|__)"
_HASHES = r"#{1,6}[ \t]*"


def _heading(words: str, start: str = r"^[ \t]*") -> str:
    """Words on a line that a colon, hashes or emphasis make a heading."""
    marked = rf"(?:{_HASHES}{_BOLD}?|{_BOLD}){words}{_BOLD}?[ \t]*$"
    return rf"{start}(?:(?:{_HASHES})?{_BOLD}?{words}{_BOLD}?[ \t]*:{_BOLD}?|{marked})"


_THOUGHT = (
    r"(?:(?:my |the )?(?:thoughts?|thinking|(?:(?:chain|train)[ -]of[ -])thoughts?|draft"
    r"|reasoning|reflection|analysis|scratchpad|internal monologue)(?: process)?)"
)
_ANSWER = (
    r"(?:(?:my|the|final|visual|short|one-sentence) ){0,3}(?:answer|response|reply|solution|output"
    r"|description|caption|sentence|summary|conclusion|list|features|descriptors)(?: is)?"
)
THOUGHT_HEADING = re.compile(_heading(_THOUGHT, r"\A\s*"), re.IGNORECASE | re.MULTILINE)
ANSWER_HEADING = re.compile(
    rf"{_heading(_ANSWER)}|(?<=\s)(?:{_BOLD}{_ANSWER}(?::{_BOLD}|{_BOLD}:)"
    r"|(?:the )?final answer(?: is)?:)",
    re.IGNORECASE | re.MULTILINE,
)
"""Headings of an answer that stands below a thought; in a line, emphasis or `final` tells them."""
ALOUD = re.compile(
    r"\A\W*(?:(?:okay|ok|alright|all right|hmm+|so|well|right|first)\b[,.…]*\s+)*"
    r"(?:hmm+|wait,|the user (?:is|wants|asks|asked|has|needs|just|would|provided|said)\b"
    r"|(?:i|we) (?:need|should|have|must|want|am asked|are asked) to\b|we are asked\b"
    r"|i(?:['’]m| am) (?:asked|supposed|trying) to\b|let(?:['’]s| me| us) (?:think|see|recall|start"
    r"|break|consider|figure)\b|the (?:question|task|prompt|instruction) (?:is|asks|says|wants)\b)",
    re.IGNORECASE,
)
"""How models begin to think where no tag tells it: the tag stood in the question's template."""
TURN_END = re.compile(
    r"<\|(?:im_end|im_start|eot_id|eot|start_header_id|endoftext|end_of_text|user|return)\|>"
    r"|</s>|<(?:end|start)_of_turn>|<turn\|>|<\|turn>|\[/?INST\]"
)
END = re.compile(
    rf"<\|(?:end|start|call|END_RESPONSE|end_of_solution|end_of_box)\|>|{_LESS}/{_ANSWERS}{_MORE}"
    r"|\[END FINAL RESPONSE\]",
    re.IGNORECASE,
)
BLANK = re.compile(r"\A(?:[^\S\n]*\n)*+ ?")
HEADER = re.compile(r"<\|(?:channel|message)\|>")
ROLE = re.compile(r"\A\s*(?:<\|im_start\|>\s*assistant|<\|assistant\|>|<start_of_turn>model)\s*")


def without_thoughts(reply: str, name: str = "") -> tuple[str, bool]:
    """Remove what a model thought before, and wrote after, its reply.

    Everything up to the last closing tag goes, and everything from an opening tag on that is not
    closed; so does what follows the mark that ends a turn. Without tags, headings tell: of a reply
    that begins with one of a thought (`Reasoning:`), what stands below the last one of an answer.

    Args:
        reply: what a model wrote.
        name: class name, whose words are no headings.

    Returns:
        The rest, which is empty if the model only thought, and whether such a mark ended it.
    """
    turn, ended = _until(TURN_END, ROLE.sub("", reply))
    starts = [found.end() for mark in (CLOSING, ANSWER) for found in mark.finditer(turn)]
    begun = None if starts else THOUGHT_HEADING.match(turn)
    if begun and not _is_part(begun[0], name):
        answers = [found.end() for found in ANSWER_HEADING.finditer(turn)]
        turn = turn[max(answers, default=len(turn)) :]
    said, _ = _until(OPENING, turn[max(starts, default=0) :])
    said, closed = _until(END, said)
    if not starts and ALOUD.match(said):
        return "", False
    return trimmed(said), ended or closed


def trimmed(text: str) -> str:
    """A text without blank lines and space around it; its first line keeps all but one space.

    Indents tell which items of a list stand below others; the one space is of the first token.
    """
    return BLANK.sub("", text).rstrip()


def is_mark(token: str) -> bool:
    """Tell whether a special token sets thoughts or turns apart, so that its text is needed."""
    marks = (OPENING, CLOSING, ANSWER, END, TURN_END, HEADER)
    return any(mark.fullmatch(token) for mark in marks)


def open_thought(prompt: str) -> str:
    """The opening tag that a prompt ends with, for the model to think on, or an empty string."""
    tail = prompt.rstrip()
    found = [mark for mark in OPENING.finditer(tail) if mark.end() == len(tail)]
    return found[-1][0] if found else ""


def begin_in_thought(replies: Iterable[str]) -> bool:
    """Tell whether most of a model's finished replies close a thought that they did not open."""
    closed = [
        bool((found := CLOSING.search(reply)) and not OPENING.search(reply[: found.end()]))
        for reply in replies
    ]
    return any(closed) and 2 * sum(closed) > len(closed)


def _is_part(heading: str, name: str) -> bool:
    """Whether a heading has a word of a class name, as `Draft:` has of a draft horse."""
    return not set(re.findall(r"[a-z]+", heading.casefold())).isdisjoint(name.casefold().split())


def _until(mark: re.Pattern[str], text: str) -> tuple[str, bool]:
    """The text before a mark, and whether there is one."""
    found = mark.search(text)
    return (text[: found.start()], True) if found else (text, False)
