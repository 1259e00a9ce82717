"""What a file of the pipeline is, printed for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from susx.core.errors import InputError, listing
from susx.core.plain import plain
from susx.core.rounding import decimal
from susx.evaluation.table import escape
from susx.evaluation.tuning_words import tuned_on_words, tuning_sentence

if TYPE_CHECKING:
    from susx.manifests.tables import Table as PredictionTable

ROWS = 20


def show(path: str | Path, rows: int = ROWS, console: Console | None = None) -> None:
    """Print the path of a file of the pipeline, and what it holds or is.

    Args:
        path: the file; its suffix says what it is.
        rows: rows of a table of images, at most.
        console: where to print; stderr if left out.

    Raises:
        InputError: if the file is none of the pipeline, or broken.
    """
    from susx.cli.show_intermediate import other_kind

    file, console = Path(path), console or Console(stderr=True)
    require_shown(file)
    if other := other_kind(file):
        console.print(f"{escape(str(path))}: {other}")
        return
    console.print(Text(plain(str(path))), soft_wrap=True)
    KINDS[file.suffix](file, rows, console)


def require_shown(file: Path) -> None:
    """Look whether a file may be one of the pipeline.

    Raises:
        InputError: if it is missing, or of none of the kinds.
    """
    from susx.cli.show_intermediate import OTHERS, other_kind

    if not file.is_file():
        raise InputError(f"{file}: {'a folder' if file.is_dir() else 'file not found'}")
    if not other_kind(file) and file.suffix not in KINDS:
        raise InputError(f"{file}: none of the pipeline's files, {listing([*KINDS, *OTHERS], 9)}")


def percent_text(share: float) -> str:
    """A probability in percent."""
    return decimal(100 * share)


def print_facts(title: str, pairs: Iterable[tuple[str, Any]], console: Console) -> None:
    """Print named facts, one per line."""
    console.print(title)  # a title of the table would be as narrow as that
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in pairs:
        if value not in (None, "", {}):
            table.add_row(name, escape(str(value)))
    console.print(table)


def _json(path: Path, rows: int, console: Console) -> None:
    from susx.cli.show_intermediate import json_facts, read_kind
    from susx.evaluation.table import print_table

    data, is_result = read_kind(path)
    if is_result:
        print_table(path, console)
    else:
        print_facts(*json_facts(path, data), console)


def _table(path: Path, rows: int, console: Console) -> None:
    from susx.cli.show_intermediate import is_predictions, parquet_format, table_facts

    form = parquet_format(path)
    if is_predictions(form):
        _predictions(path, rows, console)
    else:
        print_facts(*table_facts(path, form), console)


def _classifier(path: Path, rows: int, console: Console) -> None:
    from susx.classifier.file import read_classifier_meta
    from susx.classifier.meta import ClassifierMeta

    meta: ClassifierMeta = read_classifier_meta(path)
    classes = listing((entry.name for entry in meta.classes), 6)
    tested = meta.tested
    accuracy = tested and f"{percent_text(tested.correct / tested.n)} % of {tested.n} images right"
    fitted = f"{meta.temperature:.3g}, fitted on {meta.calibration.temperature_on}"
    encoder = ("library", "model", "revision", "weights_sha256")
    pairs = [
        ("classes", f"{len(meta.classes)}: {classes}"),
        ("method", meta.method),
        ("text", meta.text),
        ("support", meta.support and f"{meta.support}, {len(meta.support_keys)} images"),
        ("tuned on", tuned_on_words(meta.protocol, meta.tuned_on)),
        ("values", ", ".join(f"{name} {v:.4g}" for name, v in meta.hyperparameters.items())),
        ("constants", f"of {meta.calibration.constants_on}"),
        ("temperature", fitted),
        ("test", accuracy),
        ("encoder", ", ".join(str(meta.encoder[key]) for key in encoder if meta.encoder.get(key))),
        ("versions", ", ".join(f"{name} {version}" for name, version in meta.versions.items())),
    ]
    print_facts(f"classifier of {escape(meta.dataset)}", pairs, console)


def read_predictions(path: Path) -> PredictionTable:
    """Predictions of a folder, a `PredictionRecord` per image.

    Raises:
        InputError: if the file is damaged, or of another version.
    """
    from susx.classifier.predictions import PredictionRecord
    from susx.manifests.tables import read_table

    try:
        return read_table(path, PredictionRecord)
    except InputError:
        raise InputError(f"{path}: not predictions of this version of susx, or damaged") from None


def _predictions(path: Path, rows: int, console: Console) -> None:
    table = read_predictions(path)
    meta, records = table.meta, table.records
    tuning = tuning_sentence(meta["protocol"], meta["tuned_on"])
    shown = Table(
        title=f"{escape(meta['dataset'])}: {meta['n_images']} images, "
        f"{meta['n_unreadable']} unreadable",
        caption=f"{meta['method']}, {tuning}; probabilities calibrated on "
        f"{meta['calibration']['temperature_on']}",
        box=SIMPLE_HEAD,
        pad_edge=False,
        title_justify="left",
        caption_justify="left",
    )
    for column in ("image", "class", "%", "then", "voted most"):
        shown.add_column(column, justify="right" if column == "%" else "left", no_wrap=True)
    for record in records[:rows]:
        if record.reason:
            shown.add_row(escape(record.key), escape(f"unreadable: {record.reason}"))
            continue
        others = zip(record.names[1:3], record.probabilities[1:3], strict=True)
        then = ", ".join(f"{name} {percent_text(share)}" for name, share in others)
        cells = (record.key, record.names[0], percent_text(record.probabilities[0]), then)
        shown.add_row(*map(escape, (*cells, ", ".join(record.support_keys))))
    console.width = max(console.width, Console(width=1000).measure(shown).maximum)
    console.print(shown)
    if len(records) > rows:
        console.print(f"and {len(records) - rows} more; `--rows` shows others")


def _cache(path: Path, rows: int, console: Console) -> None:
    from susx.embeddings.cache import read_cache

    cache = read_cache(path)
    encoder, labels = cache.meta["encoder"], cache.labels
    known = labels[labels >= 0]
    pairs = [
        ("rows", " x ".join(map(str, cache.features.shape))),
        ("stored as", cache.features.dtype),
        ("classes", len(np.unique(known)) if len(known) else "unknown"),
        ("keys", listing(cache.keys, 3)),
        ("unreadable", cache.meta.get("n_failed")),
        ("encoder", json.dumps({key: encoder[key] for key in list(encoder)[:4]})),
        ("logit scale", cache.meta.get("logit_scale")),
        ("class list", str(cache.meta.get("classes_sha256", ""))[:12]),
    ]
    print_facts("embedding cache", pairs, console)


KINDS: dict[str, Callable[[Path, int, Console], None]] = {
    ".json": _json,
    ".safetensors": _classifier,
    ".parquet": _table,
    ".h5": _cache,
}
"""What prints a file, by its suffix."""
