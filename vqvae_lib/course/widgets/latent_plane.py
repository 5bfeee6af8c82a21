"""The latent plane: drag a point, see the digit that the decoder draws there."""

import base64
from typing import Any, ClassVar

import numpy as np
import torch
import traitlets
from torch import Tensor, nn

from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.words import _

__all__ = ["LatentPlane"]

ACTIVATIONS = {
    nn.GELU: "gelu",
    nn.ReLU: "relu",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Tanh: "tanh",
}
POINTS = 500  # enough to show the cloud, few enough to keep the page small


class LatentPlane(CourseWidget):
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

    Raises
    ------
    ValueError
        If the decoder, the codes and the image shape do not fit together, or a layer is of a
        kind that the figure cannot run.
    """

    module: ClassVar[str] = "latent_plane"
    shown: ClassVar[tuple[str, ...]] = ("image_shape",)

    layers: Any = traitlets.List(help="The decoder: shapes, float16 weights, activations.").tag(
        sync=True
    )
    codes: Any = traitlets.List(help="Dots of the plane: [z1, z2, label].").tag(sync=True)
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    extent: Any = traitlets.List(help="The plane's borders: [low1, high1, low2, high2].").tag(
        sync=True
    )
    z: Any = traitlets.List(help="The chosen point, two numbers.").tag(sync=True)

    def __init__(
        self,
        decoder: nn.Module,
        codes: Tensor,
        labels: Tensor,
        *,
        image_shape: tuple[int, int],
        alt: str,
        **kwargs: Any,
    ):
        if codes.ndim != 2 or codes.shape[1] != 2 or labels.shape != codes.shape[:1]:
            raise ValueError(
                f"codes, labels: expected shapes (N, 2) and (N,), got {tuple(codes.shape)} and "
                f"{tuple(labels.shape)}"
            )
        layers = _describe_layers(decoder)
        if layers[0]["shape"][1] != 2 or layers[-1]["shape"][0] != image_shape[0] * image_shape[1]:
            raise ValueError(
                f"decoder: expected 2 inputs and {image_shape[0]}·{image_shape[1]} outputs, got "
                f"{layers[0]['shape'][1]} and {layers[-1]['shape'][0]}"
            )
        codes = codes.detach().double()
        low, high = codes.amin(0), codes.amax(0)
        margin = 0.05 * (high - low)
        keep = torch.linspace(0, len(codes) - 1, min(POINTS, len(codes))).long()
        dots = [
            [round(float(a), 3), round(float(b), 3), int(label)]
            for (a, b), label in zip(codes[keep], labels[keep], strict=True)
        ]
        (a, b), (c, d) = zip((low - margin).tolist(), (high + margin).tolist(), strict=True)
        super().__init__(
            layers=layers,
            codes=dots,
            image_shape=list(image_shape),
            extent=[round(value, 3) for value in (a, b, c, d)],
            z=[round(float(value), 2) for value in codes.median(0).values],
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _describe_layers(decoder: nn.Module) -> list[dict[str, Any]]:
    """Each linear layer with its shape (outputs, inputs), its weights and what follows it."""
    layers: list[dict[str, Any]] = []
    for module in _flatten(decoder):
        if isinstance(module, nn.Linear):
            if module.bias is None:
                raise ValueError("decoder: expected Linear layers with a bias, got one without")
            layers.append(
                {
                    "shape": list(module.weight.shape),
                    "weight": _float16(module.weight),
                    "bias": _float16(module.bias),
                    "activation": "none",
                }
            )
        elif type(module) in ACTIVATIONS and layers and layers[-1]["activation"] == "none":
            layers[-1]["activation"] = ACTIVATIONS[type(module)]
        else:
            known = ", ".join(["Linear", *(kind.__name__ for kind in ACTIVATIONS)])
            raise ValueError(
                f"decoder: cannot run {type(module).__name__} here, expected {known}, each "
                "activation behind a Linear layer of its own"
            )
    if not layers:
        raise ValueError("decoder: expected at least one Linear layer, got none")
    return layers


def _flatten(module: nn.Module) -> list[nn.Module]:
    """List the modules of nested Sequentials in the order in which they run, shared ones too."""
    if isinstance(module, nn.Sequential):
        return [part for child in module._modules.values() if child for part in _flatten(child)]
    return [] if isinstance(module, nn.Identity) else [module]


def _float16(tensor: Tensor) -> str:
    """Little-endian float16 bytes as base64."""
    with np.errstate(over="ignore"):
        array = tensor.detach().cpu().numpy().astype("<f2")
    if not np.isfinite(array).all():
        raise ValueError("decoder: a weight is not finite in float16")
    return base64.b64encode(array.tobytes()).decode()


def _words() -> dict[str, str]:
    return {
        "plane": _("Latent plane. Drag the point, or move it with the arrow keys."),
        "first": _("first code, z₁"),
        "second": _("second code, z₂"),
        "decoded": _("decoded image at z = ({a}, {b})"),
        "nearest": _("nearest real code: a {label}"),
        "labels": _("Each dot is the code of a real digit; its number says which."),
    }
