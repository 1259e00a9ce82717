"""Small cards in place of those that come with the package."""

from pathlib import Path

import pytest

from susx.config import cards
from tests.made.cards import write_cards


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a test, in which small cards lie as in a checkout, and are read."""
    folder = tmp_path / "susx/datasets/cards"
    folder.mkdir(parents=True)
    write_cards(tmp_path)
    monkeypatch.setattr(cards, "CARDS", folder)
    return tmp_path
