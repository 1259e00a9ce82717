"""The configuration that a result keeps, against the one that lies there now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from susx.config.encoders import RUNS_ANYHOW
from susx.config.schema import Config
from susx.config.shown import evaluated_config

LONGEST_VALUE = 40
"""Characters of a value that is shown; a line of a terminal has room for two and the key."""
OF_NO_CONSEQUENCE = {("evaluation", "memory_mib")}
"""Keys that only say how a run runs, besides those of encoders."""


def config_changes(kept: Mapping[str, Any], dataset: str, config: Config) -> Iterator[str]:
    """What of a configuration is not what made a result, one line per key.

    Args:
        kept: what the result keeps.
        dataset: of the result.
        config: the configuration now, which has that dataset.

    Raises:
        InputError: if the dataset's card is missing or broken.
    """
    now = json.loads(json.dumps(evaluated_config(config, dataset)))
    for key, then, value in _differences(kept, now, ()):
        if key in OF_NO_CONSEQUENCE or (key[0] == "encoders" and key[-1] in RUNS_ANYHOW):
            continue
        shown = ("datasets", dataset, *key[1:]) if key[0] == "dataset" else key
        yield f"config.yaml: {'.'.join(shown)} {_change(then, value)}"


def _differences(then: Any, now: Any, key: tuple[str, ...]) -> Iterator[tuple[Any, Any, Any]]:
    """Keys whose values differ, with both values; None stands for those that are not there."""
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        if then != now:
            yield key, then, now
        return
    for name in dict.fromkeys([*then, *now]):
        yield from _differences(then.get(name), now.get(name), (*key, name))


def _change(then: Any, now: Any) -> str:
    shown = [json.dumps(value, ensure_ascii=False) for value in (now, then)]
    if any(isinstance(value, dict | list) for value in (then, now)) or any(
        len(text) > LONGEST_VALUE for text in shown
    ):
        return "is new" if then is None else "is not there any more" if now is None else "changed"
    return "is {}, was {}".format(*shown)
