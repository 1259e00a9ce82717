"""How the page of config.yaml is ordered: the sections of each stage, and an example."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A part of the page.

    Attributes:
        title: its heading.
        text: what its sections are for.
        example: YAML of it, which the tests check.
        sections: models of the schema, in the order of the page.
    """

    title: str
    text: str
    example: str
    sections: tuple[str, ...]


STAGES = (
    Stage(
        "Classes and datasets",
        "Class names, and where the images of each split are. A [dataset of the "
        "paper](datasets.md#the-datasets-of-the-paper) needs no entry, or one that says what is "
        "different.",
        """datasets:
  pets:
    classes: my/classes.txt
    images: {test: my/test, unlabelled: my/photos}
  oxfordpets: {supports: [lc]}
""",
        ("Dataset", "DatasetDefaults", "ClassEntry", "ImageSettings", "FeatureSettings"),
    ),
    Stage(
        "Prompts and descriptions",
        "How class names become texts, and which language models [describe the "
        "classes](descriptions.md). `prompts` replaces the five strategies that there are "
        "without it: keep those that your methods need.",
        """datasets:
  pets:
    classes: my/classes.txt
    images: {test: my/test}
    descriptions: {model: small, samples: 4}
language_models:
  small: {backend: transformers, model: Qwen/Qwen3-1.7B}
prompts:
  photo: {source: template}
  ensemble: {source: ensemble}
  cupl: {source: descriptions}
  cupl+e: {source: combine, of: [ensemble, cupl]}
  visdesc: {source: descriptors}
  all: {source: combine, of: [ensemble, cupl, visdesc]}
""",
        ("Prompts", "Descriptions", "Descriptors", "TransformersModel", "OpenAIServer"),
    ),
    Stage(
        "Pools and support sets",
        "Where images [are looked for](pools.md), and [which of them](supports.md) stand for each "
        "class.",
        """pools:
  archive: {layout: folder, path: my/archive}
supports:
  lc: {source: retrieval, pool: archive, encoder: siglip2-b16, query: photo, size: 16}
  sd: {source: synthesis, preset: fast}
  few: {source: few-shot, size: 4, seeds: [1, 2, 3]}
""",
        (
            "Pool",
            "EmbeddingPool",
            "CaptionPool",
            "ServicePool",
            "DownloadSettings",
            "Retrieval",
            "FewShot",
            "Synthesis",
        ),
    ),
    Stage(
        "Encoders",
        "The models that [embed images and texts](encoders.md).",
        """encoders:
  clip-vit-b32:
    library: transformers
    model: openai/clip-vit-base-patch32
    batch_size: 64
""",
        ("EncoderSettings",),
    ),
    Stage(
        "Methods and evaluation",
        "Which [methods](methods.md) are compared, how they are tuned, and which of them becomes "
        "[a classifier file](classifier.md).",
        """evaluation:
  methods: [zero-shot, cupl+e, tip-x]
  supports: [lc]
  protocols: [support, fixed]
  grid:
    tip-x: {gamma: {start: 0, stop: 2, steps: 50}}
  batches:
    small: {draw: few-classes, size: 64, classes: [1, 4]}
classifier: {method: tip-x, support: lc, protocol: support}
""",
        ("EvaluationSettings", "AxisSettings", "FewClasses", "Stream", "ClassifierSettings"),
    ),
    Stage(
        "Report",
        "How much [a report](report.md) shows.",
        """report: {examples: 20, thumbnail: 128}
""",
        ("ReportSettings",),
    ),
    Stage(
        "Folders",
        "Where files are written, and where datasets are looked for.",
        """roots: {data: /datasets, cache: /scratch/cache}
""",
        ("Roots",),
    ),
    Stage(
        "Dataset cards",
        "A file per dataset. `datasets.{name}.card` names it, or a built-in card.",
        """title: Pets
licence: CC BY 4.0
classes: [Maine Coon, Sphynx, beagle]
expected: {test: 300}
sources:
- {name: folders, layout: class-folders, splits: {test: test}}
""",
        (
            "Card",
            "Every source",
            "ClassFolders",
            "CsvLists",
            "ParquetShards",
            "WebdatasetShards",
            "CoopSplit",
            "IlsvrcPlaces",
            "CifarBatches",
            "CubLists",
            "FgvcLists",
        ),
    ),
)
SOURCES = STAGES[-1].sections[2:]
"""The layouts of datasets, whose common keys are those of "Every source"."""
