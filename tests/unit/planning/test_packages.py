"""What of a job's things installed packages bring."""

from pathlib import Path

import pytest

from susx.planning import packages
from susx.planning.setup import Setup
from tests.small_package import write_dist_info


def test_what_is_built_in_is_of_no_package(setup: Setup) -> None:
    encoder, support = "clip", "lc"
    assert packages.of_encoder(setup, encoder) == {}
    assert packages.of_images(setup, "tiny") == {}
    assert packages.of_pool(setup, support) == {}
    assert packages.of_shard(setup, encoder, "web") == {}
    assert packages.of_evaluation(setup) == {}
    assert packages.of_classifier(setup, "tiny") == {}
    assert packages.of_analysis(setup, "tiny") == {}


def test_nothing_of_a_package_that_is_not_used_counts(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dist_info(tmp_path, "susx-figs", "1.0", {"susx.methods": {"fig": "math:tau"}})
    monkeypatch.syspath_prepend(tmp_path)
    assert packages.of_evaluation(setup) == {}
