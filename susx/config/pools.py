"""Sections `pools` and `download` of config.yaml: where support images are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from susx.config.registered import Registered, wrong_section
from susx.config.secrets import checked_storage
from susx.config.types import Count, FilePath, Finite, Positive, Section, WithoutRepeats
from susx.core.registry import Registry, imported

Option = str | bool | int
WebUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
IndexSettings = Annotated[str, StringConstraints(pattern=r"^\w+=\d+(,\w+=\d+)*$")]

METADATA_COLUMNS = [
    *("similarity", "punsafe", "pwatermark", "NSFW", "nsfw", "LICENSE", "AESTHETIC_SCORE"),
    *("width", "height", "WIDTH", "HEIGHT", "original_width", "original_height"),
    *("clip_b32_similarity_score", "clip_l14_similarity_score"),
]
"""Columns that LAION, DataComp and clip-retrieval publish and that later selection may use."""


class Pool(Section):
    """A pool of images to retrieve support sets from; they are embedded by the pipeline."""

    layout: Literal["folder", "webdataset", "parquet"] = Field(
        description="`folder`: image files; `webdataset`: tars; `parquet`: files with image bytes."
    )
    path: FilePath = Field(
        description="The folder, or the shards: braces `{000..007}.tar` and wildcards `*` expand."
    )
    shards: Positive = Field(8, description="How many shards a `folder` is cut into.")
    image_column: str = Field("image", description="Parquet column of encoded image bytes.")
    caption_column: str = Field(
        "caption",
        description="Parquet column of captions, if any; by default also the only one called "
        "`text` or `TEXT`.",
    )
    metadata_columns: Annotated[list[str], WithoutRepeats] = Field(
        METADATA_COLUMNS,
        description="Parquet columns, or keys of the JSON beside an image of a tar, that the "
        "support manifest keeps; absent ones are skipped.",
    )


class _Columns(Section):
    url_column: str = Field(
        "url",
        description="Parquet column of image addresses; by default also the only one called `URL` "
        "or `image_url`.",
    )
    caption_column: str = Field(
        "caption",
        description="Parquet column of captions; by default also the only one called `text` or "
        "`TEXT`.",
    )
    metadata_columns: Annotated[list[str], WithoutRepeats] = Field(
        METADATA_COLUMNS,
        description="Parquet columns that the support manifest keeps; absent ones are skipped.",
    )
    storage: Annotated[dict[str, Option], BeforeValidator(checked_storage)] = Field(
        {},
        description="Options of the fsspec file system of a remote path, such as `anon: true`; "
        "secrets belong into the environment.",
    )

    @property
    def of_shards(self) -> dict[str, Any]:
        """What every shard of the pool takes over from it."""
        return self.model_dump(include=set(_Columns.model_fields))


class EmbeddingPool(_Columns):
    """A pool whose embeddings others publish, as clip-retrieval, LAION and DataComp do."""

    layout: Literal["embeddings"] = Field(description="Published embeddings, without images.")
    path: str = Field(
        description="Folder with `img_emb/*.npy` and `metadata/*.parquet`, or the .npy or .npz "
        "files: braces and wildcards expand. Local, or any fsspec URL."
    )
    metadata: str | None = Field(
        None, description="Parquet files, where `path` names files; paired with them by name."
    )
    encoder: str = Field(description="Encoder that made the embeddings; it embeds the queries.")
    array: str | None = Field(None, description="Array of .npz files, such as `l14_img`.")
    images: FilePath | None = Field(
        None,
        description="Folder of the images, where the metadata hold their paths (`image_path`, as "
        "clip-retrieval writes it) and no addresses; nothing outside of it is read.",
    )
    index: FilePath | None = Field(
        None,
        description="Index of faiss, such as `image.index`, that is searched in place of all "
        "embeddings: one of all rows, or one per part (braces and wildcards expand).",
    )
    index_probes: Positive | IndexSettings | None = Field(
        None,
        description="How thoroughly it is searched: a number of lists (`nprobe`), or settings "
        "such as `nprobe=64,efSearch=128`; by default as the file has it.",
    )


class CaptionPool(_Columns):
    """A pool of addresses and captions: class names are looked for in the captions."""

    layout: Literal["captions"] = Field(description="Addresses and captions.")
    path: str = Field(
        description="Parquet files: braces and wildcards expand. Local, or any fsspec URL."
    )


class ServicePool(Section):
    """A pool behind the HTTP API of a clip-retrieval backend."""

    layout: Literal["service"] = Field(description="A clip-retrieval backend.")
    url: WebUrl = Field(description="Its address, such as http://localhost:1234.")
    index: str = Field(description="Name of its index.")
    timeout: Positive = Field(60, description="Seconds that an answer may take as a whole.")
    retries: Count = Field(3, description="How often a failed request is repeated.")


@dataclass(frozen=True)
class WebLayout:
    """A layout whose images are downloaded: its stages are known to the rules, by its name."""

    section: type[Section]


WEB_LAYOUTS = {
    "embeddings": WebLayout(EmbeddingPool),
    "captions": WebLayout(CaptionPool),
    "service": WebLayout(ServicePool),
}
REMOTE = tuple(WEB_LAYOUTS)
"""Layouts whose images are downloaded."""
IMAGE_LAYOUT = "susx.pools.shards:PoolLayout"
"""What layouts of pools with images are."""

POOLS: Registry[Any] = Registry(
    "pool layout",
    "susx.pools",
    {
        "folder": "susx.pools.shards:FOLDER",
        "webdataset": "susx.pools.shards:WEBDATASET",
        "parquet": "susx.pools.shards:PARQUET",
        **WEB_LAYOUTS,
    },
    lambda name, found: wrong_section(name, found, imported(IMAGE_LAYOUT), Section, "layout"),
)
"""Layouts of pools by name; one entry adds one whose images the pipeline embeds."""

AnyPool = Annotated[
    Annotated[Pool | EmbeddingPool | CaptionPool | ServicePool, Field(discriminator="layout")],
    Registered(POOLS, "layout"),
]


class DownloadSettings(Section):
    """How images of pools without images are fetched."""

    wave_factor: Annotated[Finite, Field(ge=1)] = Field(
        2.0, description="Images tried per missing one in every wave."
    )
    rerank: Positive = Field(
        4,
        description="Images downloaded per wanted one, where embeddings choose among them: by "
        "an `encoder` of the support set, `select` or `max_cosine`.",
    )
    threads: Positive = Field(32, description="Images fetched at the same time.")
    timeout: Positive = Field(10, description="Seconds that an image may take, per redirection.")
    retries: Count = Field(
        1, description="How often is tried again what failed for a passing reason."
    )
    patience: Count = Field(
        300,
        description="Seconds that a run waits, in all, for hosts that ask it to (`Retry-After`, or "
        "status 429). What is left is tried by the next run.",
    )
    user_agent: str = Field(
        "susx (image retrieval)", min_length=1, description="Say here who you are."
    )
    robots: list[str] = Field(
        ["noai", "noimageai", "noindex", "noimageindex"],
        description="Directives of header X-Robots-Tag that forbid the use of an image; `none` "
        "forbids it, too, if `noindex` does.",
    )
    robots_txt: bool = Field(
        True,
        description="Whether images are left out that the robots.txt of their host disallows.",
    )
    allow_private: bool = Field(
        False,
        description="Whether private, loopback and link-local addresses may be connected to.",
    )
    max_mib: Positive = Field(20, description="Largest file, in MiB.")
    min_size: Count = Field(64, description="Shortest side, in pixels.")
    max_aspect_ratio: Annotated[Finite, Field(ge=1)] = Field(
        3.0, description="Longest side over shortest side."
    )
