"""Training-free methods: one small module each, one registry entry each."""

from susx.methods.base import Axis, Context, Method, Terms
from susx.methods.text import CUPL, CUPL_E, ZERO_SHOT
from susx.methods.tip_adapter import TIP_ADAPTER
from susx.methods.tip_x import TIP_X

METHODS: dict[str, Method] = {
    method.name: method for method in (ZERO_SHOT, CUPL, CUPL_E, TIP_ADAPTER, TIP_X)
}

__all__ = ["METHODS", "Axis", "Context", "Method", "Terms"]
