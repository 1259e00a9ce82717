"""The pipeline on real published features gives what an independent float64 oracle found."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from susx.evaluation.schema import read_result
from tests import warm
from tests.e2e.test_demo import run_of
from tests.workflow.project import REPO, clean_environment

FEATURES = REPO.parent / "shared" / "data" / "susx_features"
DATASET = "caltech101"
RESULT = f"results/{DATASET}.json"

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(
        not FEATURES.is_dir(), reason="the published feature sets are not beside this project"
    ),
]


def test_published_features_beside_the_demo(tmp_path: Path) -> None:
    shutil.copy(REPO / "config.yaml", tmp_path)
    shutil.copytree(REPO / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("data"))
    features = {
        "layout": "susx", "root": str(FEATURES), "backbone": "ViT-B32", "support": "lc-photo",
        "text": ["ensemble", "combined"],
    }  # fmt: skip
    mine = {
        "datasets": {DATASET: {"features": features}},
        "evaluation": {"methods": ["zero-shot", "cupl+e", "tip-adapter", "tip-x"]},
    }
    expected = json.loads((FEATURES / f"expected_{DATASET}.json").read_text("utf-8"))
    point = expected["tip_adapter_fixed_test_correct"]
    mine["evaluation"]["fixed"] = {
        "tip-adapter": {name: point[name] for name in ("alpha", "beta")},
        "tip-x": {name: expected["fixed_point"][name] for name in ("alpha", "beta", "gamma")},
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(mine), "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(REPO / "Snakefile")),
            *("--directory", str(tmp_path), "--cores", "2", RESULT),
            *("--configfile", "demo/config.yaml", "my.yaml"),
        ],
        cwd=tmp_path,
        env=warm.environment(clean_environment()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
    )

    assert done.returncode == 0, done.stdout
    result = read_result(tmp_path / RESULT)
    assert (result.n_test, result.n_validation) == (expected["n_test"], expected["n_val"])
    text = run_of(result, "cupl+e", "none")
    assert text.correct == round(expected["zero_shot_test"] * result.n_test)
    assert text.tuning_correct == round(expected["zero_shot_val"] * result.n_validation)
    tuned = run_of(result, "tip-x", "validation")
    assert tuned.tuning_correct == expected["best_val_correct"]
    assert tuned.hyperparameters == pytest.approx(
        {name: expected[name] for name in ("alpha", "beta", "gamma")}
    )
    assert tuned.correct / result.n_test == pytest.approx(expected["tipx_test"])
    fixed = run_of(result, "tip-x", "fixed")
    assert fixed.correct == expected["fixed_point"]["test_correct"]
    assert fixed.tuning_correct == expected["fixed_point"]["val_correct"]
    assert run_of(result, "tip-adapter", "fixed").correct == point["correct"]
