"""The demo as shipped: from class names to a table, offline, in the expected order."""

import subprocess
from pathlib import Path

import pytest

from docs.generate_demo import demo_rows
from susx.evaluation.schema import Result, Run, read_result
from susx.methods import STANDARD
from tests import warm
from tests.e2e.demo_project import REPORT, RESULT, copy_demo, demo_command
from tests.e2e.offline import Offline
from tests.pages import text_of
from tests.workflow.project import clean_environment

MIN_GAIN = 2.0
DRAWN_GAIN = 0.0
FUSION_GAIN = 0.5
ROUNDED = 0.5
"""Points that a top-1 accuracy may differ by on another processor: 10 of 2,000 photos."""
pytestmark = [pytest.mark.pipeline, pytest.mark.long]


def run_of(result: Result, method: str, protocol: str, support: str = "lc-photo") -> Run:
    """Return the one run of a method, with a support set if it uses one."""
    (run,) = [
        r
        for r in result.runs
        if (r.method, r.protocol) == (method, protocol) and r.support in (None, support)
    ]
    return run


def test_demo(tmp_path: Path, offline: Offline) -> None:
    """One test, because the run takes minutes."""
    copy_demo(tmp_path)
    done = subprocess.run(
        demo_command(tmp_path, REPORT),
        cwd=tmp_path,
        env=warm.environment({**clean_environment(), **offline.env}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )

    assert done.returncode == 0, done.stdout
    assert offline.attempts == []
    assert any(".evaluate.py" in process for process in offline.processes)
    result = read_result(tmp_path / RESULT)
    check_counts(result)
    check_order(result)
    check_readme(result)
    check_table(result, done.stdout)
    check_report(tmp_path / REPORT, done.stdout)


def check_counts(result: Result) -> None:
    """All images of all classes are evaluated."""
    assert (result.n_classes, result.n_test, result.n_validation) == (50, 2000, 500)
    assert result.supports["lc-photo"].n_kept == 50 * 16
    drawn = result.supports["sd-cupl"]
    assert (drawn.fates, drawn.short_classes) == ({"kept": 50 * 8}, {})
    assert drawn.generator is not None
    assert drawn.generator["model"] == "demo/diffusion_model"
    assert all(counts.n_unreadable == 0 for counts in result.images.values())
    assert all(len(run.per_class) == 50 for run in result.runs)
    assert {run.method for run in result.runs} == set(STANDARD)
    assert result.skipped == [] or {s.method for s in result.skipped} == {"calip"}


def check_order(result: Result) -> None:
    """Descriptions beat names, and a support set beats the best texts."""
    zero_shot, cupl, both = (
        run_of(result, method, "none").top1 for method in ("zero-shot", "cupl", "cupl+e")
    )
    assert zero_shot < cupl <= both
    tip_adapter, tip_x = (
        run_of(result, method, "validation").delta_vs_best_text
        for method in ("tip-adapter", "tip-x")
    )
    assert tip_adapter is not None
    assert tip_adapter.ci95[0] > 0
    assert tip_x is not None
    assert tip_x.ci95[0] > 0
    assert tip_x.mean >= MIN_GAIN
    drawn = run_of(result, "fusion", "none", "sd-cupl").delta_vs_best_text
    assert drawn is not None
    assert drawn.mean > DRAWN_GAIN
    fusion = run_of(result, "fusion", "none")
    assert fusion.top1 >= run_of(result, "tip-x", "validation").top1 + FUSION_GAIN


def check_readme(result: Result) -> None:
    """The README shows these rows, as far as another processor rounds alike."""
    shown = [line.strip("| ").split(" | ") for line in text_of("README.md").splitlines()]
    for row in demo_rows(result):
        *names, top1, _, _ = row.split(" | ")
        (said,) = [cells for cells in shown if cells[:4] == names]
        assert float(said[4]) == pytest.approx(float(top1), abs=ROUNDED), row


def check_table(result: Result, output: str) -> None:
    """The output ends with a row per run."""
    lines = output.splitlines()
    title = "flags: 50 classes, 2000 test images"
    start = next(i for i, line in enumerate(lines) if line.startswith(title))
    table = [line.split() for line in lines[start:]]
    for run in result.runs:
        row = [run.method, run.text, run.support or "-"]
        assert any(cells[:3] == row and f"{run.top1:.2f}" in cells for cells in table), row
    assert len(lines) < 200


def check_report(path: Path, output: str) -> None:
    """The page has all figures and pictures, and the output ends with its place."""
    assert f"made: {REPORT}" in output
    text = path.read_text("utf-8")
    assert text.count("<figure") >= 6
    assert text.count("data:image/webp") >= 50 * 3 * 4
    figures = [path for path in (path.parent / "figures").iterdir() if path.name[0] != "."]
    assert {path.suffix for path in figures} == {".png", ".svg"}
