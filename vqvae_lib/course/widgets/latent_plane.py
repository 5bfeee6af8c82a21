"""The latent plane: drag a point, see the digit that the decoder draws there."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor, nn

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.descriptions import describe_network
from vqvae_lib.course.words import _

__all__ = ["LatentPlane", "LatentPlanes"]

# Dots: enough to show the cloud, few enough to keep the page small.
POINTS = 500
POINTS_AMONG_SEVERAL = 300


class Plane(CourseWidget):
    """A plane of codes with a point z, and what a decoder makes of it.

    Parameters
    ----------
    layers : list of dict
        The decoder, as `describe_network` gives it, with D = H·W outputs.
    codes : Tensor (N, 2)
        Codes of real images, of which at most 500 are kept.
    labels : Tensor (N,)
        Their classes.
    inputs : int
        How many inputs the decoder must have.
    image_shape : (int, int)
        H and W.
    prior : bool
        Whether the prior's circles are drawn.
    extent : (float, float, float, float), optional
        The plane's borders.
    **kwargs
        Further traits.

    Raises
    ------
    ValueError
        If the decoder, the codes and the image shape do not fit together, or the borders enclose
        nothing.
    """

    summary: ClassVar[tuple[str, ...]] = ("image_shape",)

    layers: Any = traitlets.List(help="The decoder: shapes, float16 weights, activations.").tag(
        sync=True
    )
    codes: Any = traitlets.List(help="Dots of the plane: [z1, z2, label].").tag(sync=True)
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    extent: Any = traitlets.List(help="The plane's borders: [low1, high1, low2, high2].").tag(
        sync=True
    )
    prior: Any = traitlets.Bool(help="Whether the prior's circles are drawn.").tag(sync=True)
    z: Any = traitlets.List(help="The chosen point, two numbers.").tag(sync=True)

    def __init__(
        self,
        layers: list[dict[str, Any]],
        codes: Tensor,
        labels: Tensor,
        *,
        inputs: int,
        image_shape: tuple[int, int],
        prior: bool,
        extent: Sequence[float] | None,
        **kwargs: Any,
    ):
        if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1]:
            raise ValueError(
                f"codes, labels: expected shapes (N, 2) and (N,), got {tuple(codes.shape)} and "
                f"{tuple(labels.shape)}"
            )
        n_in, n_out = layers[0]["shape"][1], layers[-1]["shape"][0]
        if n_in != inputs or n_out != image_shape[0] * image_shape[1]:
            raise ValueError(
                f"decoder: expected {inputs} inputs and {image_shape[0]}·{image_shape[1]} outputs, "
                f"got {n_in} and {n_out}"
            )
        codes = codes.detach().double()
        keep = _choose_evenly(len(codes), POINTS)
        dots = [
            [round(float(a), 3), round(float(b), 3), int(label)]
            for (a, b), label in zip(codes[keep], labels[keep], strict=True)
        ]
        borders = _enclose(codes, prior) if extent is None else [float(value) for value in extent]
        if len(borders) != 4 or not (borders[0] < borders[1] and borders[2] < borders[3]):
            raise ValueError(
                f"extent={borders}: expected (low1, high1, low2, high2), each low below its high"
            )
        low, high = torch.tensor(borders, dtype=codes.dtype).reshape(2, 2).T  # (2,), (2,)
        super().__init__(
            layers=layers,
            codes=dots,
            image_shape=list(image_shape),
            extent=[round(value, 3) for value in borders],
            prior=prior,
            z=[round(float(value), 2) for value in codes.median(0).values.clamp(low, high)],
            **kwargs,
        )


class LatentPlane(Plane):
    """A decoder with a two-dimensional code, run in the reader's browser.

    Parameters
    ----------
    decoder : nn.Sequential
        Linear layers and activations (GELU, ReLU, sigmoid, SiLU, tanh), from 2 inputs to
        D = H·W outputs. Its weights are rounded to float16.
    codes : Tensor (N, 2)
        Codes of real images, drawn as dots; at most 500 of them are kept, evenly spaced.
    labels : Tensor (N,)
        Their classes, integers from 0 to 9.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    output_activation : str
        What follows the decoder's last layer, for a decoder that ends in logits: "sigmoid", or
        "none".
    prior : bool
        Whether to draw circles of radius 1 and 2 around zero, for the prior N(0, I).
    extent : (float, float, float, float), optional
        The plane's borders, low and high of z1, then of z2; by default they enclose the codes,
        and the circles where there are any.

    Raises
    ------
    ValueError
        If the decoder, the codes and the image shape do not fit together, a layer is of a kind
        that the figure cannot run, or the borders enclose nothing.
    """

    module: ClassVar[str] = "latent_plane"

    def __init__(
        self,
        decoder: nn.Module,
        codes: Tensor,
        labels: Tensor,
        *,
        image_shape: tuple[int, int],
        alt: str,
        output_activation: str = "none",
        prior: bool = False,
        extent: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            describe_network(decoder, output_activation),
            codes,
            labels,
            inputs=2,
            image_shape=image_shape,
            prior=prior,
            extent=extent,
            alt=alt,
            words=_words(),
            **kwargs,
        )


class LatentPlanes(CourseWidget):
    """Several latent planes side by side, to be compared: each has its own point.

    Parameters
    ----------
    planes : dict of str to LatentPlane
        The planes by their titles. At most 300 codes of each are kept, evenly spaced.
    alt : str
        What the figure shows, in a sentence.

    Raises
    ------
    ValueError
        If there is no plane.
    TypeError
        If one of them is not a LatentPlane.
    """

    module: ClassVar[str] = "latent_plane"
    summary: ClassVar[tuple[str, ...]] = ("titles",)

    planes: Any = traitlets.List(help="What each plane shows, and its title.").tag(sync=True)
    points: Any = traitlets.List(help="The chosen point of each plane.").tag(sync=True)

    def __init__(self, planes: Mapping[str, LatentPlane], *, alt: str, **kwargs: Any):
        if not planes:
            raise ValueError("planes: expected at least one, got none")
        for title, plane in planes.items():
            if not isinstance(plane, LatentPlane):
                raise TypeError(
                    f"planes[{title!r}]: expected a LatentPlane, got {type(plane).__name__}"
                )
        super().__init__(
            planes=[_describe(title, plane) for title, plane in planes.items()],
            points=[plane.z for plane in planes.values()],
            alt=alt,
            words=_words(),
            **kwargs,
        )

    @property
    def titles(self) -> list[str]:
        """The planes' titles, from left to right."""
        return [plane["title"] for plane in self.planes]


def _describe(title: str, plane: LatentPlane) -> dict[str, Any]:
    """Return a plane's state, without what all planes share and what moves."""
    state = {name: value for name, value in plane.state().items() if name not in ("words", "z")}
    codes = [plane.codes[index] for index in _choose_evenly(len(plane.codes), POINTS_AMONG_SEVERAL)]
    return state | {"title": title, "codes": codes}


def _choose_evenly(n: int, count: int) -> list[int]:
    """At most `count` indices below n, evenly spaced."""
    return torch.linspace(0, n - 1, min(count, n)).long().tolist()


def _enclose(codes: Tensor, prior: bool) -> list[float]:
    """Borders around the codes (N, 2) with a margin, and around the circle of radius 2."""
    low, high = codes.amin(0), codes.amax(0)  # (2,), (2,)
    if prior:
        low, high = low.clamp(max=-2), high.clamp(min=2)
    margin = 0.05 * (high - low)
    return torch.stack([low - margin, high + margin], dim=1).flatten().tolist()  # (4,)


def _words() -> dict[str, str]:
    return {
        "plane": _("Latent plane. Drag the point, or move it with the arrow keys."),
        "first": _("first code, z₁"),
        "second": _("second code, z₂"),
        "decoded": _("decoded image at z = ({a}, {b})"),
        "nearest": _("nearest real code: a {label}"),
        "labels": _("Each dot is the code of a real digit; its number says which."),
        "circles": _("Circles of radius 1 (solid) and 2 (dashed): the prior N(0, I)."),
    }
