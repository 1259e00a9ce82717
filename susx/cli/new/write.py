"""Writing what `susx new` found out, once all of it is known to be valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from susx.cli.editors import modeline_like
from susx.cli.new.compose import Wishes, as_yaml, compose
from susx.cli.new.images import ImageFinding, counted
from susx.config import parse_config
from susx.config.schema import Config
from susx.core.errors import InputError, listing
from susx.core.files import atomic
from susx.core.yaml_files import CONFIG, load_yaml, merged, yaml_text
from susx.manifests.classes import class_manifest, read_class_list

SHOWN = 20
HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")


def write(wishes: Wishes, found: ImageFinding, target: Path, force: bool = False) -> Iterator[str]:
    """Write the configuration and, if nobody gave one, the class list.

    Args:
        wishes: what was asked for; its class list is written if subfolders named the classes.
        found: classes and images.
        target: the file.
        force: whether to overwrite.

    Yields:
        What was found, what was written, and what to call next, line by line.

    Raises:
        InputError: if the configuration would not be valid, or a file is there already; then
            nothing is written.
    """
    base = _base()
    sections = compose(wishes, parse_config(base, CONFIG))
    config = parse_config(merged(base, sections), str(target))
    images = config.datasets[wishes.name].images
    assert images is not None  # noqa: S101
    counts = counted(images, found.classes)
    named = Path(wishes.classes) if found.named else None
    files = [target, *([named] if named else [])]
    if target.resolve() == Path(CONFIG).resolve():
        raise InputError(f"{target}: is what the new file is merged over; name another --output")
    if not force and (there := [str(path) for path in files if path.exists()]):
        raise InputError(f"{', '.join(there)}: exists; name another --output, or give --force")

    yield f"classes: {len(found.classes)}, {listing(found.classes.names)}"
    yield from found.remarks
    for split, numbers in counts.items():
        yield from _counts(split, str(getattr(images, split)), numbers)
    yield from _models(wishes, sections.get("supports", {}))
    if named:
        _save_names(named, found.classes.names)
        yield f"wrote {named}: names of the folders, in label order"
    line = modeline_like(yaml_text(CONFIG), Path(CONFIG), target)
    _save(target, (f"{line}\n" if line else "") + as_yaml(sections))
    yield f"wrote {target}"
    yield from _commands(wishes.name, target, config, tested="test" in counts)


def _base() -> Mapping[str, object]:
    try:
        data = load_yaml(CONFIG)
    except InputError as error:
        raise InputError(
            f"{error}; call this in a folder of a project, such as `susx init` makes"
        ) from None
    if not isinstance(data, dict):
        raise InputError(f"{CONFIG}: not a mapping; see docs/config.md")
    return data


def _save(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def _save_names(path: Path, names: list[str]) -> None:
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), "utf-8")
        try:
            again = class_manifest(read_class_list(temporary), str(path)).names
        except InputError as error:
            again, reason = [], str(error).removeprefix(f"{temporary}: ")
        else:
            reason = "they are read as others"
        if again != names:
            raise InputError(
                f"{path}: the folders' names make no class list ({reason}); rename the folders, or "
                "list the names under `classes` of a configuration"
            )


def _counts(split: str, place: str, numbers: Mapping[str, int]) -> Iterator[str]:
    """Number of images, by class if there are few, and what is missing."""
    total = sum(numbers.values())
    if split == "unlabelled":
        yield f"unlabelled images: {total} below {place}"
        return
    each = sorted(numbers.values())
    yield f"{split} images: {total} in {place}, {each[0]} to {each[-1]} per class"
    if len(numbers) <= SHOWN:
        yield from (f"  {count:7,} {name}" for name, count in numbers.items())
    if empty := [name for name, count in numbers.items() if not count]:
        yield f"  without {split} images: {listing(empty)}"


def _models(wishes: Wishes, supports: Mapping[str, object]) -> Iterator[str]:
    hub = "" if Path(wishes.encoder).exists() else ", of the hub, fetched when first used"
    yield f"encoder: {wishes.encoder}{hub}"
    if wishes.pool:
        yield f"pool: {wishes.pool['path']} ({wishes.pool['layout']})"
    if wishes.synthesise:
        yield f"generated support images: preset {wishes.synthesise}; needs pip install 'susx[sd]'"
    if not supports:
        yield ("support set: none, so only methods that need none; --pool or --synthesise give one")


def _commands(name: str, target: Path, config: Config, tested: bool) -> Iterator[str]:
    result = f"{name}.json" if tested else f"{name}/predictions.parquet"
    configured = f"--configfile {shlex.quote(str(target))}"
    yield "to see what is wrong with the images, if anything:"
    yield f"  susx run check/{name}.json {configured}"
    yield "next:"
    yield f"  susx run {shlex.quote(f'{config.roots.results}/{result}')} {configured}"


def encoder_model(model: str) -> str:
    """A model as it is given, if it can be one.

    Raises:
        InputError: if it is neither there nor a hub identifier.
    """
    if Path(model).exists() or HUB.fullmatch(model) or model.startswith("hf-hub:"):
        return model
    raise InputError(
        f"{model}: not found; give a model folder, or a hub identifier such as "
        "openai/clip-vit-base-patch32"
    )
