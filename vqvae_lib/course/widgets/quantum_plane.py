"""A hybrid model's latent plane: a point, the qubits that it turns, the digit drawn there."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import traitlets
from torch import Tensor

from vqvae_lib.bottlenecks import Scaled
from vqvae_lib.course.widgets import latent_plane
from vqvae_lib.course.widgets.descriptions import describe_circuit, describe_network, read_numbers
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian
from vqvae_lib.vqvae import VQVAE

__all__ = ["QuantumPlane"]

# What turns the decoder's numbers, one for each pixel, into an image.
MEANS = {Bernoulli: "sigmoid", Binomial: "sigmoid", Gaussian: "none"}


class QuantumPlane(latent_plane.Plane):
    """A hybrid model with a two-dimensional code, its circuit and decoder run in the browser.

    Besides the mean image of p(x|z) it shows the Bloch vector of each qubit after the circuit, and
    the features that are measured. The features are exact expectation values, also where the
    model's backend draws them.

    Parameters
    ----------
    model : VQVAE
        With latent_dim=2, so one qubit or two, and an mlp as decoder: Linear layers and
        activations (GELU, ReLU, sigmoid, SiLU, tanh), which gives one number for each of the
        D = H·W pixels. The decoder's weights are rounded to float16.
    codes : Tensor (N, 2)
        Codes of real images, drawn as dots; at most 500 of them are kept, evenly spaced.
    labels : Tensor (N,)
        Their classes, integers from 0 to 9.
    image_shape : (int, int)
        H and W.
    alt : str
        What the figure shows, in a sentence.
    prior : bool
        Whether to draw circles of radius 1 and 2 around zero, for the prior N(0, I).
    extent : (float, float, float, float), optional
        The plane's borders, low and high of z1, then of z2; by default they enclose the codes,
        and the circles where there are any.

    Raises
    ------
    TypeError
        If the model is not a VQVAE, or has no circuit.
    ValueError
        If the model has another latent dimension or a condition, its decoder or likelihood is of a
        kind that the figure cannot run, a weight is not finite, the decoder, the codes and the
        image shape do not fit together, or the borders enclose nothing.
    """

    module: ClassVar[str] = "quantum_plane"

    circuit: Any = traitlets.Dict(help="The circuit, gate by gate.").tag(sync=True)
    weights: Any = traitlets.List(help="Its angles in radians.").tag(sync=True)
    feature_scale: Any = traitlets.List(help="Factors of the features, for the decoder.").tag(
        sync=True
    )

    def __init__(
        self,
        model: VQVAE,
        codes: Tensor,
        labels: Tensor,
        *,
        image_shape: tuple[int, int],
        alt: str,
        prior: bool = True,
        extent: Sequence[float] | None = None,
        **kwargs: Any,
    ):
        _check_model(model)
        circuit = model.quantum_layer.circuit  # a twin's may differ from `model.circuit`
        m = circuit.n_features
        scaled = isinstance(model.bottleneck, Scaled)
        scale = model.bottleneck.scale if scaled else torch.ones(m)
        weights = model.quantum_layer.weights
        super().__init__(
            describe_network(model.decoder, MEANS[type(model.likelihood)]),
            codes,
            labels,
            inputs=m,
            image_shape=image_shape,
            prior=prior,
            extent=extent,
            circuit=describe_circuit(circuit),
            weights=read_numbers("model: angles", weights, circuit.weight_shape).tolist(),
            feature_scale=read_numbers("model: scale of features", scale, (m,)).tolist(),
            alt=alt,
            words=_words(),
            **kwargs,
        )


def _check_model(model: VQVAE) -> None:
    """Refuse a model that the figure cannot run."""
    if not isinstance(model, VQVAE):
        raise TypeError(f"model: expected a VQVAE, got {type(model).__name__}")
    try:
        _layer = model.quantum_layer
    except TypeError as error:
        raise TypeError(f"model: expected a VQVAE with a circuit, but {error}") from None
    if model.d != 2:
        raise ValueError(f"model: expected latent_dim=2, a point of the plane, got {model.d}")
    if model.condition.width:
        raise ValueError(f"model: expected one without a condition, got {model.condition}")
    likelihood = model.likelihood
    if type(likelihood) not in MEANS or likelihood.params_per_dimension != 1:
        kinds = ", ".join(kind.__name__ for kind in MEANS)
        raise ValueError(
            f"model: expected a likelihood with one number for each pixel ({kinds}), got "
            f"{likelihood}"
        )


def _words() -> dict[str, str]:
    return latent_plane._words() | {
        "qubit": _("qubit {number}"),
        "behind": _("After the circuit: each qubit’s Bloch vector, and what is measured."),
        "vector": _("Bloch vector ({x}, {y}, {z}) of length {length}; measured: {features}"),
        "inside": _(
            "The shaded ball has the radius |r|, the arrow’s length. Where it is below 1, the "
            "arrow ends inside: the qubits are entangled. Dashed: pointing away."
        ),
        "alone": _(
            "The arrow always reaches the surface, |r| = 1: there is no other qubit to be "
            "entangled with. Dashed: pointing away."
        ),
        "scaled": _("The decoder is given {features}."),
        "spoken": _("features {features}; lengths of the Bloch vectors {lengths}"),
    }
