"""Data to learn from: digits that need no download, MNIST, photographs, two tables, a surface.

Images are rows of grey levels between 0 (background) and 1: x has shape (N, D) with D = H * W.
Every data set comes in three parts, cut so that no source (a writer, a photograph) stands in two
of them, as far as the data tell: see `vqvae_lib.splits`.
"""

from vqvae_lib.data.digits import FORM_STARTS, WRITERS, load_digits
from vqvae_lib.data.images import ImageData, binarise
from vqvae_lib.data.mnist import load_mnist
from vqvae_lib.data.photographs import (
    PhotographParts,
    extract_patches,
    load_photographs,
    split_photographs,
)
from vqvae_lib.data.surface import random_manifold
from vqvae_lib.data.tables import TableData, load_table

__all__ = [
    "FORM_STARTS",
    "WRITERS",
    "ImageData",
    "PhotographParts",
    "TableData",
    "binarise",
    "extract_patches",
    "load_digits",
    "load_mnist",
    "load_photographs",
    "load_table",
    "random_manifold",
    "split_photographs",
]
