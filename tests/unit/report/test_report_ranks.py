"""Means and ranks over datasets."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.evaluation.ranks import signed_rank_p
from susx.evaluation.schema import Result
from susx.report.lines import summary_lines
from susx.report.ranking import Ranked, RankTable, rank_tables
from susx.report.results_table import result_rows
from susx.report.summary import write_summary
from tests.html_page import Page
from tests.made.result import result, run, spread


def ranked_results(accuracies: dict[str, list[float]], **others: Any) -> list[Result]:
    """A result per dataset, with zero-shot and the classifiers that are named."""
    n = len(next(iter(accuracies.values())))
    return [
        Result.model_validate(
            result(
                *(
                    run(method=name, top1=values[i], **others.get(name, {}))
                    for name, values in accuracies.items()
                    if values[i] is not None
                ),
                dataset=f"set {i}",
            )
        )
        for i in range(n)
    ]


def tables_of(results: list[Result]) -> list[RankTable]:
    return rank_tables(summary_lines([result_rows(r) for r in results]), len(results))


SIX = {
    "zero-shot": [50.0, 60.0, 70.0, 80.0, 40.0, 30.0],
    "cupl": [51.0, 62.0, 69.0, 84.0, 45.0, 36.0],
    "tip-x": [52.0, 64.0, 73.0, 89.0, 51.0, 37.0],
}
TUNED = {"tip-x": {"support": "lc", "protocol": "fixed"}}


def test_differences_that_rounding_tells_apart_are_equal() -> None:
    reference = [0.1, 0.7, 30.1, 60.3, 70.7, 80.9, 10.0]
    gains = [0.2, -0.2, 1.0, 2.0, 3.0, 4.0, 5.0]
    raised = [of + gain for of, gain in zip(reference, gains, strict=True)]
    assert raised[0] - reference[0] != reference[1] - raised[1]
    names = {"cupl": reference, "zero-shot": [0.0] * 7, "tip-x": raised}
    (table,) = tables_of(ranked_results(names, **TUNED))
    p = next(one.p for one in table.ranked if one.row.method == "tip-x")
    assert table.reference is not None
    assert table.reference.method == "cupl"
    assert p == signed_rank_p([gains, [-of for of in reference]])[0]


def test_classifiers_are_ranked_against_the_best_texts() -> None:
    (table,) = tables_of(ranked_results(SIX, **TUNED))
    assert table.reference is not None
    assert (table.encoder, table.reference.method, table.n_datasets) == ("clip", "cupl", 6)
    assert [row.row.method for row in table.ranked] == ["tip-x", "cupl", "zero-shot"]
    best, reference, zero_shot = table.ranked
    assert (best.rank, best.wins, best.losses) == (1.0, 6, 0)
    assert best.p == pytest.approx(2 * 2 / 64)  # the least of six datasets, for two classifiers
    assert (reference.p, reference.wins) == (None, None)
    assert (zero_shot.rank, zero_shot.wins, zero_shot.losses) == (pytest.approx(17 / 6), 1, 5)
    assert (table.n_partial, table.n_on_test) == (0, 0)


def test_what_cannot_be_ranked_is_counted() -> None:
    some: dict[str, Any] = {**SIX, "gda": [None, *SIX["tip-x"][1:]], "ape": SIX["tip-x"]}
    tuned = {**TUNED, "ape": {"support": "lc", "protocol": "validation", "tuned_on": "test"}}
    (table,) = tables_of(ranked_results(some, **tuned))
    assert [row.row.method for row in table.ranked] == ["tip-x", "cupl", "zero-shot"]
    assert (table.n_partial, table.n_on_test) == (1, 1)


def test_one_dataset_or_two_classifiers_have_no_ranks() -> None:
    assert tables_of(ranked_results({name: v[:1] for name, v in SIX.items()})) == []
    assert tables_of(ranked_results({name: SIX[name] for name in ("cupl", "tip-x")})) == []


@pytest.mark.parametrize("n", [2, 6])
def test_the_page_has_the_ranks(tmp_path: Path, n: int) -> None:
    some = {name: values[:n] for name, values in SIX.items()}
    path = tmp_path / "report.html"
    write_summary(str(path), [(r, None) for r in ranked_results(some, **TUNED)])
    page = Page(path.read_text("utf-8"))
    table = page.table("clip: mean rank on")
    first = table.rows()[0]
    assert first[:5] == ["tip-x", "ensemble", "lc", "fixed values", "1.00"]
    assert ("fewer than six datasets" in next(table.all("caption")).text) == (n < 6)


def test_the_mean_of_few_shot_rows_has_no_interval() -> None:
    few = {"method": "tip-x", "support": "few", "protocol": "fixed"}
    made = [
        Result.model_validate(
            result(run(), run(**few, seed=0), run(**few, seed=1), seeds=[spread()], dataset=name)
        )
        for name in ("a", "b")
    ]
    zero_shot, seeds = summary_lines([result_rows(r) for r in made])
    assert zero_shot.mean is not None and zero_shot.mean.interval is not None
    assert seeds.mean is not None and seeds.mean.interval is None


ROW = result_rows(Result.model_validate(result())).rows[0]
RANKS = st.lists(st.integers(4, 160).map(lambda rank: rank / 4), min_size=3, max_size=40)
"""Mean ranks on four datasets."""


def table_of(ranks: list[float], apart: float, p: float = 0.0) -> RankTable:
    ranked = [Ranked(ROW, rank, 50.0) for rank in sorted(ranks)]
    return RankTable("clip", ranked, None, 4, 0, 0, p, apart)


@given(RANKS, st.sampled_from([0.25, 1.0, 2.343, 11.7]))
def test_two_are_in_a_group_if_and_only_if_they_do_not_differ(
    ranks: list[float], apart: float
) -> None:
    table = table_of(ranks, apart)
    groups, places = table.groups, range(len(ranks))

    for one in places:
        for other in places[one + 1 :]:
            together = any(first <= one and other <= last for first, last in groups)
            near = table.ranked[other].rank - table.ranked[one].rank < apart
            assert together == near
    for (first, last), (later, longer) in pairwise(groups):
        assert first < later and last < longer


def test_nothing_is_compared_in_pairs_where_all_may_be_equally_good() -> None:
    table = table_of([1.0, 2.0, 3.0], 0.5, p=0.05)

    assert (table.differ, table.groups) == (False, [(0, 2)])
    assert table_of([1.0, 2.0, 3.0], 0.5, p=0.0499).groups == []
