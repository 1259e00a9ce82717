"""Which row of a result: its names, and those of few-shot draws."""

import pytest
from pydantic import TypeAdapter, ValidationError

from susx.config.supports import Support, draw_name, draws_of
from susx.evaluation.case import Case, row_of

NAMED = {"method": "tip-x", "text": "cupl", "support": "few", "protocol": "fixed"}


def test_a_draw_is_found_by_its_name() -> None:
    entries = {
        "few": {"source": "few-shot", "seeds": [3, 0]},
        "few-seed1": {"source": "few-shot", "seeds": [2]},
        "lc": {"source": "retrieval", "pool": "web"},
    }
    supports = {name: TypeAdapter(Support).validate_python(e) for name, e in entries.items()}
    draws = draws_of(supports)
    assert list(draws.values()) == [("few", 3), ("few", 0), ("few-seed1", 2)]
    assert all(draw_name(*draw) == name for name, draw in draws.items())


def test_a_case_names_the_draw_that_it_uses() -> None:
    assert Case(**NAMED, seed=3).drawn == draw_name("few", 3)
    assert Case(**NAMED).drawn == "few"
    assert Case(**NAMED | {"support": None}).drawn is None
    assert str(Case(**NAMED, seed=3)) == "tip-x cupl few-seed3 fixed"


@pytest.mark.parametrize("change", [{"protocol": "oracle"}, {"seed": 0.5}, {"encoder": "clip"}])
def test_a_case_of_no_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Case(**NAMED | change)


def test_the_row_of_a_case_has_its_seed() -> None:
    rows = [NAMED | {"encoder": "clip", "seed": seed} for seed in (None, 1, 3)]
    for row in rows:
        assert row_of({"runs": rows}, Case.of(row)) is row
    assert row_of({"runs": rows}, Case(**NAMED, seed=7)) is None
