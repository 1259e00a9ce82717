"""The configuration: a section per module, and `parse_config`, which checks all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from susx.core.errors import InputError

if TYPE_CHECKING:
    from susx.config.schema import Config


def parse_config(data: Mapping[str, Any], file: str = "config.yaml") -> Config:
    """Validate a configuration and every reference inside it.

    Raises:
        InputError: one line per problem, each naming file and key.
    """
    from pydantic import ValidationError

    from susx.config.problems import problem_lines  # with all sections, of which a job needs one
    from susx.config.references import dangling_references
    from susx.config.schema import Config

    try:
        config = Config.model_validate(dict(data))
    except ValidationError as error:
        problems = problem_lines(error, Config)
    else:
        problems = list(dangling_references(config))
        if not problems:
            return config
    raise InputError("\n".join(f"{file}: {problem}" for problem in dict.fromkeys(problems)))
