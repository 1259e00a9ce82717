"""Lists of unequal length as tables."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from susx.methods.ragged import tables


@given(st.lists(st.integers(0, 40), max_size=30))
def test_every_list_is_in_one_table_whole_and_padded_with_its_last_entry(sizes: list[int]) -> None:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    seen = []
    for members, places in tables(torch.tensor(sizes, dtype=torch.int64)):
        for member, row in zip(members.tolist(), places.tolist(), strict=True):
            seen.append(member)
            entries = [starts[member] + i for i in range(sizes[member])]
            assert row == entries + [entries[-1]] * (len(row) - len(entries))
            assert len(row) < 2 * sizes[member]
    assert sorted(seen) == [i for i, size in enumerate(sizes) if size]
