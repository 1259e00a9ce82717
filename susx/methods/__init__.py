"""Training-free methods: one small module each, one registry entry each."""

from susx.methods.base import Axis, Context, Method, Points, Terms
from susx.methods.fusion import FUSION
from susx.methods.gda import GDA
from susx.methods.text import CUPL, CUPL_E, ZERO_SHOT
from susx.methods.tip_adapter import TIP_ADAPTER
from susx.methods.tip_x import TIP_X
from susx.methods.transclip import TRANSCLIP

METHODS: dict[str, Method] = {
    method.name: method
    for method in (ZERO_SHOT, CUPL, CUPL_E, TRANSCLIP, TIP_ADAPTER, TIP_X, GDA, FUSION)
}

__all__ = ["METHODS", "Axis", "Context", "Method", "Points", "Terms"]
