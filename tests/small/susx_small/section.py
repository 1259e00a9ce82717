"""What config.yaml says of a small encoder and of a parrot; planning imports no more of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from susx.config.encoders import EncoderSettings, Library
from susx.config.texts import Backend
from susx.config.types import Section


class SmallEncoder(EncoderSettings):
    """An encoder of few weights, in a folder that `susx_small.encoder.save` writes."""

    library: Literal["small"] = Field(description="Library that loads the model.")
    contrast: float = Field(1.0, gt=0, description="Factor on pixels.")


SMALL = Library("susx_small.encoder:load", SmallEncoder, on_hub=False)


class Parrot(Section):
    """A language model that says the same of everything."""

    backend: Literal["parrot"] = Field(description="What runs the model.")
    voice: str = Field("Everyone sees that", description="How every reply begins.")


PARROT = Backend("susx_small.parrot:load", Parrot)
