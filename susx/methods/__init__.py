"""Training-free methods: one small module each, one registry entry each."""

from typing import Any

from susx.core.registry import Registry
from susx.methods.ape import APE
from susx.methods.base import NEEDS, Axis, Context, Images, Method, Need, Points, Terms
from susx.methods.calip import CALIP
from susx.methods.dn import DN
from susx.methods.fusion import FUSION, FUSION_INDUCTIVE, FUSION_TEXT
from susx.methods.gda import GDA
from susx.methods.text import CUPL, CUPL_E, ZERO_SHOT
from susx.methods.tip_adapter import TIP_ADAPTER
from susx.methods.tip_x import TIP_X
from susx.methods.transclip import TRANSCLIP
from susx.methods.visdesc import VISDESC

TEXT_METHODS = (ZERO_SHOT, CUPL, CUPL_E, VISDESC, DN, CALIP, TRANSCLIP, FUSION_TEXT)
SUPPORT_METHODS = (TIP_ADAPTER, TIP_X, APE, GDA, FUSION_INDUCTIVE, FUSION)


def _problem(name: str, found: Any) -> str | None:
    if not isinstance(found, Method):
        return "is no Method"
    return None if found.name == name else f'is a Method called "{found.name}"'


METHODS: Registry[Method] = Registry(
    "method", "susx.methods", {m.name: m for m in (*TEXT_METHODS, *SUPPORT_METHODS)}, _problem
)

__all__ = [
    "METHODS",
    "NEEDS",
    "ZERO_SHOT",
    "Axis",
    "Context",
    "Images",
    "Method",
    "Need",
    "Points",
    "Terms",
]
