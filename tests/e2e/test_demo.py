"""The demo as shipped: from class names to a table, offline, in the expected order."""

import subprocess
from pathlib import Path

import pytest

from susx.evaluation.schema import Result, Run, read_result
from susx.methods import STANDARD
from tests import warm
from tests.e2e.demo_project import REPORT, RESULT, copy_demo, demo_command
from tests.e2e.offline import Offline
from tests.workflow.project import clean_environment

MIN_GAIN = 2.0
DRAWN_GAIN = 0.0
FUSION_GAIN = 0.5
FEW_DRAWN, FEW = "few_drawn.yaml", 2  # gda needs two to be tuned on them
"""A file of settings, and how many images it lets draw of each class; drawing is most of a run."""

pytestmark = pytest.mark.pipeline


def run_of(result: Result, method: str, protocol: str, support: str = "lc-photo") -> Run:
    """Return the one run of a method, with a support set if it uses one."""
    (run,) = [
        r
        for r in result.runs
        if (r.method, r.protocol) == (method, protocol) and r.support in (None, support)
    ]
    return run


def demo_run(root: Path, offline: Offline, *configfiles: str) -> str:
    """Run the demo as shipped, or with other settings merged over it; its output."""
    copy_demo(root)
    (root / FEW_DRAWN).write_text(f"supports: {{sd-cupl: {{size: {FEW}}}}}\n", "utf-8")
    done = subprocess.run(
        [*demo_command(root, REPORT), *configfiles],
        cwd=root,
        env=warm.environment({**clean_environment(), **offline.env}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )

    assert done.returncode == 0, done.stdout
    assert offline.attempts == []
    assert any(".evaluate.py" in process for process in offline.processes)
    return done.stdout


def test_demo_with_few_drawn_images(tmp_path: Path, offline: Offline) -> None:
    """All but what a drawn support set is good for, without most of the drawing."""
    output = demo_run(tmp_path, offline, FEW_DRAWN)
    check(tmp_path, output, FEW)


@pytest.mark.long
def test_demo(tmp_path: Path, offline: Offline) -> None:
    """One test, because the run takes minutes."""
    output = demo_run(tmp_path, offline)
    result = check(tmp_path, output, 8)
    drawn = run_of(result, "fusion", "none", "sd-cupl").delta_vs_best_text
    assert drawn is not None
    assert drawn.mean > DRAWN_GAIN


def check(root: Path, output: str, n_drawn: int) -> Result:
    """Expect a whole run, in which so many images were drawn of each class; its result."""
    result = read_result(root / RESULT)
    check_counts(result, n_drawn)
    check_order(result)
    check_table(result, output)
    check_report(root / REPORT, output, n_drawn)
    return result


def check_counts(result: Result, n_drawn: int) -> None:
    """All images of all classes are evaluated."""
    assert (result.n_classes, result.n_test, result.n_validation) == (50, 2000, 500)
    assert result.supports["lc-photo"].n_kept == 50 * 16
    drawn = result.supports["sd-cupl"]
    assert (drawn.fates, drawn.short_classes) == ({"kept": 50 * n_drawn}, {})
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
    fusion = run_of(result, "fusion", "none")
    assert fusion.top1 >= run_of(result, "tip-x", "validation").top1 + FUSION_GAIN


def check_table(result: Result, output: str) -> None:
    """The output ends with a row per run."""
    lines = output.splitlines()
    title = "flags: 50 classes, 2000 test images"
    start = next(i for i, line in enumerate(lines) if line.startswith(title))
    table = [line.split() for line in lines[start:]]
    for run in result.runs:
        row = [run.encoder, run.method, run.text, run.support or "-"]
        assert any(cells[:4] == row and f"{run.top1:.2f}" in cells for cells in table), row


def check_report(path: Path, output: str, n_drawn: int) -> None:
    """The page has all figures and pictures, and the output ends with its place."""
    assert f"report: {REPORT}" in output
    text = path.read_text("utf-8")
    assert text.count("<figure") >= 6
    assert text.count("data:image/webp") >= 50 * (4 + 4 + min(n_drawn, 4))
    figures = [path for path in (path.parent / "figures").iterdir() if path.name[0] != "."]
    assert {path.suffix for path in figures} == {".png", ".svg"}
