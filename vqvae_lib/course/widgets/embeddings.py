"""The same images in several maps: choose one, and see which neighbours each map keeps."""

import base64
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor

from vqvae_lib._checks import check_count, raise_if_any
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.descriptions import pack_float16, read_numbers
from vqvae_lib.course.words import _

__all__ = ["Embeddings"]

LIMIT = 24_000  # pixels in all, which with the maps keep the figure's HTML under 60 kB
MOST = 4  # maps side by side


class Embeddings(CourseWidget):
    """Two to four maps of the same images, side by side.

    One image is chosen. The figure shows it beside its nearest images, by the Euclidean distance of
    their pixels, and marks them in each map: with a ring if they are among its nearest there as
    well, with a dashed ring if they are not.

    Parameters
    ----------
    maps : dict of str to Tensor (N, 2)
        The maps, by the names that stand above them, all of the same N images in the same order.
        Each is scaled to the figure, the same along both of its axes, and rounded to float16.
    images : Tensor (N, D)
        D = H·W pixels in [0, 1]; values outside are clipped. They are rounded to 256 shades.
    labels : Tensor (N,)
        Their classes, integers from 0 to 9.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    neighbours : int
        How many nearest images are looked at, 1 to N - 1 and at most 9.
    chosen : int
        Index of the image that is chosen first.

    Raises
    ------
    ValueError
        If there are fewer than two or more than four maps, shapes or labels do not fit together, a
        number is not finite, the images are too many for a page, or a number is out of range.
    """

    module: ClassVar[str] = "embeddings"
    summary: ClassVar[tuple[str, ...]] = ("names", "image_shape")

    names: Any = traitlets.List(help="Names of the maps.").tag(sync=True)
    places: Any = traitlets.List(help="Of each map the points, x then y, 0 to 1, float16.").tag(
        sync=True
    )
    pixels: Any = traitlets.Unicode(help="The images, one byte per pixel, as base64.").tag(
        sync=True
    )
    labels: Any = traitlets.List(help="Classes of the images.").tag(sync=True)
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    neighbours: Any = traitlets.Int(help="How many nearest images are looked at.").tag(sync=True)
    chosen: Any = traitlets.Int(help="Index of the chosen image.").tag(sync=True)

    def __init__(
        self,
        maps: Mapping[str, Tensor],
        images: Tensor,
        labels: Tensor,
        *,
        image_shape: tuple[int, int],
        alt: str,
        neighbours: int = 5,
        chosen: int = 0,
        **kwargs: Any,
    ):
        N, _D = _check_images(images, labels, image_shape)
        if not 2 <= len(maps) <= MOST:
            raise ValueError(f"maps: expected two to {MOST} of them, got {len(maps)}")
        shades = (255 * images.detach().cpu().double().clamp(0, 1)).round().to(torch.uint8)
        super().__init__(
            names=list(maps),
            places=[
                pack_float16(
                    f"maps[{name!r}]",
                    _fit_into_square(read_numbers(f"maps[{name!r}]", points, (N, 2))),
                )
                for name, points in maps.items()
            ],
            pixels=base64.b64encode(shades.numpy().tobytes()).decode(),
            labels=labels.tolist(),
            image_shape=list(image_shape),
            neighbours=check_count("neighbours", neighbours, most=min(9, N - 1)),
            chosen=check_count("chosen", chosen, least=0, most=N - 1),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _check_images(images: Tensor, labels: Tensor, image_shape: tuple[int, int]) -> tuple[int, int]:
    """Refuse images and labels that do not fit; return the numbers of images and of pixels."""
    D = math.prod(image_shape)
    if images.ndim != 2 or images.shape[1] != D or len(images) < 2:
        raise ValueError(
            f"images: expected shape (N, D) with N of at least 2 and D = {image_shape[0]}·"
            f"{image_shape[1]} pixels, got {tuple(images.shape)}"
        )
    if images.numel() > LIMIT:
        raise ValueError(
            f"images: {len(images)}·{D} = {images.numel()} pixels are too many for a page, "
            f"expected at most {LIMIT}: show fewer images"
        )
    raise_if_any("images", images, ~images.isfinite(), "finite numbers")
    whole = labels.shape == images.shape[:1] and not labels.is_floating_point()
    if not whole or not ((labels >= 0) & (labels <= 9)).all():
        raise ValueError(
            f"labels: expected {len(images)} integers from 0 to 9, got {tuple(labels.shape)} of "
            f"{labels.dtype}"
        )
    return len(images), D


def _fit_into_square(points: Tensor) -> Tensor:
    """Move and scale points (N, 2) into the unit square, and centre them there."""
    low, high = points.min(0).values, points.max(0).values
    size = float((high - low).max()) or 1.0
    return (points - (low + high) / 2) / size + 0.5


def _words() -> dict[str, str]:
    return {
        "choose": _("Choose an image: point at it in a map, or use the arrow keys in one."),
        "slider": _("image, one step each"),
        "image": _("image {index}, a {label}"),
        "nearest": _("its {count} nearest images"),
        "kept": _("{name}: {kept} of {count} kept near"),
        "map": _("Map by {name}. The chosen image is a {label}; {kept} of its {count} nearest "
                 "images are among its {count} nearest here."),
        "legend": _("Ring: a nearest image that is among the nearest in this map too. Dashed ring: "
                    "one that is not."),
    }  # fmt: skip
