"""The account of a support set's candidates."""

from dataclasses import replace

import pytest

from susx.manifests.classes import class_manifest
from susx.manifests.tables import SupportRecord
from susx.support.account import (
    GARBLED_CANDIDATES,
    MOST_REASONS,
    grouped,
    grouped_counts,
    is_left_out,
    support_account,
)

CLASSES = class_manifest(["zebra", "ant", "mouse"])


def record(label: int, reason: str, caption: str = "") -> SupportRecord:
    place = (f"{label}", label, CLASSES.names[label], 0, 0.0, "test", "", caption, "", 0, 0)
    return SupportRecord(*place, kept=not reason, reason=reason)


@pytest.mark.parametrize(
    ("reason", "group"),
    [
        ("HTTP Error 404: Not Found", "HTTP Error 404: Not Found"),
        ("HTTP Error 404: gone for ever, see http://x", "HTTP Error 404: Not Found"),
        ("HTTP Error 302: Found - Redirection to url 'file:///x'", "HTTP Error 302: Found"),
        ("HTTP Error 499: odd", "HTTP Error 499"),
        ("too small (20 x 200)", "too small"),
        ("10.0.0.7 is not a public address", "is not a public address"),
        ("fe80::1 is not a public address", "is not a public address"),
        ("IncompleteRead(900 bytes read, 77 more expected)", "IncompleteRead"),
        ("unknown url type: 'abc'", "unknown url type"),
        ("nonnumeric port: '8x'", "nonnumeric port"),
        ("larger than 1048576 bytes", "larger than N bytes"),
        ("not readable: OSError: image file is truncated (7 bytes not processed)",
         "not readable: OSError: image file is truncated"),
        ("'x'", "no reason given"),
    ],
)  # fmt: skip
def test_reasons_are_grouped_without_what_is_of_one_failure_only(reason: str, group: str) -> None:
    assert grouped(reason) == group


def test_thousands_of_failures_are_few_reasons_that_add_up() -> None:
    failures = [f"http://h{i}.example/a: refused by h{i}.example ({i})" for i in range(4000)]
    assert grouped_counts(failures) == {"refused by": 4000}
    letters = [f"odd {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(300)]
    counts = grouped_counts([*letters, "usual", "usual"])
    assert next(iter(counts.items())) == ("usual", 2)
    assert len(counts) == MOST_REASONS + 1
    assert sum(counts.values()) == 302


def test_every_candidate_has_one_fate_per_class_and_in_all() -> None:
    zebra = ["", "", "outranked", "surplus", "duplicate", "refused: punsafe", "not tried"]
    ant = ["HTTP Error 404: Not Found", "timed out", "disagrees", "flagged by the safety checker"]
    records = [*(record(0, reason) for reason in zebra), *(record(1, reason) for reason in ant)]
    counts = support_account(records, CLASSES, 2, {"searched": 11})
    assert counts["classes"]["ant"] == {"disagrees": 1, "flagged": 1, "failed": 2}
    assert counts["classes"]["mouse"] == {}
    assert counts["fates"] == {
        "kept": 2, "outranked": 1, "surplus": 1, "duplicate": 1, "refused": 1, "disagrees": 1,
        "flagged": 1, "failed": 2, "not tried": 1,
    }  # fmt: skip
    assert counts["failed"] == {"HTTP Error 404: Not Found": 1, "timed out": 1}
    assert (counts["n_candidates"], counts["n_kept"], counts["pool"]) == (11, 2, {"searched": 11})
    assert counts["short_classes"] == {"ant": 0, "mouse": 0}


def test_images_that_were_kept_without_the_column_of_a_limit_are_counted() -> None:
    told = ['{"NSFW": "UNLIKELY", "punsafe": 0.1}', '{"nsfw": "NO"}', '{"Punsafe": 0.9}', ""]
    records = [replace(record(0, ""), metadata=metadata) for metadata in told]
    records.append(record(0, "surplus"))
    counts = support_account(records, CLASSES, 4, {"searched": 9}, ["punsafe", "NSFW", "nsfw"])[
        "pool"
    ]
    assert counts == {
        "searched": 9,
        "kept, though the pool does not tell NSFW or nsfw": 2,
        "kept, though the pool does not tell punsafe": 3,
    }
    assert [reason for reason in counts if is_left_out(reason)] == []
    assert is_left_out("no address")


def test_candidates_with_a_garbled_caption_are_counted() -> None:
    captions = ["une fourmi", "caf\ufffd", "u\0n\0", ""]
    records = [record(1, "", caption) for caption in captions]
    assert support_account(records, CLASSES, 4, {"searched": 9})["pool"] == {
        "searched": 9,
        GARBLED_CANDIDATES: 2,
    }
