"""Paint a hole into a digit, and see what a model draws there."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor, nn

from vqvae_lib._checks import check_count
from vqvae_lib.bottlenecks import Scaled
from vqvae_lib.course.widgets.base import CourseWidget
from vqvae_lib.course.widgets.descriptions import describe_circuit, describe_network, pack_float16
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood
from vqvae_lib.quantum import QuantumLayer
from vqvae_lib.vae import VAE, GaussianEncoder

__all__ = ["HolePainter"]

IMAGES = 16
NUMBERS = 20_900  # weights and pixels, which in float16 keep the figure's HTML under 60 kB
COUNT = 255  # the largest count of a Binomial pixel: what a byte holds


class HolePainter(CourseWidget):
    """An image with a hole that the reader paints, filled by a model in the browser.

    The hidden pixels are drawn by Metropolis within Gibbs (Mattei and Frellsen 2018,
    arXiv:1802.04826). In each of 30 steps of 32 chains, the encoder proposes a code z from the
    image as it is filled, the proposal is accepted or not, and the hidden pixels are drawn again
    from p(x|z). In between, z moves three times by differences of other chains, by the seen pixels
    alone (ter Braak 2006, doi:10.1007/s11222-006-8769-1): the encoder's proposals are seldom
    accepted where they leave much open. The chains draw from p(z | seen pixels) in the limit of
    many steps. Shown are means of p(x|z), without its noise. The random numbers have a fixed seed:
    the same hole gives the same picture.

    Parameters
    ----------
    model : VAE or VQVAE
        Its encoder is a `GaussianEncoder` whose trunk is an mlp, its decoder an mlp: Linear layers
        and activations (GELU, ReLU, sigmoid, SiLU, tanh). Its bottleneck is a `QuantumLayer`, with
        or without a scale of its features, or nothing. Features are exact expectation values, also
        where the model's backend draws them. The likelihood is Gaussian with one learned or fixed
        variance, Bernoulli, or Binomial with counts up to 255. All weights are rounded to float16.
    images : Tensor (N, D)
        At most 16 images with D = H·W values in [0, 1] that the likelihood can produce, among
        which the reader chooses. They should not belong to the training data.
    labels : Tensor (N,)
        Their classes, integers.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    mean_image : Tensor (D,), optional
        The mean of the training data, with which the chains start in the hole and their fill is
        compared. By default the mean of what the model itself generates.
    chosen : int
        Index of the image shown first.
    hidden : sequence of int, optional
        Indices of the pixels that are hidden first; by default the lower half.

    Raises
    ------
    TypeError
        If the model is not a VAE.
    ValueError
        If the model has a condition, or a part of a kind that the figure cannot run; if model,
        images, labels and image shape do not fit together, or a number is not finite or out of
        range; if weights and pixels are together more than 20 900 numbers, too many for a page.
    """

    module: ClassVar[str] = "hole_painter"
    summary: ClassVar[tuple[str, ...]] = ("n_images", "image_shape", "chosen")

    encoder: Any = traitlets.Dict(help="The encoder's networks: trunk, mu, log_var.").tag(sync=True)
    circuit: Any = traitlets.Dict(help="The circuit, gate by gate; empty: none.").tag(sync=True)
    angles: Any = traitlets.Unicode(help="Its angles, float16 as base64.").tag(sync=True)
    feature_scale: Any = traitlets.Unicode(
        help="By what its features are multiplied, float16 as base64."
    ).tag(sync=True)
    decoder: Any = traitlets.List(help="The decoder's layers.").tag(sync=True)
    likelihood: Any = traitlets.Dict(help="Name and number of p(x|z).").tag(sync=True)
    images: Any = traitlets.Unicode(help="The images, float16 as base64.").tag(sync=True)
    labels: Any = traitlets.List(help="Their classes.").tag(sync=True)
    mean_image: Any = traitlets.Unicode(help="The mean image, float16 as base64.").tag(sync=True)
    image_shape: Any = traitlets.List(help="H and W.").tag(sync=True)
    chosen: Any = traitlets.Int(help="Index of the chosen image.").tag(sync=True)
    hidden: Any = traitlets.List(help="Indices of the hidden pixels, in order.").tag(sync=True)
    truth: Any = traitlets.Bool(help="Whether the truth is shown.").tag(sync=True)

    def __init__(
        self,
        model: VAE,
        images: Any,
        labels: Any,
        *,
        image_shape: tuple[int, int] = (8, 8),
        alt: str,
        mean_image: Any = None,
        chosen: int = 0,
        hidden: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        D = _count_pixels(image_shape)
        if not isinstance(model, VAE):
            raise TypeError(f"model: expected a VAE or VQVAE, got {type(model).__name__}")
        description = _describe(model)
        _check_sizes(description, D)
        images = _read_images(images, D, model.likelihood)
        classes = [int(label) for label in labels]
        if len(classes) != len(images):
            raise ValueError(
                f"labels: expected one for each of {len(images)} images, got {classes}"
            )
        mean = (
            _generate_mean(model) if mean_image is None else _read_levels("mean_image", mean_image)
        )
        if mean.shape != (D,):
            raise ValueError(f"mean_image: expected shape ({D},), got {tuple(mean.shape)}")
        count = sum(parameter.numel() for parameter in model.parameters()) + images.numel() + D
        if count > NUMBERS:
            raise ValueError(
                f"model, images: {count} weights and pixels are too many for a page, expected at "
                f"most {NUMBERS}: narrower layers or fewer images"
            )
        first = range(D // 2, D) if hidden is None else hidden
        super().__init__(
            **description,
            images=pack_float16("images: a value", images),
            labels=classes,
            mean_image=pack_float16("mean_image: a value", mean),
            image_shape=[int(side) for side in image_shape],
            chosen=_check_index("chosen", chosen, len(images)),
            hidden=sorted({_check_index("hidden", pixel, D) for pixel in first}),
            alt=alt,
            words=_words(),
            **kwargs,
        )

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.labels)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> int:
        return _check_index("chosen", proposal["value"], self.n_images)

    @traitlets.validate("hidden")
    def _check_hidden(self, proposal: Any) -> list[int]:
        D = math.prod(self.image_shape)
        return sorted({_check_index("hidden", pixel, D) for pixel in proposal["value"]})


def _count_pixels(image_shape: Sequence[int]) -> int:
    """Multiply out the number D of pixels."""
    sides = [side for side in image_shape if hasattr(side, "__index__") and side > 0]
    if len(image_shape) != 2 or len(sides) != 2:
        raise ValueError(f"image_shape={image_shape!r}: expected (H, W), both above 0")
    return math.prod(sides)


def _check_index(name: str, value: Any, count: int) -> int:
    return check_count(name, value, least=0, most=count - 1)


def _read_levels(name: str, values: Any) -> Tensor:
    """Return values in [0, 1] as doubles."""
    levels = torch.as_tensor(values).detach().cpu().double()
    if not ((levels >= 0) & (levels <= 1)).all():  # refuses nan, too
        raise ValueError(f"{name}: expected values from 0 to 1, and one is not")
    return levels


def _read_images(images: Any, D: int, likelihood: Likelihood) -> Tensor:
    """Return images (N, D) that the likelihood can produce, as doubles."""
    rows = _read_levels("images", images)
    if rows.ndim != 2 or rows.shape[1] != D or not 1 <= len(rows) <= IMAGES:
        raise ValueError(
            f"images: expected shape (N, {D}) with N from 1 to {IMAGES}, got {tuple(rows.shape)}"
        )
    try:
        likelihood.check_data(rows)
    except ValueError as error:
        raise ValueError(f"images: {error}") from None
    return rows


@torch.no_grad()
def _generate_mean(model: VAE) -> Tensor:
    """Average the means of p(x|z) over codes from the prior: (D,), in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    return model.sample_mean(2000, generator=generator).double().mean(0).clamp(0, 1).cpu()


def _describe(model: VAE) -> dict[str, Any]:
    """Describe the model's parts for the browser, and refuse what it cannot run."""
    if model.condition.width:
        raise ValueError(f"model: expected one without a condition, got {model.condition}")
    encoder = model.encoder
    if not isinstance(encoder, GaussianEncoder):
        raise ValueError(f"encoder: expected a GaussianEncoder, got {type(encoder).__name__}")
    return {
        "encoder": {
            name: _describe_network(f"encoder.{name}", getattr(encoder, name))
            for name in ("trunk", "mu", "log_var")
        },
        "decoder": _describe_network("decoder", model.decoder),
        "likelihood": _describe_likelihood(model.likelihood),
        **_describe_bottleneck(model.bottleneck),
    }


def _describe_network(name: str, network: nn.Module) -> list[dict[str, Any]]:
    try:
        return describe_network(network)
    except ValueError as error:
        raise ValueError(str(error).replace("decoder", name, 1)) from None


def _describe_bottleneck(bottleneck: nn.Module) -> dict[str, Any]:
    if isinstance(bottleneck, nn.Identity):
        return {}
    layer = bottleneck.layer if isinstance(bottleneck, Scaled) else bottleneck
    if not isinstance(layer, QuantumLayer):
        raise ValueError(
            f"bottleneck: cannot run {type(layer).__name__} here, expected a QuantumLayer, with or "
            "without a scale of its features, or none (Identity)"
        )
    m = layer.circuit.n_features
    scale = bottleneck.scale if isinstance(bottleneck, Scaled) else torch.ones(m)
    return {
        "circuit": describe_circuit(layer.circuit),
        "angles": pack_float16("bottleneck: an angle", layer.weights),
        "feature_scale": pack_float16("bottleneck: a scale of its features", scale),
    }


def _describe_likelihood(likelihood: Likelihood) -> dict[str, Any]:
    if isinstance(likelihood, Gaussian) and likelihood.params_per_dimension == 1:
        variance = likelihood.variance(torch.empty(0)).item()
        if 0 < variance < math.inf:
            return {"name": "gaussian", "variance": variance}
        raise ValueError(f"likelihood: expected a finite variance above 0, got {variance}")
    if isinstance(likelihood, Bernoulli):
        return {"name": "binomial", "total_count": 1}
    if isinstance(likelihood, Binomial) and likelihood.total_count <= COUNT:
        return {"name": "binomial", "total_count": likelihood.total_count}
    raise ValueError(
        "likelihood: expected Gaussian with one variance, Bernoulli, or Binomial with counts up "
        f"to {COUNT}, got {likelihood}"
    )


def _check_sizes(description: dict[str, Any], D: int) -> None:
    """Refuse networks whose sizes do not fit the pixels."""
    n_in = description["encoder"]["trunk"][0]["shape"][1]
    n_out = description["decoder"][-1]["shape"][0]
    if n_in != D or n_out != D:
        raise ValueError(
            f"model: expected an encoder of D={D} pixels and a decoder that gives as many numbers, "
            f"got {n_in} and {n_out}"
        )


def _words() -> dict[str, str]:
    return {
        "digit": _("Digit"),
        "image": _("image {number}, a {label}"),
        "canvas": _(
            "Image with a hole. Move with the arrow keys, hide or show a pixel with space."
        ),
        "hint": _("Paint a hole: drag over pixels, or use the arrow keys and space."),
        "left": _("left half"),
        "middle": _("middle"),
        "lower": _("lower half"),
        "clear": _("clear"),
        "hidden": _("row {row}, column {column}: hidden"),
        "seen": _("row {row}, column {column}: seen"),
        "filled": _("Filled: the average of the draws"),
        "deviation": _("Standard deviation of the draws"),
        "draws": _("Single draws, each the end of another chain:"),
        "draw": _("draw {number}"),
        "how": _(
            "Given the {seen} seen pixels, {chains} chains of {steps} steps draw codes z. In a "
            "step the encoder proposes a z, and z moves {moves} times by differences of other "
            "chains; a Metropolis test accepts each or not. Then the hidden pixels are drawn from "
            "p(x|z). With many steps, this draws from p(z | seen pixels). Shown are means of "
            "p(x|z); the average is over the second half of the steps."
        ),
        "accepted": _(
            "Accepted: {accepted}\u00a0% of the encoder’s {proposals} proposals and "
            "{moved}\u00a0% of the {count} moves."
        ),
        "nothing": _("No pixel is hidden: paint a hole."),
        "show": _("Show the truth"),
        "truth": _("The truth"),
        "mean": _("Filled with the mean image"),
        "error": _(
            "Hidden pixels: {count}. Root-mean-square error there: {fill} with the average of the "
            "draws, {mean} with the mean image."
        ),
    }
