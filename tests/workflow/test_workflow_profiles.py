"""The profiles, with what is commented out in them."""

import re
from pathlib import Path

import pytest
import yaml

from tests.workflow.project import REPO, RESULT, Project

SLURM = REPO / "profiles/slurm/config.yaml"
SETTING = re.compile(r"^# (?=[a-z-]+:(?: [^a-z]| \w+$|$)|  )", re.MULTILINE)
JOB = r"^ *rule (\w+):\n(?: +.+\n)*? +resources: (.+)$"

pytestmark = pytest.mark.pipeline


def uncommented(folder: Path) -> dict[str, object]:
    """Write the profile for Slurm without its comment signs before settings; return it."""
    text = SETTING.sub("", SLURM.read_text("utf-8"))
    folder.mkdir()
    (folder / "config.yaml").write_text(text, "utf-8")
    settings: dict[str, object] = yaml.safe_load(text)
    return settings


def test_the_profile_for_slurm_is_accepted(fresh_project: Project) -> None:
    fresh_project.plan(RESULT, "--profile", str(SLURM.parent))


def test_what_is_commented_out_in_the_profile_for_slurm_is_accepted(
    fresh_project: Project, tmp_path: Path
) -> None:
    settings = uncommented(tmp_path / "profile")
    added = {"default-resources", "set-resources", "config", "shared-fs-usage"}

    plan = fresh_project.plan(RESULT, "--profile", str(tmp_path / "profile")).output

    assert settings.keys() - yaml.safe_load(SLURM.read_text("utf-8")).keys() == added
    assert "/scratch/me/susx/clip/tiny/images-test.h5" in plan
    lines = {rule: line for rule, line in re.findall(JOB, plan, re.MULTILINE)}
    assert all(text in lines["embed_images"] for text in ("slurm_partition=gpu", " gpu=1"))
    assert all(text in lines["evaluate"] for text in ("slurm_partition=cpu", " gpu=0"))


def test_every_rule_that_may_use_a_gpu_is_named_in_the_profile_for_slurm(tmp_path: Path) -> None:
    rules = "".join(path.read_text("utf-8") for path in (REPO / "rules").glob("*.smk"))
    may = re.findall(r"^rule (\w+):\n(?:(?:    .*)?\n)*?        gpu=[^0]", rules, re.MULTILINE)

    named = uncommented(tmp_path / "profile")["set-resources"]

    small = {"evaluate", "analyse", "export_classifier", "predict", "download_support"}
    assert set(named) == set(may) - small
