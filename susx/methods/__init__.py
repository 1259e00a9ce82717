"""Training-free methods: one small module each, one registry entry each."""

from typing import Any

from susx.core.registry import Registry
from susx.methods.adapt import ADAPT_GDA
from susx.methods.ape import APE
from susx.methods.base import (
    NEEDS,
    TEXT_FORMS,
    Axis,
    Context,
    Images,
    Method,
    Need,
    Points,
    Terms,
)
from susx.methods.calip import CALIP
from susx.methods.dmn import DMN, DMN_FS
from susx.methods.dn import DN
from susx.methods.frolic import FROLIC
from susx.methods.fusion import FUSION, FUSION_INDUCTIVE, FUSION_TEXT
from susx.methods.gda import GDA
from susx.methods.inmap import INMAP
from susx.methods.neural_priming import NEURAL_PRIMING
from susx.methods.oga import OGA
from susx.methods.onzeta import ONZETA
from susx.methods.otter import OTTER
from susx.methods.proker import PROKER
from susx.methods.real_linear import REAL_LINEAR
from susx.methods.stata import STATA
from susx.methods.tda import TDA
from susx.methods.text import CUPL, CUPL_E, REAL_PROMPT, ZERO_SHOT
from susx.methods.timo import TIMO
from susx.methods.tip_adapter import TIP_ADAPTER
from susx.methods.tip_x import TIP_X
from susx.methods.transclip import TRANSCLIP, TRANSCLIP_FS
from susx.methods.visdesc import VISDESC
from susx.methods.waffle import WAFFLE
from susx.methods.zlap import ZLAP, ZLAP_SPARSE

TEXT_METHODS = (ZERO_SHOT, CUPL, CUPL_E, VISDESC, DN, CALIP, TRANSCLIP, FUSION_TEXT)
SUPPORT_METHODS = (TIP_ADAPTER, TIP_X, APE, GDA, FUSION_INDUCTIVE, FUSION)
RIVALS = (
    *(WAFFLE, REAL_PROMPT),
    *(NEURAL_PRIMING, REAL_LINEAR, PROKER, TIMO, TRANSCLIP_FS),
    *(STATA, ZLAP, ZLAP_SPARSE, INMAP, FROLIC, OTTER, ADAPT_GDA, TDA, OGA, ONZETA, DMN, DMN_FS),
)
"""Methods that are compared only if the configuration names them."""


def _problem(name: str, found: Any) -> str | None:
    if not isinstance(found, Method):
        return "is no Method"
    return None if found.name == name else f'is a Method called "{found.name}"'


METHODS: Registry[Method] = Registry(
    "method",
    "susx.methods",
    {m.name: m for m in (*TEXT_METHODS, *SUPPORT_METHODS, *RIVALS)},
    _problem,
)

STANDARD = [method.name for method in (*TEXT_METHODS, *SUPPORT_METHODS)]
"""Methods that are compared if the configuration names none."""

__all__ = [
    "METHODS",
    "NEEDS",
    "STANDARD",
    "TEXT_FORMS",
    "ZERO_SHOT",
    "Axis",
    "Context",
    "Images",
    "Method",
    "Need",
    "Points",
    "Terms",
]
