"""Files of published features."""

from pathlib import Path

import pytest

from susx.core.errors import InputError
from susx.planning import features
from susx.planning.setup import Setup


def test_files_are_called_as_the_publisher_calls_them(setup: Setup) -> None:
    test = [f"features/shared_{kind}_test_mRN50.pt" for kind in "ft"]
    assert features.published_images(setup, "shared", "RN50", "test") == test
    assert features.published_test(setup, "shared") == test
    weights = "features/shared_zeroshot_text_weights_mRN50_pt"
    assert features.published_text(setup, "shared", "RN50", "cupl+e") == f"{weights}combined.pt"
    assert features.published_classes(setup, "shared") == f"{weights}ensemble.pt"
    assert features.published_support(setup, "shared", "RN50", "lc-photo") == [
        f"features/sus_lc_photo_shared_{kind}_mRN50.pt" for kind in "ft"
    ]


def test_what_is_not_named_or_not_there_is_told(setup: Setup) -> None:
    key = "config.yaml: datasets.shared.features"
    with pytest.raises(InputError, match=f"{key}: no texts photo of RN50 are named"):
        features.published_text(setup, "shared", "RN50", "photo")
    with pytest.raises(InputError, match=f"{key}: no images test of RN101 are named"):
        features.published_images(setup, "shared", "RN101", "test")
    Path("features/shared_f_test_mRN50.pt").unlink()
    with pytest.raises(InputError, match=f"{key}: not found: features/shared_f_test_mRN50.pt"):
        features.published_test(setup, "shared")


def test_names_of_what_is_published_constrain_the_rules(setup: Setup) -> None:
    assert features.unnamed_datasets(setup) == ["shared"]
    assert features.published_strategies(setup) == {"ensemble", "cupl", "cupl+e"}
    assert features.published_supports(setup) == {"lc-photo", "16-shot"}


def test_caches_of_features_say_where_they_come_from(setup: Setup) -> None:
    source = {"layout": "susx", "backbone": "RN50", "logit_scale": 100.0}
    assert features.feature_source(setup, "shared") == source
    assert features.published_shots(setup, "keys", "16-shot") == 16
    assert features.published_shots(setup, "shared", "lc-photo") == 1
    reference = "cache/RN50/shared/images-test.h5"
    assert features.compared_cache(setup, "shared", "RN50", "validation") == reference
    assert features.compared_cache(setup, "shared", "RN50", "test") == []
