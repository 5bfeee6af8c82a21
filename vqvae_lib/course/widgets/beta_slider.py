"""Samples of models trained with different weights of the KL, and one slider through them all."""

import base64
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor

from vqvae_lib._checks import check_count, raise_if_any
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["BetaSlider"]

LIMIT = 40_000  # pixels in all, which keep the figure's HTML under 60 kB


class BetaSlider(CourseWidget):
    """Prior samples of R models, each with its own beta, and the terms of its bound.

    Parameters
    ----------
    images : Tensor (R, n, D)
        n samples of each model, D = H·W pixels in [0, 1]; values outside are clipped. They are
        rounded to 256 shades.
    betas : sequence of R numbers
        The models' weights of the KL, positive and increasing; at least two.
    terms : dict of str to sequence of R numbers
        Numbers to show for each model, by a name with its unit such as "KL (nats)", rounded to
        four significant digits.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    chosen : int
        Index of the model shown first.

    Raises
    ------
    ValueError
        If images, betas, terms and image shape do not fit together, betas are not positive and
        increasing, a number is not finite, or the images are too many for a page.
    """

    module: ClassVar[str] = "beta_slider"
    summary: ClassVar[tuple[str, ...]] = ("betas", "image_shape")

    pixels: Any = traitlets.Unicode(help="The images, one byte per pixel, as base64.").tag(
        sync=True
    )
    betas: Any = traitlets.List(help="The weights of the KL.").tag(sync=True)
    terms: Any = traitlets.List(help="What is shown of the models: [name, R values].").tag(
        sync=True
    )
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    chosen: Any = traitlets.Int(help="Index of the chosen model.").tag(sync=True)

    def __init__(
        self,
        images: Tensor,
        betas: Sequence[float],
        terms: Mapping[str, Sequence[float]],
        *,
        image_shape: tuple[int, int],
        alt: str,
        chosen: int = 0,
        **kwargs: Any,
    ):
        betas = [float(beta) for beta in betas]
        R, D = len(betas), math.prod(image_shape)
        _check_betas(betas)
        if images.ndim != 3 or len(images) != R or images.shape[2] != D or not images.shape[1]:
            raise ValueError(
                f"images: expected shape (R, n, D) with R={R} betas and D={image_shape[0]}·"
                f"{image_shape[1]} pixels, got {tuple(images.shape)}"
            )
        if images.numel() > LIMIT:
            raise ValueError(
                f"images: {R}·{images.shape[1]}·{D} = {images.numel()} pixels are too many for a "
                f"page, expected at most {LIMIT}: show fewer images"
            )
        raise_if_any("images", images, ~images.isfinite(), "finite numbers")
        shades = (255 * images.detach().cpu().double().clamp(0, 1)).round().to(torch.uint8)
        super().__init__(
            pixels=base64.b64encode(shades.numpy().tobytes()).decode(),
            betas=betas,
            terms=[[name, _round_term(name, values, R)] for name, values in terms.items()],
            image_shape=list(image_shape),
            chosen=check_count("chosen", chosen, least=0, most=R - 1),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _check_betas(betas: list[float]) -> None:
    positive = all(0 < beta < math.inf for beta in betas)
    if len(betas) < 2 or not positive or not all(low < high for low, high in pairwise(betas)):
        raise ValueError(f"betas={betas}: expected two or more positive, increasing numbers")


def _round_term(name: str, values: Sequence[float], R: int) -> list[float]:
    """Round the R values of a term to four significant digits."""
    numbers = [float(value) for value in values]
    if len(numbers) != R or not all(map(math.isfinite, numbers)):
        raise ValueError(f"terms[{name!r}]: expected {R} finite numbers, got {numbers}")
    return [float(f"{number:.4g}") for number in numbers]


def _words() -> dict[str, str]:
    return {
        "slider": _("weight β of the KL, one step per model"),
        "beta": _("β = {beta}"),
        "grid": _("{count} images drawn from the prior of the model with β = {beta}"),
        "plot": _("{name} against β on a logarithmic axis: {value} at β = {beta}"),
    }
