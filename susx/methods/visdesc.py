"""VisDesc: the mean of an image's similarities to the descriptors of a class.

Menon and Vondrick, Visual Classification via Description from Large Language Models, ICLR 2023,
eq. 1. The mean of cosines is the cosine with the mean embedding, which is not normalised again:
a class whose descriptors scatter scores lower.
"""

from __future__ import annotations

from susx.core.errors import InputError
from susx.methods.base import Context, Images, Method, Terms, scaled_cosines


def terms(context: Context, images: Images) -> Terms:
    """`s mean_q f E(q)'` over the descriptors q of a class.

    Raises:
        InputError: if only the normalised text classifier is known.
    """
    if context.text_means is None:
        raise InputError("this method needs an embedding per descriptor, not a finished classifier")
    return Terms(scaled_cosines(context, images.features, context.text_means))


VISDESC = Method(
    name="visdesc",
    paper="Menon and Vondrick, Visual Classification via Description from Large Language "
    "Models, ICLR 2023",
    terms=terms,
    texts=("visdesc",),
    reads="text_means",
)
