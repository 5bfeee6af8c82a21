"""The digits that come with scikit-learn, split by the people who wrote them."""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib.data.images import ImageData
from vqvae_lib.splits import GroupSplit, Split, check_split

__all__ = ["FORM_STARTS", "WRITERS", "form_of_each_image", "load_digits"]

FORM_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""Where each of the fourteen forms begins, in the order of scikit-learn's file.

What is known: scikit-learn's digits are the test part of the UCI "Optical Recognition of
Handwritten Digits" (Alpaydin and Kaynak 1998), which came from preprinted forms; the documentation
says that 13 people wrote it, and records nobody's name or number.

What is inferred (``experiments/digit_writers.py``): the file is fourteen forms, one after the
other. Their labels repeat one template of 130 fields, of which 23 are missing and one holds another
digit; and changes of handwriting, found without the order of labels, fall on the same thirteen
places to within an image. Nobody looks like the writer of two forms: in a Gaussian model of hands,
each pair speaks for two by more than 280 nats, while the halves of a form speak for one. So each
form counts as a writer, 0 to 13. If one of the thirteen did fill in two forms, it was in two hands.
"""

WRITERS = GroupSplit(valid=(9, 10), test=(11, 12, 13))
"""Nine writers train (1157 images), two validate (258), three test (382)."""


def load_digits(*, size: int = 8, split: Split = WRITERS) -> ImageData:
    """Load the 1797 handwritten digits that come with scikit-learn: no download, 8x8 pixels.

    Parameters
    ----------
    size
        Side of the images. 8 is the data as it is, with grey levels 0, 1/16, ..., 1. Any larger
        number up to 256 enlarges them (bicubic, rounded to 255 levels); 28 gives MNIST's 784
        pixels.
    split
        Who trains, validates and tests; writers are the groups 0 to 13, see `FORM_STARTS`.
        By default, new people test the model. ``GroupFold(k)`` is one fold of seven for
        comparisons. ``RandomSplit(seed=0)`` gives parts of the same sizes that share their
        writers, which makes every score too good: six nats of a small VAE's ELBO, three points of
        a nearest-neighbour classifier's accuracy.

    Returns
    -------
    ImageData
        With 1157 training, 258 validation and 382 test images by default.

    Raises
    ------
    ValueError
        If `size` is below 8 or above 256, or the split doesn't fit the fourteen writers.

    Examples
    --------
    >>> load_digits()  # doctest: +NORMALIZE_WHITESPACE
    ImageData('digits', 1157 training, 258 validation and 382 test images of 8x8,
    16 grey levels above black)
    """
    size = check_count("size", size, least=8, most=256)
    check_split(split)
    from sklearn.datasets import load_digits as load_bunch

    bunch = load_bunch()
    x = torch.from_numpy(bunch.data).float() / 16  # (1797, 64)
    y = torch.from_numpy(bunch.target).long()
    group = form_of_each_image(len(x))
    return ImageData(
        name="digits" if size == 8 else f"digits{size}",
        **split.parts(group, y).cut(x=x if size == 8 else _enlarge(x, size), y=y, group=group),
        image_shape=(size, size),
        levels=16 if size == 8 else 255,
    )


def form_of_each_image(N: int = 1797) -> Tensor:
    """Return the form, 0 to 13, of each image in scikit-learn's order: (N,)."""
    return torch.bucketize(torch.arange(N), torch.tensor(FORM_STARTS[1:]), right=True)


def _enlarge(x: Tensor, size: int) -> Tensor:
    """Interpolate square images bicubically, on 255 grey levels: (N, D) -> (N, size**2)."""
    side = isqrt(x.shape[1])
    images = x.reshape(-1, 1, side, side)
    larger = torch.nn.functional.interpolate(images, size=(size, size), mode="bicubic")
    return (larger.clamp(0, 1) * 255).round().flatten(1) / 255  # cubics overshoot at edges
