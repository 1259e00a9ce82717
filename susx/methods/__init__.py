"""Training-free methods: one small module each, one registry entry each."""

from susx.methods.ape import APE
from susx.methods.base import NEEDS, Axis, Context, Images, Method, Need, Points, Terms
from susx.methods.calip import CALIP
from susx.methods.dn import DN
from susx.methods.fusion import FUSION
from susx.methods.gda import GDA
from susx.methods.text import CUPL, CUPL_E, ZERO_SHOT
from susx.methods.tip_adapter import TIP_ADAPTER
from susx.methods.tip_x import TIP_X
from susx.methods.transclip import TRANSCLIP
from susx.methods.visdesc import VISDESC

TEXT_METHODS = (ZERO_SHOT, CUPL, CUPL_E, VISDESC, DN, CALIP, TRANSCLIP)
SUPPORT_METHODS = (TIP_ADAPTER, TIP_X, APE, GDA, FUSION)
METHODS: dict[str, Method] = {m.name: m for m in (*TEXT_METHODS, *SUPPORT_METHODS)}

__all__ = ["METHODS", "NEEDS", "Axis", "Context", "Images", "Method", "Need", "Points", "Terms"]
