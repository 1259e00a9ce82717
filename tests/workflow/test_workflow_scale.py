"""Plans of many jobs; `python -m tests.benchmarks.bench_plan` tells what they cost."""

from collections import Counter
from pathlib import Path

import pytest

from susx.config.cards import built_in_cards, load_card
from susx.manifests.names import named_classes
from tests.workflow.large_plans import ENCODERS, SEEDS, write_paper, write_pool

WITHOUT_TRAIN = {"imagenet-r", "imagenet-sketch"}

pytestmark = pytest.mark.pipeline


@pytest.mark.long
def test_all_datasets_encoders_and_support_sets_are_planned(tmp_path: Path) -> None:
    shards, cards, encoders = 3, built_in_cards(), len(ENCODERS)
    validated = [card for card in cards if load_card(card).validation == "validation"]
    chunks = sum(-(-len(named_classes(None, card, card)) // 25) for card in cards)
    drawn = 2 * len(SEEDS) * len(set(cards) - WITHOUT_TRAIN)

    planned = Counter(job.rule for job in write_paper(tmp_path / "paper", shards).plan().jobs)

    assert len(cards) == 19
    assert planned == {
        "class_manifest": 19,
        "image_manifest": 19 + len(validated) + len(set(cards) - WITHOUT_TRAIN),
        "prompts": 19 * len(("photo", "ensemble", "cupl", "cupl+e")),
        "synthesise": 2 * chunks,
        "join_chunks": 2 * 19,
        "embed_shard": shards,
        "search_shard": 2 * 19 * shards,
        "select_support": 2 * 19,
        "draw_support": drawn,
        "embed_text": 3 * 19 * encoders + 19,  # photo only searches
        "embed_images": (19 + len(validated)) * encoders,
        "embed_support": (4 * 19 + drawn) * encoders,
        "evaluate": 19 * encoders,
        "collate": 19,
    }


def test_a_pool_of_many_shards_is_planned(tmp_path: Path) -> None:
    planned = Counter(job.rule for job in write_pool(tmp_path / "pool", 300).plan().jobs)

    assert (planned["embed_shard"], planned["search_shard"]) == (300, 300)
    assert planned["select_support"] == 1
