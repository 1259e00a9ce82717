"""What tables, pages and files call that which hyper-parameters were chosen on."""

from __future__ import annotations

TEST_SPLIT = "TEST SPLIT"
TUNED_ON = {
    "validation": "validation",
    "support": "support",
    "fixed": "fixed values",
    "none": "-",
    "test": TEST_SPLIT,
}
"""Words of a table, by the images that `tuned_on` names; where it names none, by the protocol."""
IN_SENTENCES = {
    "validation": "tuned on validation",
    "support": "tuned on support",
    "fixed": "fixed values",
    "none": "nothing to tune",
    "test": f"tuned on {TEST_SPLIT}",
}
"""The same where no column says `tuned on`."""


def tuning_source(protocol: str, tuned_on: str) -> str:
    """Images whose labels chose hyper-parameters; the protocol where none did."""
    return protocol if tuned_on == "nothing" else tuned_on


def tuned_on_words(protocol: str, tuned_on: str) -> str:
    """What a column `tuned on` says of a row; what a file of others names has no other words."""
    source = tuning_source(protocol, tuned_on)
    return TUNED_ON.get(source, source)


def tuning_sentence(protocol: str, tuned_on: str) -> str:
    """What a sentence says of a row, likewise."""
    source = tuning_source(protocol, tuned_on)
    return IN_SENTENCES.get(source, f"tuned on {source}")
