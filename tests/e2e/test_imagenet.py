"""The mission's line, typed in a fresh clone as shipped: ImageNet from class names alone.

The hub, the web and the data are miniatures; configuration, command and formats are not.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from susx.evaluation.schema import Result, read_result
from susx.manifests.tables import ImageRecord, read_table
from tests.e2e.clone import SEARCHED, Clone, cloned
from tests.made import imagenet
from tests.made.cards import REPO, class_names, small_cards, write_images
from tests.made.hub_models import QWEN3, RN50, SD_1_4, SD_TURBO, SIGLIP2, SURPLUS, published_models
from tests.workflow.project import Outcome

RESULT = "results/imagenet.json"
COMMAND = f"snakemake --cores 2 {RESULT}"
MANIFEST = "work/imagenet/images/test.parquet"
LAYOUT = "flat with packed kit"
N_CLASSES, N_TEST, SIZE = len(imagenet.SYNSETS), len(imagenet.truth()), 16
ENCODERS = ["rn50", "siglip2-b16"]
STAGES = {
    *("class_manifest", "image_manifest", "describe_classes", "join_descriptions", "prompts"),
    *("match_captions", "download_support", "synthesise", "join_chunks"),
    *("embed_text", "embed_images", "embed_support", "evaluate", "collate"),
}
OTHERS = sorted(small_cards().keys() - {"imagenet"})

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    root = tmp_path_factory.mktemp("shipped")
    with cloned(root, published_models(root / "models")) as clone:
        imagenet.LAYOUTS[LAYOUT](clone.root / "data/imagenet")
        yield clone


@pytest.fixture(scope="module")
def first(clone: Clone) -> Outcome:
    """The first call."""
    return clone.run(COMMAND)


@pytest.fixture
def result(clone: Clone, first: Outcome) -> Result:
    return read_result(clone.root / RESULT)


def test_the_clone_differs_from_what_is_shipped_in_its_cards_alone(clone: Clone) -> None:
    assert (clone.root / "config.yaml").read_bytes() == (REPO / "config.yaml").read_bytes()
    for path in clone.root.rglob("*.*"):
        name = path.relative_to(clone.root)
        if name.parts[0] in ("susx", "rules", "workflow_scripts", "profiles") and path.is_file():
            cards = name.parts[:3] == ("susx", "datasets", "cards")
            assert (
                cards or path.suffix == ".pyc" or (path.read_bytes() == (REPO / name).read_bytes())
            ), name


def test_every_stage_runs_and_a_second_call_does_nothing(clone: Clone, first: Outcome) -> None:
    assert first.rules == STAGES
    again = clone.run(COMMAND)
    assert again.jobs == []
    assert "Nothing to be done" in again.output


def test_the_result_is_complete(result: Result) -> None:
    assert (result.n_classes, result.n_test, result.skipped) == (N_CLASSES, N_TEST, [])
    assert result.classes == small_cards()["imagenet"]["classes"]
    assert set(result.encoders) == set(ENCODERS)
    methods = result.provenance["config"]["evaluation"]["methods"]
    rows = Counter((run.encoder, run.method) for run in result.runs)
    assert set(rows) == {(encoder, method) for encoder in ENCODERS for method in methods}
    tuned = {run.protocol for run in result.runs if run.method == "tip-x"}
    assert tuned == {"validation", "support", "fixed"}
    for method in ("tip-x", "fusion"):
        assert {run.support for run in result.runs if run.method == method} == {"lc", "sd"}
    for run in result.runs:
        assert run.tuned_on == {"validation": "test", "support": "support"}.get(
            run.protocol, "nothing"
        )
        assert run.support_size == (SIZE * N_CLASSES if run.support else 0)
        assert run.correct == round(run.top1 * N_TEST / 100)


def test_every_count_adds_up(result: Result, clone: Clone) -> None:
    images = result.images["test"]
    assert (images.n_read, images.n_unreadable) == (N_TEST, 0)
    assert images.n_per_class == [imagenet.PER_CLASS["test"]] * N_CLASSES
    assert result.texts["photo"].n == N_CLASSES
    told = result.texts["cupl"].sources["descriptions"]
    card = small_cards()["imagenet"]
    assert told["n_replies"] == N_CLASSES * len(card["questions"]) * told["samples"]
    assert result.texts["cupl"].n == told["n_kept"]
    assert told["n_kept"] + sum(told["n_dropped"].values()) == told["n_replies"]
    assert told["n_dropped"].keys() <= {"duplicate"}
    assert result.texts["cupl+e"].n == result.texts["cupl"].n + result.texts["ensemble"].n

    retrieved, generated = result.supports["lc"], result.supports["sd"]
    for counts in (retrieved, generated):
        assert sum(counts.fates.values()) == counts.n_candidates
        assert counts.n_kept == counts.fates["kept"] == SIZE * N_CLASSES
        assert counts.short_classes == {}
        assert {of["kept"] for of in counts.classes.values()} == {SIZE}
    assert retrieved.n_candidates == 2 * SEARCHED * N_CLASSES
    assert retrieved.fates["refused"] == 2 * SEARCHED // 5 * N_CLASSES
    assert retrieved.fates["failed"] == sum(retrieved.failed.values()) == SEARCHED * N_CLASSES
    assert sum(retrieved.pool.values()) == (2 * SEARCHED + 1) * len(class_names(small_cards()))
    assert generated.generator is not None
    assert (generated.generator["model"], generated.generator["steps"]) == (SD_TURBO, 4)


def test_only_what_is_needed_comes_from_the_hub_and_the_web(clone: Clone, first: Outcome) -> None:
    sent = {name: repository.sent for name, repository in clone.hub.repositories.items()}
    for name, surplus in SURPLUS.items():
        assert not any(sent[name][file] for file in surplus), name
    assert sent[SD_1_4].total() == 0
    for name in (RN50, SIGLIP2, QWEN3, SD_TURBO):
        weights = {file: n for file, n in sent[name].items() if file.endswith(".safetensors")}
        files = clone.hub.repositories[name].files.values()
        assert weights == {file: len(data[file]) for file in weights for data in files}, name
    assert clone.web.robots_asked == 1
    assert not any("kept" in path for path in clone.web.asked)
    assert max(clone.web.asked.values()) == 1


def test_logs_hold_no_addresses_of_the_hub(clone: Clone, first: Outcome) -> None:
    """Large files lie behind signed ones."""
    logs = list((clone.root / "logs").rglob("*.log"))
    assert len(logs) == len(first.jobs)
    assert not [path for path in logs if clone.hub.endpoint in path.read_text("utf-8")]


EDITS: list[tuple[str, str, set[str]]] = [
    ("    - gda\n", "", {"evaluate", "collate"}),
    ("{model: qwen3, samples: 4}", "{model: qwen3, samples: 3}", STAGES - {
        "class_manifest", "image_manifest", "match_captions", "download_support", "embed_images"
    }),
    ("  supports: [lc, sd]", "  supports: [lc]", {"evaluate", "collate"}),
]  # fmt: skip
"""A line of the configuration, what it is changed to, and what hangs on it."""


@pytest.mark.parametrize(("line", "edited", "rules"), EDITS, ids=["method", "samples", "supports"])
def test_after_an_edit_only_what_hangs_on_it_is_made_again(
    clone: Clone, first: Outcome, line: str, edited: str, rules: set[str]
) -> None:
    with edited_config(clone, line, edited):
        assert clone.run(f"{COMMAND} --dry-run").rules == rules


@pytest.mark.long
def test_an_edit_makes_what_hangs_on_it_and_nothing_else(clone: Clone, first: Outcome) -> None:
    line, edited, rules = EDITS[0]
    before, stored = accuracies(clone), objects(clone)
    with edited_config(clone, line, edited):
        outcome = clone.run(COMMAND)
        assert outcome.rules == rules
        assert Counter(job.rule for job in outcome.jobs) == {"evaluate": 2, "collate": 1}
        made = {path.parent.name for path in objects(clone) - stored}
        assert made <= rules
        left = {row: top1 for row, top1 in before.items() if "gda" not in row}
        assert accuracies(clone) == left and len(left) < len(before)
        assert clone.run(COMMAND).jobs == []
    back = clone.run(COMMAND)
    assert back.rules <= {"collate"}, "what was evaluated before is found again"
    assert accuracies(clone) == before


@contextmanager
def edited_config(clone: Clone, line: str, edited: str) -> Iterator[None]:
    """Change a line of the configuration for a while."""
    config = clone.root / "config.yaml"
    shipped = config.read_text("utf-8")
    assert shipped.count(line) == 1
    config.write_text(shipped.replace(line, edited), "utf-8")
    try:
        yield
    finally:
        config.write_text(shipped, "utf-8")


def accuracies(clone: Clone) -> dict[tuple[str | None, ...], float]:
    """Accuracy of every row of the result."""
    runs = read_result(clone.root / RESULT).runs
    rows = {(run.encoder, run.method, run.text, run.support, run.protocol): run for run in runs}
    assert len(rows) == len(runs)
    return {row: run.top1 for row, run in rows.items()}


def objects(clone: Clone) -> set[Path]:
    """What stages made so far, each in a folder of its stage."""
    stores = [clone.root / root / "store" for root in ("work", "cache")]
    return {path for store in stores for stage in STAGES for path in (store / stage).glob("*")}


@pytest.mark.long
@pytest.mark.parametrize("layout", [name for name in imagenet.LAYOUTS if name != LAYOUT])
def test_imagenet_in_another_layout_is_the_same(
    clone: Clone, first: Outcome, tmp_path: Path, layout: str
) -> None:
    imagenet.LAYOUTS[layout](tmp_path / "imagenet")
    before = read_result(clone.root / RESULT)
    outcome = clone.run(COMMAND, SUSX_DATA=str(tmp_path))
    assert outcome.rules == {"image_manifest", "embed_images", "evaluate", "collate"}
    result = read_result(clone.root / RESULT)
    assert (result.n_test, result.skipped) == (N_TEST, [])
    assert result.images["test"].n_per_class == before.images["test"].n_per_class
    assert len(result.runs) == len(before.runs)
    assert_true_labels(clone, layout)


def assert_true_labels(clone: Clone, layout: str) -> None:
    """Expect every image in the class that the publisher says."""
    wnids = small_cards()["imagenet"]["wnids"]
    records = read_table(clone.root / MANIFEST, ImageRecord).records
    found = Counter((record.sha256, wnids[record.label]) for record in records)
    pictures = imagenet.validation_pictures()
    assert found == Counter((picture.sha256, picture.synset.wnid) for picture in pictures), layout


LIGHT = """\
evaluation: {encoders: [siglip2-b16], supports: [], methods: [zero-shot]}
"""
"""What takes no language model and draws nothing, so that all datasets together take a minute."""


@pytest.mark.long
def test_the_other_datasets_are_planned_as_imagenet_is_and_classified(
    clone: Clone, first: Outcome
) -> None:
    for name in OTHERS:
        write_images(clone.root / "data" / name, name)
    results = " ".join(f"results/{name}.json" for name in OTHERS)
    planned = clone.run(f"snakemake --cores 2 --dry-run {results}")
    assert planned.rules >= STAGES
    jobs = Counter(job.rule for job in planned.jobs)
    assert (jobs["collate"], jobs["evaluate"]) == (len(OTHERS), len(ENCODERS) * len(OTHERS))
    assert (jobs["join_chunks"], jobs["download_support"]) == (len(OTHERS), len(OTHERS))

    (clone.root / "light.yaml").write_text(LIGHT, "utf-8")
    clone.run(f"snakemake --cores 2 {results} --configfile light.yaml")
    for name in OTHERS:
        result = read_result(clone.root / f"results/{name}.json")
        expected = small_cards()[name]["expected"]["test"]
        assert (result.n_test, result.skipped, len(result.runs)) == (expected, [], 1), name
        assert len(set(result.images["test"].n_per_class)) == 1, name
