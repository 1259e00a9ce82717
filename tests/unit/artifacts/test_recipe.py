"""Recipes and receipts."""

from susx.artifacts.recipe import Receipt, Recipe, Source


def receipt(stage: str, *packages: str) -> Receipt:
    inputs = {"packages": [Source(name, "0" * 64) for name in packages]} if packages else {}
    return Receipt(Recipe(stage, 1, {}, inputs), {})


def test_a_receipt_names_the_packages_of_all_that_led_to_it() -> None:
    before = [
        receipt("class_manifest"),
        receipt("image_manifest", "zip-files 2.1"),
        receipt("embed_images", "my-encoders 1.0"),
        receipt("embed_text", "my-encoders 1.1"),
    ]
    own = receipt("evaluate", "my methods 0.3")
    tree = {one.recipe.key: one for one in before}
    whole = Receipt(own.recipe, {}, {}, tree)
    assert whole.packages == {
        "my methods": "0.3",
        "my-encoders": "1.0 / 1.1",
        "zip-files": "2.1",
    }
    assert receipt("collate").packages == {}
