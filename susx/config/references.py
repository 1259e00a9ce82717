"""Names in a configuration that refer to its other parts, or to methods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from susx.config.datasets import WRITTEN
from susx.config.grids import unknown_hyperparameters
from susx.config.supports import draws_of
from susx.config.texts import Descriptions
from susx.core.errors import listing, suggestion
from susx.methods import METHODS

if TYPE_CHECKING:
    from susx.config.schema import Config, Prompts
    from susx.config.supports import Retrieval


BESIDE = {
    "datasets": ("store", "memory", "receipts", "meanings"),
    "encoders": ("store", "listings"),
}
"""Folders that lie in `work` beside those of datasets, and in `cache` beside those of encoders."""
CHOSEN = {"encoders": "encoders", "supports": "supports", "texts": "prompts"}
"""Keys of `evaluation`, and of a dataset, that choose among the entries of a section."""


def _taken_names(config: Config) -> Iterable[str]:
    """One line per name whose folder would be one that the pipeline keeps for itself."""
    for section, taken in BESIDE.items():
        for name in {*getattr(config, section)} & {*taken}:
            yield f"{section}.{name}: the pipeline has a folder of this name; choose another"
    for name, dataset in config.datasets.items():
        if dataset.features and dataset.features.backbone in BESIDE["encoders"]:
            yield (
                f"datasets.{name}.features.backbone: the pipeline has a folder of this name; "
                "choose another"
            )


def dangling_references(config: Config) -> Iterable[str]:
    """One line per name in a configuration that nothing answers to."""

    published = config.datasets and all(entry.features for entry in config.datasets.values())
    if not config.encoders and not published:
        yield "encoders: missing"
        return

    def check(key: str, names: Iterable[str], section: str) -> Iterable[str]:
        valid = getattr(config, section)
        for name in names:
            if name not in valid:
                hint = suggestion(name, valid) or f"; defined: {', '.join(valid) or 'none'}"
                yield f'{key}: no entry "{name}" under {section}{hint}'

    yield from _taken_names(config)
    describing = {f"datasets.{name}": dataset for name, dataset in config.datasets.items()}
    for place, described in {"defaults": config.defaults, **describing}.items():
        for kind in WRITTEN:
            texts = getattr(described, kind)
            written = isinstance(texts, Descriptions)
            yield from check(
                f"{place}.{kind}.model", [texts.model] if written else [], "language_models"
            )
    for name, dataset in config.datasets.items():
        for kind, section in CHOSEN.items():
            yield from check(f"datasets.{name}.{kind}", getattr(dataset, kind) or [], section)
        if features := dataset.features:
            key = f"datasets.{name}.features"
            yield from check(f"{key}.encoder", filter(None, [features.encoder]), "encoders")
            yield from check(f"{key}.text_files", features.text_files, "prompts")
            if features.backbone in config.encoders:
                yield (
                    f'{key}.backbone: "{features.backbone}" is also the name of an encoder, whose '
                    "caches it would share; rename the encoder"
                )
    for name, prompts in config.prompts.items():
        yield from check(f"prompts.{name}.of", prompts.of, "prompts")
        for part in prompts.of:
            if part in config.prompts and config.prompts[part].source == "combine":
                yield f'prompts.{name}.of: "{part}" combines others itself; list its parts instead'
        yield from check(f"prompts.{name}.pool", filter(None, [prompts.pool]), "pools")
        yield from _unlike_parts(name, config, prompts)
    for name, support in config.supports.items():
        if support.source == "few-shot":
            for drawn in draws_of({name: support}).keys() & config.supports.keys():
                yield f"supports.{drawn}: is what a draw of {name} is called; rename one of them"
            continue
        if support.source == "retrieval":
            yield from check(f"supports.{name}.pool", [support.pool], "pools")
            encoders = filter(None, [support.encoder])
            yield from check(f"supports.{name}.encoder", encoders, "encoders")
            yield from _pool_encoder(f"supports.{name}.encoder", config, support)
            yield from _unseen_columns(f"supports.{name}.refuse", config, support)
        yield from check(f"supports.{name}.query", [support.query], "prompts")
    for name, pool in config.pools.items():
        if pool.layout == "embeddings":
            yield from check(f"pools.{name}.encoder", [pool.encoder], "encoders")
    for kind, section in CHOSEN.items():
        yield from check(f"evaluation.{kind}", getattr(config.evaluation, kind) or [], section)
    yield from _method_settings(config)
    chosen = config.classifier
    for key, section in (("encoder", "encoders"), ("text", "prompts"), ("support", "supports")):
        yield from check(f"classifier.{key}", filter(None, [getattr(chosen, key)]), section)
    yield from classifier_problems(config)


def _unlike_parts(name: str, config: Config, prompts: Prompts) -> Iterable[str]:
    """Parts of a combined strategy that read the same thing must mean the same one."""
    parts = [config.prompts[part] for part in prompts.of if part in config.prompts]
    for source in dict.fromkeys(part.source for part in parts):
        if len({part.model_dump_json() for part in parts if part.source == source}) > 1:
            yield f"prompts.{name}.of: joins strategies of source `{source}` that differ; keep one"


def _pool_encoder(key: str, config: Config, support: Retrieval) -> Iterable[str]:
    """What a support set says about its encoder must fit the layout of its pool."""
    pool = config.pools.get(support.pool)
    if pool is None:
        return
    if pool.layout == "service":
        for name, default in (("select", "top"), ("max_cosine", None)):
            if support.encoder is None and getattr(support, name) != default:
                yield f"{key}: missing; `{name}` compares embeddings of the downloaded images"
        return
    if pool.layout == "embeddings":
        if support.encoder is not None:
            yield f"{key}: pools.{support.pool} names the encoder of its embeddings; remove this"
    elif support.encoder is None:
        purpose = "; it ranks the downloaded images" if pool.layout == "captions" else ""
        yield f"{key}: missing{purpose}"


def _unseen_columns(key: str, config: Config, support: Retrieval) -> Iterable[str]:
    """A limit on a column that is not read from the pool would let everything through."""
    read = getattr(config.pools.get(support.pool), "metadata_columns", None)
    if read is None:  # a service, whose answers are kept whole, or a layout of another package
        return
    if unseen := [name for name in support.refuse if name not in read]:
        yield (
            f"{key}: pools.{support.pool}.metadata_columns leaves out {listing(unseen)}, so that "
            "nothing would be refused for it; add it there, or take it out here (`refuse: {}` asks "
            "for nothing)"
        )


def _method_settings(config: Config) -> Iterable[str]:
    evaluation = config.evaluation
    for name in evaluation.methods:
        if name not in METHODS:
            hint = suggestion(name, METHODS) or f"; valid methods: {', '.join(METHODS)}"
            yield f'evaluation.methods: unknown method "{name}"{hint}'
            continue
        for text in METHODS[name].texts:
            if text not in config.prompts:
                yield f'evaluation.methods: {name} needs a prompt strategy named "{text}"'
    for section in ("grid", "fixed"):
        for problem in unknown_hyperparameters(getattr(evaluation, section)):
            yield f"evaluation.{section}.{problem}"


def classifier_problems(config: Config) -> Iterable[str]:
    """One line per name in the section that nothing answers to, or that does not fit others."""
    settings = config.classifier
    if settings.method is None:
        return
    method = METHODS.get(settings.method)
    if method is None:
        hint = suggestion(settings.method, METHODS) or f"; there are {listing(METHODS, 20)}"
        yield f'classifier.method: unknown method "{settings.method}"{hint}'
        return
    if not method.exportable:
        exportable = [name for name, known in METHODS.items() if known.exportable]
        yield (
            f"classifier.method: {method.name} learns from all images that it classifies together, "
            f"so that no file can classify others as it does; use {listing(exportable, 20)}"
        )
    if method.texts and settings.text not in (None, *method.texts):
        yield f'classifier.text: {method.name} stands for texts "{method.texts[0]}"; remove this'
    if settings.support and not method.needs_support:
        yield f"classifier.support: {method.name} uses no support set; remove this"
    if settings.protocol and not method.grid:
        yield f"classifier.protocol: {method.name} has nothing to choose; remove this"
