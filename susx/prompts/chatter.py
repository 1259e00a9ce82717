"""What assistants say around the answer: refusals, introductions, offers, and others' turns."""

from __future__ import annotations

import re

REFUSAL = re.compile(
    r"^\W*(?:sorry\b|i(?: am|['’]m) (?:sorry|unable|not able)|i apologi[sz]e|unfortunately\b"
    r"|i (?:can ?not|can['’]t|could not|couldn['’]t|do not|don['’]t)\b)"
    r"|\bas an ai\b|\bi(?: am|['’]m)(?: \w+)? an ai\b|\b(?:ai|language) model\b",
    re.IGNORECASE,
)
NOUNS = (
    r"(?:descriptions?|descriptors?|sentences?|captions?|answers?|responses?|repl(?:y|ies)|summary"
    r"|lists?|examples?|options?|versions?|overview|breakdown|features?|characteristics|phrases?"
    r"|traits?|ways?|cues|details|attempt|prompts?|ones?)"
)
HERE = (
    rf"(?:(?:here(?:['’]s| is| are)|below (?:is|are)|the following (?:is|are))(?:\s[\w-]+){{0,4}}"
    rf"|this is(?:\s[\w-]+){{1,3}})\s{NOUNS}\b"
)
"""A few words at most lie between: captions begin with `This is` and `Here is`, too."""
OFFER = re.compile(
    r"(?:sure|certainly|of course|absolutely|definitely|okay|ok|yes|great|alright|no problem"
    r"|thanks|thank you|you['’]re welcome)\b[,.!:]"
    rf"|thank(?:s| you) for\b|{HERE}|let (?:me|us) \w+"
    r"|feel free\b|(?:i )?hope (?:this|that|it)\b|happy to\b"
    r"|i(?:['’]d| would| am|['’]m) (?:be )?(?:happy|glad)\b|i(?:['’]ll| will)\b"
    r"|would you like\b|do you (?:want|need)\b|please (?:let|note|provide|feel|specify)\b"
    r"|if you(?:(?:['’]d| would) like| have any| need| want| provide| share)\b|is there\b"
    r"|(?:good|great) (?:question|choice|luck)\b|note(?: that\b|:)|as requested\b"
    r"|based on your\b|answer (?:in|with)\b",  # the last: our own instruction, repeated
    re.IGNORECASE,
)
FILLER = re.compile(
    r"n/?a|none|nil|nothing(?: else)?|not applicable|unknown|et ?c|et cetera|(?:to be )?continued"
    r"|(?:and )?(?:(?:so )?(?:many|much) )?more|and (?:others|so on|so forth)"
    r"|(?:the )?same(?: as (?:above|before))?|(?:see|as) above|ditto",
    re.IGNORECASE,
)
"""Items of lists that say nothing."""
LABEL = re.compile(
    rf"(?:(?:(?:my|the|final|visual|brief|detailed|concise|photo|image|one-sentence|short)\s){{0,3}}"
    rf"(?:answer|response|reply|output|title"
    rf"|(?:description|caption|sentence|summary)(?:\s(?:of|for)\s[^:.!?]*)?)(?:\sis)?"
    rf"|in\s(?:one|a\ssingle)\ssentence|assistant|ai|bot|model|a"
    rf"|(?:(?:sure|certainly|of course|okay)\b[^:.?]*"
    rf"\b{NOUNS}\b[^:.!?]*)|{HERE}[^:.!?]*)\s*:(?=\s)",
    re.IGNORECASE,
)
TURN = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?(?P<role>User|Human|Question|Q|Instructions?|You|Prompt)\s*:",
    re.MULTILINE,
)
PRONOUN = re.compile(
    r"(?:it|they|he|she|we|you|there|this|that|these|those)(?![\w-])|i(?:['’]\w+)?\s", re.IGNORECASE
)
VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|may|might|will|would|should"
    r"|can(?=\s+(?!(?:and|or|of|with|for|in|on)\b)\w))\b",  # no watering can
    re.IGNORECASE,
)
RELATIVE = re.compile(
    r"\b(?:which|that|who|whose|where|when|while|as|if|because|than|how)\b", re.IGNORECASE
)
ADVERB = re.compile(r"(?:\w+ly|often|sometimes|always|never|may|can|has|not)\b", re.IGNORECASE)
"""What begins a predicate: `often has spots`, `typically white, but can be brown`."""
RELATIVE_START = re.compile(
    r"(?:which|that|who)\s+(?=(?:has|often|typically|may|can)\b)|with\s+", re.IGNORECASE
)


def first_turn(text: str, name: str) -> tuple[str, bool]:
    """Cut the text where a model goes on as its user, who may ask about something else.

    Returns:
        The rest, and whether anything was cut.
    """
    for turn in TURN.finditer(text):
        if turn["role"].casefold() != name.casefold():
            return text[: turn.start()], True
    return text, False


def without_label(sentence: str, name: str) -> str:
    """Take off introductions that end in a colon: `Caption:`, `Here is a description:`."""
    label = LABEL.match(sentence)
    if not label or label[0].rstrip(" :").casefold() == name.casefold():
        return sentence
    return sentence[label.end() :].lstrip()


def is_offer(sentence: str) -> bool:
    """Tell whether a sentence is about the talk, not about the class."""
    return bool(OFFER.match(sentence))


def is_sentence(phrase: str) -> bool:
    """Tell whether a phrase has a subject and a verb, so that it continues no `which has`."""
    if PRONOUN.match(phrase):
        return True
    verb = VERB.search(phrase)
    head = phrase[: verb.start()].strip() if verb else ""
    return bool(head) and not RELATIVE.search(head) and not ADVERB.match(head)


def without_relative(phrase: str) -> str:
    """Take off the beginning of a clause that `which has` would repeat: `with`, `which has`."""
    start = RELATIVE_START.match(phrase)
    return phrase[start.end() :] if start else phrase
