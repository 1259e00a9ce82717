"""The printed result table."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from susx.core.errors import InputError
from susx.evaluation.schema import Result
from susx.evaluation.table import print_summary, print_table
from susx.methods import METHODS
from tests.made.result import difference, image_counts, result, run, spread, support_counts


def printed(folder: Path, made: dict[str, Any], width: int = 200) -> str:
    Result.model_validate(made)
    (folder / "pets.json").write_text(json.dumps(made), "utf-8")
    stream = io.StringIO()
    print_table(folder / "pets.json", Console(file=stream, width=width))
    return "\n".join(line.strip() for line in stream.getvalue().splitlines())


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell.strip()]


def test_table_names_dataset_columns_and_runs(tmp_path: Path) -> None:
    tuned = run(
        method="tip-x",
        text="cupl+e",
        support="lc-photo",
        protocol="validation",
        tuned_on="validation",
        delta_vs_zero_shot=difference(3.21, 1.04, -5.06),
        delta_vs_best_text=difference(-0.5, -2.0, 1.0),
    )
    lines = printed(tmp_path, result(run(), tuned)).splitlines()
    assert "pets: 37 classes, 3669 test images" in lines[0]
    head = next(line for line in lines if "top-1" in line)
    assert [cell.strip() for cell in cells(head)] == [
        "encoder", "method", "text", "support", "tuned on", "top-1", "95 % interval",
        "vs zero-shot", "vs best text", "Holm p",
    ]  # fmt: skip
    first, second = (line for line in lines if line.startswith("clip"))
    assert [cell.strip() for cell in cells(first)] == [
        "clip", "zero-shot", "ensemble", "-", "-", "61.24", "55.0 to 67.5", "-", "-", "-",
    ]  # fmt: skip
    assert [cell.strip() for cell in cells(second)] == [
        "clip", "tip-x", "cupl+e", "lc-photo", "validation", "61.24", "55.0 to 67.5",
        "+3.2 (+1.0 to -5.1)", "-0.5 (-2.0 to +1.0)", "0.906",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "tuned_on", "said"),
    [
        ("none", "nothing", "-"),
        ("fixed", "nothing", "fixed values"),
        ("validation", "validation", "validation"),
        ("support", "support", "support"),
        ("validation", "test", "TEST SPLIT"),
    ],
)
def test_table_says_what_a_run_was_tuned_on(
    tmp_path: Path, protocol: str, tuned_on: str, said: str
) -> None:
    made = result(run(method="tip-x", support="lc", protocol=protocol, tuned_on=tuned_on))
    (line,) = [x for x in printed(tmp_path, made).splitlines() if x.startswith("clip")]
    assert cells(line)[4].strip() == said


@pytest.mark.parametrize(("deviation", "said"), [(0.613, "0.61"), (None, "one seed")])
def test_runs_that_differ_in_their_seed_share_a_row(
    tmp_path: Path, deviation: float | None, said: str
) -> None:
    few = {"method": "tip-x", "support": "few", "protocol": "fixed"}
    runs = [run(**few, seed=seed, top1=70.0 + seed) for seed in range(3)]
    made = result(run(), *runs, seeds=[spread(top1_std=deviation)])
    lines = [x for x in printed(tmp_path, made).splitlines() if x.startswith("clip")]
    assert [cells(line)[1].strip() for line in lines] == ["zero-shot", "tip-x"]
    assert "71.50" in lines[1]
    assert said in lines[1]


def test_runs_that_learn_from_the_test_images_are_named_once(tmp_path: Path) -> None:
    runs = [run(method="dn", transductive=True, encoder=name) for name in ("a", "b")]
    assert printed(tmp_path, result(*runs)).count("dn: learns from all test images at once") == 1
    assert "learns from" not in printed(tmp_path, result())


@pytest.mark.parametrize(("p", "said"), [(0.0004, "< 0.001"), (0.0354, "0.035"), (None, "-")])
def test_the_p_value_of_a_row_is_that_among_all_rows(
    tmp_path: Path, p: float | None, said: str
) -> None:
    text = printed(
        tmp_path, result(run(delta_vs_best_text=difference(holm_p=p)), run(text="photo"))
    )
    (line, _) = (line for line in text.splitlines() if line.startswith("clip"))
    assert line.endswith(f"  {said}")
    told = "Holm p: McNemar's test against the best text-only row, adjusted for 1 comparison with"
    assert (told in text) == (p is not None)


def test_no_difference_is_a_dash_and_an_even_one_is_not(tmp_path: Path) -> None:
    same = run(delta_vs_zero_shot=difference(0.0, 0.0, 0.0), text="same")
    even = run(delta_vs_zero_shot=difference(0.0, -1.0, 1.0), text="even")
    text = printed(tmp_path, result(same, even))
    lines = {line.split()[2]: line for line in text.splitlines() if line.startswith("clip")}
    assert lines["same"].endswith("-")
    assert "+0.0 (-1.0 to +1.0)" in lines["even"]


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "[/nothing]", "[link=http://x]y", "a[b]c"])
def test_names_are_printed_as_they_are(tmp_path: Path, name: str) -> None:
    made = result(
        run(encoder=f"e{name}", method=f"m{name}", text=f"t{name}", support=f"s{name}"),
        dataset=f"d{name}",
        supports={f"s{name}": support_counts(2, {"ant": {"kept": 1}})},
    )
    text = printed(tmp_path, made, width=400)
    for letter in "demts":
        assert f"{letter}{name}" in text
    assert f"s{name}: 1 classes short of images" in text


def test_unreadable_images_of_all_splits_are_counted(tmp_path: Path) -> None:
    broken = image_counts(5, unreadable={"a": "x", "b": "y"})
    text = printed(tmp_path, result(images={"test": broken, "validation": broken}))
    assert "4 unreadable images left out" in text
    assert "unreadable" not in printed(tmp_path, result())


def test_classes_without_test_images_are_named(tmp_path: Path) -> None:
    images = {
        "test": image_counts(9, classes_without_images=["ant", "bee"]),
        "validation": image_counts(9, classes_without_images=["cow"]),
    }
    text = printed(tmp_path, result(images=images))
    assert 'test: 2 classes without images: "ant", "bee"; mean per class is unknown' in text
    assert 'validation: 1 class without images: "cow"' in text


def test_short_classes_are_told_only_where_there_are_any(tmp_path: Path) -> None:
    supports = {
        "lc": support_counts(2, {"ant": {"kept": 1}, "bee": {}}),
        "sd": support_counts(2, {"ant": {"kept": 2}, "bee": {"kept": 2}}),
    }
    text = printed(tmp_path, result(supports=supports))
    assert "lc: 2 classes short of images" in text
    assert "sd" not in text


def test_tuning_on_the_test_split_is_flagged(tmp_path: Path) -> None:
    text = printed(tmp_path, result(run(tuned_on="test", protocol="validation", support="lc")))
    assert " TEST SPLIT " in text
    assert "TEST SPLIT: tuned on the test images, not comparable" in text
    assert "TEST SPLIT" not in printed(tmp_path, result())


@pytest.mark.parametrize("width", [20, 60, 80])
def test_rows_are_never_cut_or_wrapped(tmp_path: Path, width: int) -> None:
    made = result(
        run(
            method="tip-adapter",
            support="a-support-set-with-a-long-name",
            delta_vs_zero_shot=difference(-10.0, -20.0, -30.0),
            delta_vs_best_text=difference(-11.0, -21.0, -31.0),
        )
    )
    (line,) = [x for x in printed(tmp_path, made, width).splitlines() if x.startswith("clip")]
    assert "a-support-set-with-a-long-name" in line
    assert line.endswith("-11.0 (-21.0 to -31.0)    0.906")


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "pets.json").write_text("{}")
    with pytest.raises(InputError, match=r"pets\.json: not a susx-result-6 file"):
        print_table(tmp_path / "pets.json")


def test_table_goes_to_the_error_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pets.json").write_text(json.dumps(result()))
    print_table(tmp_path / "pets.json")
    out, err = capsys.readouterr()
    assert (out, "pets" in err) == ("", True)


def test_reported_accuracies_stand_beside_measured_ones(tmp_path: Path) -> None:
    config = {
        "dataset": {"card": "dtd", "features": None},
        "encoders": {"clip": {"backbone": "RN50"}},
        "supports": {"few": {"source": "few-shot", "size": 16}},
    }
    tuned = {"protocol": "validation", "tuned_on": "validation"}
    few = [run(method="tip-x", support="few", seed=seed, **tuned) for seed in (0, 1)]
    made = result(run(), *few, seeds=[spread(**tuned)], provenance={"config": config})
    lines = printed(tmp_path, made).splitlines()
    head = next(line for line in lines if "top-1" in line)
    assert [cell.strip() for cell in cells(head)][-2:] == ["reported", "difference"]
    first, second = (line for line in lines if line.startswith("clip"))
    assert [cell.strip() for cell in cells(first)][-2:] == ["-", "-"]
    assert [cell.strip() for cell in cells(second)][-2:] == ["63.53", "+7.97"]
    assert any(line.startswith("reported: logs published with GDA") for line in lines)


def test_a_summary_keeps_to_80_columns_and_every_row(tmp_path: Path) -> None:
    tuned = run(
        method="neural-priming",
        text="cupl+e",
        support="a-support-set-of-a-long-name",
        protocol="validation",
        tuned_on="validation",
        delta_vs_zero_shot=difference(3.21, 1.04, 5.06),
    )
    made = result(run(), tuned)
    Result.model_validate(made)
    (tmp_path / "pets.json").write_text(json.dumps(made), "utf-8")
    stream = io.StringIO()
    print_summary(tmp_path / "pets.json", Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "+3.2" in next(line for line in lines if "neural-priming" in line)
    assert any("zero-shot" in line and "vs" not in line for line in lines)


def test_a_summary_folds_none_of_the_usual_names(tmp_path: Path) -> None:
    rows = [
        run(method=method, text="cupl+e", support="lc-photo", protocol="fixed", tuned_on="nothing")
        for method in METHODS
        if method != "real-linear-exact"  # one letter too long
    ]
    (tmp_path / "pets.json").write_text(json.dumps(result(*rows)), "utf-8")
    stream = io.StringIO()
    print_summary(tmp_path / "pets.json", Console(file=stream, width=80))
    for row in rows:
        begin = [row["method"], "cupl+e", "lc-photo", "fixed", "values"]
        assert any(line.split()[:5] == begin for line in stream.getvalue().splitlines()), begin
