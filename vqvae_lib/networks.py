"""Classical networks: the trunks from which encoders and decoders are made.

They all map rows to rows, ``(B, something) -> (B, something)``; those for images fold each row
into an image themselves. The first weights are drawn by torch's global generator, as everywhere
in torch: call ``torch.manual_seed`` before building a network to get the same one again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_choice, check_count, check_tensor, describe

__all__ = ["ConvDecoder", "ConvEncoder", "mlp"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


def mlp(
    sizes: Sequence[int], *, activation: str = "gelu", output_activation: str | None = None
) -> nn.Sequential:
    """Build a multilayer perceptron: linear layers with a nonlinearity between them.

    Parameters
    ----------
    sizes
        Width of the input, of each hidden layer and of the output; two or more numbers.
    activation
        Nonlinearity after each hidden layer: "gelu", "relu", "sigmoid", "silu", "softplus"
        or "tanh".
    output_activation
        The same choice for the output; None leaves the last layer linear.

    Returns
    -------
    torch.nn.Sequential
        Maps ``(B, sizes[0])`` to ``(B, sizes[-1])``.

    Raises
    ------
    ValueError
        If `sizes` is too short or holds a width below 1, an activation is unknown, or the
        network is later given rows of another width.

    Examples
    --------
    One call, three networks; d = 2 is the code:

    >>> encoder = mlp([64, 128, 2])  # (B, 64) -> (B, 128) -> (B, 2)
    >>> decoder = mlp([2, 128, 64])  # (B, 2) -> (B, 128) -> (B, 64)
    >>> linear = mlp([64, 2])  # (B, 64) -> (B, 2), no hidden layer and no nonlinearity
    >>> encoder
    _MLP(
      (0): Linear(in_features=64, out_features=128, bias=True)
      (1): GELU(approximate='none')
      (2): Linear(in_features=128, out_features=2, bias=True)
    )
    """
    if isinstance(sizes, str) or not isinstance(sizes, Sequence):
        raise TypeError(f"sizes is {describe(sizes)}: expected a list of widths")
    if len(sizes) < 2:
        raise ValueError(
            f"sizes={list(sizes)!r}: expected two or more widths, [input, ..., output]"
        )
    widths = [check_count(f"sizes[{i}]", size) for i, size in enumerate(sizes)]
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers += [nn.Linear(n_in, n_out), _make_activation("activation", activation)]
    layers.append(nn.Linear(widths[-2], widths[-1]))
    if output_activation is not None:
        layers.append(_make_activation("output_activation", output_activation))
    return _MLP(*layers)


class _MLP(nn.Sequential):
    """A sequence of layers that states what it expected when rows of another width come."""

    @property
    def input_width(self) -> int | None:
        """Width of the rows; None where the first layer was wrapped and does not say."""
        return getattr(self[0], "in_features", None)

    def forward(self, x: Tensor) -> Tensor:
        width = self.input_width
        shape = ("B", "width" if width is None else width)
        return super().forward(check_tensor("x", x, shape, like=find_weight(self[0])))


class ConvEncoder(nn.Module):
    """Convolutional encoder for grey images: rows of pixels in, rows of codes out.

    Two convolutions of stride 2 look at the image at half and at a quarter of its size; one
    linear layer reads the code from their output.

    ===============  =====================  =====================
    step             8x8, channels=16       28x28, channels=16
    ===============  =====================  =====================
    fold             (B, 1, 8, 8)           (B, 1, 28, 28)
    conv, stride 2   (B, 16, 4, 4)          (B, 16, 14, 14)
    conv, stride 2   (B, 32, 2, 2)          (B, 32, 7, 7)
    flatten          (B, 128)               (B, 1568)
    linear           (B, d)                 (B, d)
    ===============  =====================  =====================

    Parameters
    ----------
    image_shape
        (H, W), each at least 8; odd sizes are rounded up when halved.
    d
        Dimension of the code.
    channels
        Channels of the first convolution; the second has twice as many.
    activation
        Nonlinearity after each convolution, one of those of `mlp`.
    output_activation
        The same choice for the code; None leaves it linear.
    condition_width
        How many numbers follow the pixels in each row, such as a one-hot label: each becomes a
        channel that is constant over the image.

    Raises
    ------
    ValueError
        If a size does not fit, or the encoder is later given rows of another width than
        H * W + condition_width.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        d: int,
        *,
        channels: int = 16,
        activation: str = "gelu",
        output_activation: str | None = None,
        condition_width: int = 0,
    ) -> None:
        super().__init__()
        self.image_shape = check_image_shape(image_shape)
        self.condition_width = condition_width = check_count(
            "condition_width", condition_width, least=0
        )
        self.d = d = check_count("d", d)
        self.channels = channels = check_count("channels", channels)
        self.activation, self.output_activation = activation, output_activation
        quarter = _halve(_halve(self.image_shape))
        layers: list[nn.Module] = [
            nn.Conv2d(1 + condition_width, channels, kernel_size=3, stride=2, padding=1),
            _make_activation("activation", activation),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1),
            _make_activation("activation", activation),
            nn.Flatten(),
            nn.Linear(2 * channels * prod(quarter), d),
        ]
        if output_activation is not None:
            layers.append(_make_activation("output_activation", output_activation))
        self.layers = nn.Sequential(*layers)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this encoder again, for files."""
        return {
            "image_shape": self.image_shape,
            "d": self.d,
            "channels": self.channels,
            "activation": self.activation,
            "output_activation": self.output_activation,
            "condition_width": self.condition_width,
        }

    @property
    def input_width(self) -> int:
        """Width of the rows that it takes."""
        return prod(self.image_shape) + self.condition_width

    def forward(self, x: Tensor) -> Tensor:
        """Encode: ``(B, H * W + condition_width) -> (B, d)``."""
        pixels = prod(self.image_shape)
        x = check_tensor("x", x, ("B", self.input_width), like=find_weight(self))
        image = x[:, :pixels].unflatten(1, (1, *self.image_shape))  # (B, 1, H, W)
        condition = x[:, pixels:, None, None].expand(-1, -1, *self.image_shape)  # (B, c, H, W)
        return self.layers(torch.cat([image, condition], dim=1))  # (B, 1 + c, H, W) -> (B, d)


class ConvDecoder(nn.Module):
    """Convolutional decoder for grey images: rows of codes in, rows of pixels out.

    The encoder run backwards. Each step repeats pixels up to the exact size and then convolves:
    a transposed convolution in its place would leave a checkerboard. It ends linearly.

    ================  =====================  =====================
    step              8x8, channels=16       28x28, channels=16
    ================  =====================  =====================
    linear            (B, 128)               (B, 1568)
    fold              (B, 32, 2, 2)          (B, 32, 7, 7)
    enlarge, conv     (B, 16, 4, 4)          (B, 16, 14, 14)
    enlarge, conv     (B, 1, 8, 8)           (B, 1, 28, 28)
    flatten           (B, 64)                (B, 784)
    ================  =====================  =====================

    Parameters
    ----------
    d
        Dimension of the code.
    image_shape
        (H, W), each at least 8.
    channels
        Channels before the last convolution; the first stage has twice as many.
    activation
        Nonlinearity of the inner layers, one of those of `mlp`.
    out_channels
        Numbers per pixel, given as one whole image after the other.

    Raises
    ------
    ValueError
        If a size does not fit, or the decoder is later given codes of another width than d.
    """

    def __init__(
        self,
        d: int,
        image_shape: tuple[int, int],
        *,
        channels: int = 16,
        activation: str = "gelu",
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.d = check_count("d", d)
        self.image_shape = check_image_shape(image_shape)
        self.channels = channels = check_count("channels", channels)
        self.out_channels = out_channels = check_count("out_channels", out_channels)
        self.activation = activation
        half = _halve(self.image_shape)
        quarter = _halve(half)
        self.layers = nn.Sequential(
            nn.Linear(self.d, 2 * channels * prod(quarter)),
            _make_activation("activation", activation),
            nn.Unflatten(1, (2 * channels, *quarter)),
            nn.Upsample(size=half),
            nn.Conv2d(2 * channels, channels, kernel_size=3, padding=1),
            _make_activation("activation", activation),
            nn.Upsample(size=self.image_shape),
            nn.Conv2d(channels, out_channels, kernel_size=3, padding=1),
            nn.Flatten(),
        )

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this decoder again, for files."""
        return {
            "d": self.d,
            "image_shape": self.image_shape,
            "channels": self.channels,
            "activation": self.activation,
            "out_channels": self.out_channels,
        }

    @property
    def input_width(self) -> int:
        """Width of the codes that it takes."""
        return self.d

    def forward(self, z: Tensor) -> Tensor:
        """Decode: ``(B, d) -> (B, H * W * out_channels)``."""
        return self.layers(check_tensor("z", z, ("B", self.d), like=find_weight(self)))


def find_weight(module: nn.Module) -> Tensor | None:
    """Find the parameter whose dtype and device a module's input must have; None if there is none.

    It is the first that is a floating-point number: quantised weights are not.
    """
    # Not by module.parameters(), which looks through all of them first.
    for p in module._parameters.values():
        if p is not None and p.is_floating_point():
            return p
    for part in module._modules.values():
        if part is not None and (weight := find_weight(part)) is not None:
            return weight
    return None


def check_activation(argument: str, name: str) -> str:
    """Return the name of a nonlinearity; ValueError for any other."""
    return check_choice(argument, name, _ACTIVATIONS)


def _make_activation(argument: str, name: str) -> nn.Module:
    return _ACTIVATIONS[check_activation(argument, name)]()


def _halve(image_shape: tuple[int, int]) -> tuple[int, int]:
    """Size after a convolution of stride 2, kernel 3, padding 1: half, rounded up."""
    height, width = image_shape
    return (height + 1) // 2, (width + 1) // 2


def check_image_shape(image_shape: tuple[int, int]) -> tuple[int, int]:
    """Return (H, W), each of at least 8 pixels; ValueError otherwise."""
    if not isinstance(image_shape, Sequence) or len(image_shape) != 2:
        raise ValueError(f"image_shape={image_shape!r}: expected (H, W)")
    height, width = (
        check_count(f"image_shape[{i}]", n, least=8) for i, n in enumerate(image_shape)
    )
    return height, width
