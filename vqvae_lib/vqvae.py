"""The hybrid variational quantum autoencoder: a VAE with a circuit between code and decoder.

Data flow, once: x (B, D) -> encoder -> mu, log_var (B, d) -> reparameterise -> z (B, d) ->
quantum encoder -> quantum space -> quantum decoder, measured -> o (B, m) -> decoder -> parameters
of the likelihood p(x|z). z is classical, so the KL is the VAE's; with exact expectation values the
circuit is a deterministic part of the decoder, so the ELBO is the VAE's as well.
"""

from __future__ import annotations

import copy
from dataclasses import asdict
from math import prod
from typing import Any

from torch import nn

from vqvae_lib._checks import check_count, check_flag
from vqvae_lib.bottlenecks import Kind, Patched, Scaled, make_bottleneck
from vqvae_lib.conditions import Condition, NoCondition
from vqvae_lib.likelihoods import Gaussian, Likelihood
from vqvae_lib.networks import ConvDecoder, ConvEncoder, check_activation, check_image_shape, mlp
from vqvae_lib.quantum import Circuit, PennyLane, QuantumLayer
from vqvae_lib.quantum.layer import Init
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace
from vqvae_lib.vae import VAE, GaussianEncoder, check_parts

__all__ = ["VQVAE"]


class VQVAE(VAE):
    """Hybrid variational quantum autoencoder.

    Parameters
    ----------
    input_dim
        Dimension D of the data.
    hidden_dim
        Width of the hidden layer on either side.
    latent_dim
        Latent dimension d: n_qubits (one angle per qubit) or 2·n_qubits (two).
    n_qubits
        Number n of qubits.
    likelihood
        p(x|z), see `vqvae_lib.likelihoods`; None for a Gaussian with one shared variance.
    bottleneck
        "quantum", or the twin that takes the circuit's place: "separable", "frozen", "patched",
        "fourier", "mlp", "linear", "tanh" or "none", see `vqvae_lib.bottlenecks`. Built from the
        same seed, twins begin with the same encoder and, where m is the same, decoder.
    patches
        Number of circuits of the bottleneck "patched".
    init
        How the angles begin, see `vqvae_lib.quantum.layer.initial_weights`.
    scale_features
        Whether the decoder is given features times trained numbers that begin at 1/a.
    backend
        What runs the circuit, see `vqvae_lib.quantum.QuantumLayer`.
    image_shape
        (H, W), to make encoder and decoder convolutional; None for one hidden layer each.
    activation
        Nonlinearity of the hidden layers, one of those of `vqvae_lib.networks.mlp`.
    condition, beta, K
        As in `vqvae_lib.VAE`.
    **circuit
        Settings of `vqvae_lib.Circuit` (embedding, entangler, reupload, readout, …) that shall
        differ from those that `Circuit.for_latent` recommends.

    Raises
    ------
    ValueError, TypeError
        If an argument is unknown, does not fit, or does not go together with another.

    Examples
    --------
    >>> import torch
    >>> model = VQVAE(input_dim=784, hidden_dim=400, latent_dim=20, n_qubits=10)
    >>> z = torch.zeros(5, 20)  # (B, d)
    >>> state = model.quantum_space(model.quantum_encoder(z))
    >>> state.shape  # 2**10 amplitudes
    torch.Size([5, 1024])
    >>> model.quantum_decoder(state).shape  # (B, m)
    torch.Size([5, 20])
    >>> model.decode(z).shape  # (B, D)
    torch.Size([5, 784])
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        latent_dim: int,
        n_qubits: int,
        *,
        likelihood: Likelihood | None = None,
        bottleneck: Kind = "quantum",
        patches: int | None = None,
        init: Init = "noisy_passthrough",
        scale_features: bool = True,
        backend: Any = "auto",
        image_shape: tuple[int, int] | None = None,
        activation: str = "gelu",
        condition: Condition = NoCondition(),
        beta: float = 1.0,
        K: int = 1,
        **circuit: Any,
    ) -> None:
        D, hidden = check_count("input_dim", input_dim), check_count("hidden_dim", hidden_dim)
        if image_shape is not None:
            image_shape = check_image_shape(image_shape)
            if prod(image_shape) != D:
                raise ValueError(
                    f"image_shape={image_shape!r} has {prod(image_shape)} pixels: expected "
                    f"input_dim={D} of them"
                )
        likelihood = Gaussian() if likelihood is None else likelihood
        check_parts(likelihood, condition)
        check_activation("activation", activation)
        scale_features = check_flag("scale_features", scale_features)
        patches = None if patches is None else check_count("patches", patches)
        plan = Circuit.for_latent(latent_dim, n_qubits, **circuit)
        # Drawn in this order, so that twins from one seed share the first weights of both networks.
        encoder = _make_encoder(D, hidden, plan.latent_dim, condition, image_shape, activation)
        decoder = _make_decoder(
            plan.n_features, hidden, D, condition, likelihood, image_shape, activation
        )
        middle = make_bottleneck(
            bottleneck, plan, init=init, scale_features=scale_features, backend=backend,
            patches=patches,
        )  # fmt: skip
        super().__init__(encoder, decoder, likelihood, middle, condition=condition, beta=beta, K=K)
        self.circuit = plan
        self._architecture = {
            "input_dim": D,
            "hidden_dim": hidden,
            "bottleneck": bottleneck,
            "patches": patches,
            "scale_features": scale_features,
            "image_shape": image_shape,
            "activation": activation,
        }

    # ---------------------------------------------------------------- the five parts

    @property
    def quantum_layer(self) -> QuantumLayer:
        """The circuit and its weights.

        Raises
        ------
        TypeError
            If this is a twin without a circuit.
        """
        layer = self._unscaled
        if isinstance(layer, Patched):
            raise TypeError(
                f"this model has {len(layer.layers)} circuits side by side: expected one; they "
                "are in its bottleneck"
            )
        if not isinstance(layer, QuantumLayer):
            raise TypeError(
                f"this model has no circuit: its bottleneck is {self._architecture['bottleneck']!r}"
            )
        return layer

    @property
    def _unscaled(self) -> nn.Module:
        """The bottleneck without the scale of its features."""
        return self.bottleneck.layer if isinstance(self.bottleneck, Scaled) else self.bottleneck

    @property
    def quantum_encoder(self) -> QuantumEncoder:
        """S(z), from z (B, d) to states (B, 2**n)."""
        return QuantumEncoder(self.quantum_layer)

    @property
    def quantum_space(self) -> QuantumSpace:
        """U, from states to states (B, 2**n)."""
        return QuantumSpace(self.quantum_layer)

    @property
    def quantum_decoder(self) -> QuantumDecoder:
        """V and the measurement, from states (B, 2**n) to features o (B, m), before any scale."""
        return QuantumDecoder(self.quantum_layer)

    def to_backend(self, backend: Any, **options: Any) -> VQVAE:
        """Make a model that runs its circuit elsewhere, and shares all weights with this one.

        With a number of shots or a noise model, features are no longer a function of z, but drawn:
        the decoder is noisy, another model of p(x|z) than the one that was trained. By Jensen's
        inequality, what `loss` and `log_likelihood` give is then a bound on *its* likelihood.

        Parameters
        ----------
        backend, **options
            As for `vqvae_lib.quantum.QuantumLayer`:
            ``model.to_backend("pennylane", device="default.qubit", shots=1000)``.

        Returns
        -------
        VQVAE
            Trained together with this one: the weights are the same objects. All else is its own:
            its modes, so that ``eval()`` of the one leaves the other in training, its KL weight,
            which needs a `KLWarmUp` of its own, and its hooks.
        """
        layer = self.quantum_layer
        # A deep copy, but for the weights, which are shared, and the layer, which is another one.
        kept = {id(t): t for t in (*self.parameters(), *self.buffers())}
        return copy.deepcopy(self, kept | {id(layer): layer.to_backend(backend, **options)})

    def extra_repr(self) -> str:
        """Name the objective, and whose it is, when the model is printed."""
        objective = super().extra_repr()
        backend = getattr(self._unscaled, "backend", None)
        if not isinstance(backend, PennyLane) or not (backend.shots or backend.noise):
            return objective
        source = f"{backend.shots} shots" if backend.shots else "a noisy device"
        return (
            f"{objective}, features from {source}: bounds are those of a model with a noisy decoder"
        )

    # ---------------------------------------------------------------- files

    @property
    def data_width(self) -> int:
        """Dimension D of the data."""
        return self._architecture["input_dim"]  # type: ignore[return-value]

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        return {
            **self._architecture,
            **asdict(self.circuit),
            "latent_dim": self.d,
            "likelihood": self.likelihood,
            "condition": self.condition,
            "beta": self.beta,
            "K": self.K,
        }


def _make_encoder(
    D: int,
    hidden: int,
    d: int,
    condition: Condition,
    image_shape: tuple[int, int] | None,
    activation: str,
) -> GaussianEncoder:
    """Make q(z|x): ``(B, D + width) -> (B, hidden) -> two times (B, d)``."""
    trunk: nn.Module
    if image_shape is None:
        trunk = mlp([D + condition.width, hidden], output_activation=activation)
    else:
        trunk = ConvEncoder(
            image_shape,
            hidden,
            activation=activation,
            output_activation=activation,
            condition_width=condition.width,
        )
    return GaussianEncoder(trunk, hidden, d)


def _make_decoder(
    m: int,
    hidden: int,
    D: int,
    condition: Condition,
    likelihood: Likelihood,
    image_shape: tuple[int, int] | None,
    activation: str,
) -> nn.Module:
    """Make the decoder: ``(B, m + width) -> (B, D * params_per_dimension)``."""
    params = likelihood.params_per_dimension
    if image_shape is None:
        return mlp([m + condition.width, hidden, D * params], activation=activation)
    return ConvDecoder(m + condition.width, image_shape, activation=activation, out_channels=params)
