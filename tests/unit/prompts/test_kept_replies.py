"""Replies of language models outlive the job that asked for them."""

from pathlib import Path

import pytest

from susx.prompts.kept_replies import NAME, KeptReplies
from susx.prompts.language_models import Reply, Request

REQUEST = Request("What is a zebra?", 3)
REPLY = Reply("It is\nstriped.", False, 7, 3, writer="m")


def test_a_reply_is_found_again(tmp_path: Path) -> None:
    KeptReplies(tmp_path / "parts").add(REQUEST, REPLY)
    kept = KeptReplies(tmp_path / "parts")
    assert len(kept) == 1
    assert kept.find(REQUEST) == REPLY
    assert kept.find(Request(REQUEST.question, 4)) is None
    kept.forget()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["\ud800", "\x00", "😀", ""])
def test_any_text_is_kept_as_it_is(tmp_path: Path, text: str) -> None:
    KeptReplies(tmp_path).add(REQUEST, Reply(text, True))
    assert KeptReplies(tmp_path).find(REQUEST) == Reply(text, True)


def test_malformed_replies_are_not_kept(tmp_path: Path) -> None:
    KeptReplies(tmp_path).add(REQUEST, Reply("<html>", True, malformed=True))
    assert list(tmp_path.iterdir()) == []


def test_half_a_line_costs_one_reply(tmp_path: Path) -> None:
    kept = KeptReplies(tmp_path)
    kept.add(REQUEST, REPLY)
    kept.add(Request("cut", 1), REPLY)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-9])
    again = KeptReplies(tmp_path)
    again.add(Request("new", 2), REPLY)
    found = KeptReplies(tmp_path)
    assert [found.find(r) for r in (REQUEST, Request("cut", 1), Request("new", 2))] == [
        REPLY, None, REPLY
    ]  # fmt: skip


def test_lines_of_other_things_are_no_replies(tmp_path: Path) -> None:
    lines = [b"[]", b"{}", b'{"request": {}, "reply": {}}', b'{"request": 1, "reply": 2}', b"\xff"]
    (tmp_path / NAME).write_bytes(b"\n".join(lines))
    assert len(KeptReplies(tmp_path)) == 0


def test_without_a_folder_nothing_is_kept() -> None:
    kept = KeptReplies(None)
    kept.add(REQUEST, REPLY)
    assert kept.find(REQUEST) is None
    kept.forget()
