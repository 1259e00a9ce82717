"""Parts of a report: costs, losses, numbers as they are written."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from susx.artifacts.recipe import Receipt, Recipe
from susx.artifacts.store import Store
from susx.core.errors import InputError
from susx.evaluation.schema import Difference, Result
from susx.report import drawn
from susx.report.costs import StageCost, method_costs, stage_costs
from susx.report.losses import MOST_DETAILS, losses
from susx.report.origin import configuration
from susx.report.render import duration, mebibytes, p_value, signed, verdict
from susx.support.account import GARBLED_CANDIDATES, GARBLED_ROWS
from tests.made.result import difference, image_counts, result, run, support_counts


def kept(store: Store, stage: str, name: str, took: dict[str, float] | None) -> Receipt:
    """An object of a store, and what its job took; not in the store if that is None."""
    receipt = Receipt(Recipe(stage, 1, {"name": name}, {}), {}, {"took": took})
    if took is not None:
        with store.making() as folder:
            store.add(folder, receipt)
    return Receipt(receipt.recipe, {})


def test_costs_are_those_of_what_the_result_stands_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    quick = {"seconds": 2.0, "cpu_seconds": 1.0, "peak_mib": 100.0}
    slow = {"seconds": 3.5, "cpu_seconds": 2.0, "peak_mib": 90.0}
    behind = [
        kept(store, "embed_text", "photo", quick),
        kept(store, "embed_text", "cupl", slow),
        kept(store, "embed_text", "gone", None),
        kept(store, "embed_images", "gone", None),
    ]
    kept(store, "embed_text", "of another result", {**slow, "seconds": 999.0})
    tree = {receipt.recipe.key: receipt for receipt in behind}
    own = Receipt(Recipe("collate", 1, {}, {}), {}, {}, tree)
    stands = result()
    stands["provenance"]["identity"] = own.identity

    assert stage_costs(Result.model_validate(stands), ["nowhere", str(store.root)]) == [
        StageCost("embed_text", 3, 2, 5.5, 3.5, 3.0, 100.0),
        StageCost("embed_images", 1, 0, 0.0, 0.0, 0.0, 0.0),
    ]


def test_a_result_that_names_no_artifacts_has_no_costs() -> None:
    assert stage_costs(Result.model_validate(result()), []) == []


def test_time_of_a_method_is_that_of_its_runs() -> None:
    again = run(text="photo", seconds=2.0, peak_mib=30)
    rows = [run(seconds=1.5, peak_mib=10), again, run(method="cupl")]

    costs = method_costs(Result.model_validate(result(*rows)))

    assert [(c.method, c.n, c.seconds, c.peak_mib) for c in costs] == [
        ("zero-shot", 2, 3.5, 30),
        ("cupl", 1, 0.1, 10),
    ]


def test_nothing_is_listed_where_nothing_went_wrong() -> None:
    assert list(losses(Result.model_validate(result()))) == []


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("duplicate", "near copies"),
        ("failed", "not downloaded, unreadable or of a wrong size (of 7)"),
        ("refused", "refused for what their pool says"),
        ("flagged", "safety checker"),
        ("disagrees", "disagrees"),
    ],
)
def test_every_count_of_a_support_set_is_listed(fate: str, words: str) -> None:
    counts = support_counts(4, {"ant": {"kept": 4, fate: 3}})
    made = Result.model_validate(result(supports={"lc": counts}))

    (loss,) = losses(made)

    assert (loss.where, loss.n) == ("support set lc", 3)
    assert words in loss.what
    assert loss.details == (("HTTP Error 404: Not Found: 3",) if fate == "failed" else ())


def test_rows_that_a_pool_lost_are_listed() -> None:
    pool = {"searched": 90, "no address": 7}
    counts = support_counts(4, {"ant": {"kept": 4}}, pool=pool)
    made = Result.model_validate(result(supports={"lc": counts}))

    (loss,) = losses(made)

    assert (loss.what, loss.n) == ("rows of the pool left out: no address", 7)


def test_garbled_captions_are_told_and_not_left_out() -> None:
    pool = {"searched": 5, GARBLED_ROWS: 2, GARBLED_CANDIDATES: 1}
    counts = support_counts(4, {"ant": {"kept": 4}}, pool=pool)
    made = Result.model_validate(result(supports={"lc": counts}))
    told = [(loss.what, loss.n) for loss in losses(made)]
    assert told == [(GARBLED_ROWS, 2), (GARBLED_CANDIDATES, 1)]


def test_what_an_index_misses_is_listed() -> None:
    told = {"recall": 0.9315, "k": 40, "rows": 2000, "of": 10000, "reason": None}
    unknown = told | {"recall": None, "reason": "no embeddings beside the index"}
    index = {"a": told, "b": unknown}
    counts = support_counts(4, {"ant": {"kept": 4}}, index=index)

    (loss,) = losses(Result.model_validate(result(supports={"lc": counts})))

    assert (loss.where, loss.n) == ("support set lc", 2)
    assert loss.details == (
        "a: 93.2 % of the 40 nearest per query found, as measured on 2,000 of 10,000 rows",
        "b: recall not measured: no embeddings beside the index",
    )


@pytest.mark.parametrize("key", ["n_candidates", "n_kept", "failed", "classes"])
def test_an_account_that_does_not_add_up_is_refused(key: str) -> None:
    wrong = {"failed": {"x": 1}, "classes": {"ant": {"kept": 3}}}.get(key, 3)
    counts = support_counts(4, {"ant": {"kept": 4}}) | {key: wrong}

    with pytest.raises(ValidationError, match=f"`{key}` does not fit `fates`"):
        Result.model_validate(result(supports={"lc": counts}))


def test_what_the_listing_of_test_images_says_is_listed() -> None:
    listing = {"classes_without_folder": ["a", "b"], "n_other_files": 5, "folder": "x"}

    found = {
        loss.what: (loss.n, loss.details)
        for loss in losses(Result.model_validate(result()), listing)
    }

    assert found == {"classes without a folder": (2, ("a", "b")), "other files, ignored": (5, ())}


def test_classes_without_images_of_a_split_are_listed() -> None:
    names = ["Pug", "Boxer"]
    images = image_counts(1, classes_without_images=names)

    (loss,) = losses(Result.model_validate(result(images={"test": images})))

    assert (loss.where, loss.what) == ("test images", "classes without images")
    assert (loss.n, loss.details) == (2, ("Pug", "Boxer"))


def test_long_lists_end_with_how_many_more_there_are() -> None:
    unreadable = {f"{i}.jpg": "empty file" for i in range(MOST_DETAILS + 7)}
    images = {"test": image_counts(1, unreadable=unreadable)}

    (loss,) = losses(Result.model_validate(result(images=images)))

    assert loss.n == MOST_DETAILS + 7
    assert len(loss.details) == MOST_DETAILS + 1
    assert loss.details[-1] == "and 7 more"


def test_a_result_without_its_configuration_shows_none() -> None:
    assert configuration(Result.model_validate(result())) == ""


def test_a_configuration_of_another_version_is_shown_as_it_is() -> None:
    stored = {"config": {"dataset": {"classes": ["a"]}, "no_such_key": 1}}

    assert "no_such_key: 1" in configuration(Result.model_validate(result(provenance=stored)))


def told(mean: float, holm_p: float | None) -> Difference:
    return Difference.model_validate(difference(mean, holm_p=holm_p))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (duration(0.04), "0.0 s"),
        (duration(59.9), "59.9 s"),
        (duration(90), "1.5 min"),
        (duration(5400), "1.5 h"),
        (mebibytes(475.2), "475 MiB"),
        (mebibytes(1536), "1.5 GiB"),
        (p_value(0.0004), "< 0.001"),
        (p_value(0.45), "0.450"),
        (signed(-1.25, 2), "−1.25"),
        (signed(0, 0), "+0"),
        (verdict(told(2.0, 0.04)), "good"),
        (verdict(told(-2.0, 0.04)), "bad"),
        (verdict(told(2.0, 0.05)), ""),
        (verdict(told(2.0, None)), ""),
    ],
)
def test_numbers_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize("package", drawn.NEEDED)
def test_a_missing_package_is_named_with_what_to_do(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "find_spec", lambda name: None if name == package else object())

    with pytest.raises(InputError, match=rf"need {package}, .* pip install 'susx\[report\]'"):
        drawn.drawings(Result.model_validate(result()), [])


def test_the_pages_need_no_drawing_library() -> None:
    code = (
        "import sys, susx.report.page, susx.report.summary, susx.report.drawn\n"
        "print(sorted({'altair', 'vl_convert', 'jinja2', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
