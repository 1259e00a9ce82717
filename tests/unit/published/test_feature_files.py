"""Which files published features are expected in."""

from pathlib import Path
from typing import Any

import pytest

from susx.config import parse_config
from susx.config.features import FeatureSettings
from susx.core.errors import InputError
from susx.published.files import feature_files, require

SUSX: dict[str, Any] = {"layout": "susx", "root": "published", "backbone": "ViT-B32"}
TIP: dict[str, Any] = {
    "layout": "tip-adapter",
    "root": "tip",
    "backbone": "RN50",
    "text_files": {"ensemble": "text.pt"},
}
ENCODERS = {"clip": {"library": "transformers", "model": "m"}}


def config(features: Any, **dataset: Any) -> dict[str, Any]:
    return {"datasets": {"caltech101": {"features": features, **dataset}}}


def parsed(features: Any, **dataset: Any) -> FeatureSettings:
    found = parse_config(config(features, **dataset)).datasets["caltech101"].features
    assert found is not None
    return found


def message(data: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        parse_config(data)
    return str(error.value)


def test_susx_names_are_those_of_the_authors() -> None:
    features = parsed(
        {**SUSX, "support": ["lc-photo", "sd-cupl"], "text": ["ensemble", "combined"]}
    )
    files = feature_files("caltech101", features)
    assert files.images == {
        "test": (
            "published/caltech101_f_test_mViT-B32.pt",
            "published/caltech101_t_test_mViT-B32.pt",
        ),
        "validation": (
            "published/caltech101_f_val_mViT-B32.pt",
            "published/caltech101_t_val_mViT-B32.pt",
        ),
    }
    assert files.supports == {
        "lc-photo": (
            "published/sus_lc_photo_caltech101_f_mViT-B32.pt",
            "published/sus_lc_photo_caltech101_t_mViT-B32.pt",
        ),
        "sd-cupl": (
            "published/sus_sd_cupl_caltech101_f_mViT-B32.pt",
            "published/sus_sd_cupl_caltech101_t_mViT-B32.pt",
        ),
    }
    assert files.texts == {
        "ensemble": "published/caltech101_zeroshot_text_weights_mViT-B32_ptensemble.pt",
        "cupl+e": "published/caltech101_zeroshot_text_weights_mViT-B32_ptcombined.pt",
    }


def test_tip_adapter_names_are_those_of_its_caches() -> None:
    files = feature_files("caltech101", parsed({**TIP, "shots": [1, 16]}))
    assert files.images["validation"] == ("tip/caches/caltech101/val_f.pt",
                                          "tip/caches/caltech101/val_l.pt")  # fmt: skip
    assert files.supports == {
        f"{k}-shot": (
            f"tip/caches/caltech101/keys_{k}shots.pt",
            f"tip/caches/caltech101/values_{k}shots.pt",
        )
        for k in (1, 16)
    }
    assert files.shots == {"1-shot": 1, "16-shot": 16}
    assert files.texts == {"ensemble": "text.pt"}


def test_the_publishers_name_of_a_dataset_may_differ() -> None:
    susx = feature_files("caltech101", parsed({**SUSX, "name": "caltech-101"}))
    assert susx.images["test"][0] == "published/caltech-101_f_test_mViT-B32.pt"
    tip = feature_files("caltech101", parsed({**TIP, "name": "caltech-101"}))
    assert tip.images["test"][1] == "tip/caches/caltech-101/test_l.pt"


def test_one_name_is_a_list_of_one() -> None:
    features = parsed({**SUSX, "support": "lc-photo", "text": "cupl"})
    assert (features.support, features.text) == (["lc-photo"], ["cupl"])


def test_neither_encoders_nor_class_names_are_needed() -> None:
    found = parse_config(config(SUSX))
    assert found.encoders == {}
    assert not found.datasets["caltech101"].named


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({**SUSX, "layout": "tip"}, "features.layout: Input should be 'susx' or 'tip-adapter'"),
        ({**SUSX, "suport": "lc-photo"}, 'features.suport: unknown key; did you mean "support"?'),
        ({**SUSX, "support": "lc_photo"}, "features.support.0: Input should be 'lc-photo', "),
        ({**SUSX, "support": ["lc-photo"] * 2}, 'features.support: "lc-photo" is listed twice'),
        ({**SUSX, "text": []}, "features.text: List should have at least 1 item"),
        ({**SUSX, "backbone": "ViT-B/32"}, "features.backbone: String should match pattern"),
        ({**SUSX, "logit_scale": 0.0}, "features.logit_scale: Input should be greater than 0"),
        ({**SUSX, "shots": [1]}, "features: `shots` is a key of layout `tip-adapter`; remove it"),
        ({**TIP, "text": "cupl"}, "features: `text` is a key of layout `susx`; remove it"),
        ({**TIP, "shots": [0]}, "features.shots.0: Input should be greater than 0"),
        ({**TIP, "text_files": {}}, "features: give `encoder` (texts are embedded) or"),
        ({**TIP, "encoder": "clip"}, "features: give `encoder` (texts are embedded) or"),
        ({**TIP, "text_files": {"ensmble": "t.pt"}},
         'features.text_files: no entry "ensmble" under prompts; did you mean "ensemble"?'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(features: Any, says: str) -> None:
    text = message(config(features))
    assert text.startswith(f"config.yaml: datasets.caltech101.{says}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("features", "dataset", "says"),
    [
        ({"encoder": "clip"}, {}, ": give `classes` (a list or a text file) or `card`"),
        ({"encoder": "clip", "logit_scale": 50.0}, {}, ".features: `logit_scale` is that of"),
        ({"encoder": "clap"}, {"classes": ["cat"]}, '.features.encoder: no entry "clap" under enc'),
        ({"encoder": "clip", "backbone": "clip"}, {"classes": ["cat"]},
         '.features.backbone: "clip" is also the name of an encoder'),
    ],
)  # fmt: skip
def test_texts_from_an_encoder_need_it_and_class_names(
    features: Any, dataset: Any, says: str
) -> None:
    base = {key: value for key, value in TIP.items() if key != "text_files"}
    data = config({**base, **features}, **dataset) | {"encoders": ENCODERS}
    assert message(data).startswith(f"config.yaml: datasets.caltech101{says}")


@pytest.mark.parametrize(
    "dataset", [{}, {"features": SUSX, "images": {"test": "photos"}}], ids=["none", "both"]
)
def test_images_or_features_but_not_both(dataset: Any) -> None:
    data = {"datasets": {"pets": {"classes": ["cat"], **dataset}}, "encoders": ENCODERS}
    assert (
        message(data) == "config.yaml: datasets.pets: give `images` or `features`, one of the two"
    )


def test_images_need_an_encoder() -> None:
    data = {"datasets": {"pets": {"classes": ["cat"], "images": {"test": "photos"}}}}
    assert message(data) == "config.yaml: encoders: missing"


def test_a_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    there = tmp_path / "caltech101_f_test_mViT-B32.pt"
    there.touch()
    assert require(str(there), "key") == str(there)
    wanted = tmp_path / "caltech101_f_test_mViT-B16.pt"
    with pytest.raises(InputError) as error:
        require(str(wanted), "config.yaml: key")
    assert str(error.value) == (
        f"config.yaml: key: not found: {wanted}; did you mean "
        '"caltech101_f_test_mViT-B32.pt"?'
    )  # fmt: skip


def test_a_missing_folder_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "caches/caltech101").mkdir(parents=True)
    with pytest.raises(InputError, match=r'caches/caltech/test_f\.pt; did you mean "caltech101"\?'):
        require(str(tmp_path / "caches/caltech/test_f.pt"), "key")


def test_where_nothing_is_near_the_folder_is_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"x.pt; {tmp_path} holds nothing"):
        require(str(tmp_path / "x.pt"), "key")
    (tmp_path / "notes").touch()
    with pytest.raises(InputError, match='holds "notes"'):
        require(str(tmp_path / "x.pt"), "key")
