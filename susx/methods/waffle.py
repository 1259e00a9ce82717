"""WaffleCLIP: VisDesc with random descriptors, which any descriptions should do better than."""

from susx.methods.base import Method
from susx.methods.visdesc import terms

WAFFLE = Method(
    name="waffle",
    paper="Roth et al., Waffling around for Performance: Visual Classification with Random Words "
    "and Broad Concepts, ICCV 2023",
    terms=terms,
    texts=("waffle",),
    reads="text_means",
)
