"""Image-text encoders: one contract, one registry entry per library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from susx.core.errors import InputError
from susx.core.registry import imported

if TYPE_CHECKING:
    from collections.abc import Callable

    from susx.config.encoders import EncoderSettings
    from susx.encoders.protocol import Encoder


def load_encoder(settings: EncoderSettings) -> Encoder:
    """Load an encoder, and embed an image and two texts with it.

    Raises:
        InputError: if the model is missing, is not of the library's format, or embeds nothing that
            can be used.
    """
    from susx.config.encoders import LIBRARIES  # which imports pydantic
    from susx.encoders.model_files import model_problem
    from susx.encoders.trial import tried  # which imports PyTorch

    if problem := model_problem(settings):
        raise InputError("encoder {} {}".format(*problem))
    load: Callable[[EncoderSettings], Encoder] = imported(LIBRARIES[settings.library].load)
    return tried(load(settings), settings.compile)
