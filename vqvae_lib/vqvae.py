"""The hybrid variational quantum autoencoder: a VAE with a circuit between code and decoder.

Data flow, once: x (B, D) -> encoder -> mu, log_var (B, d) -> reparameterise -> z (B, d) ->
quantum encoder -> quantum space -> quantum decoder, measured -> o (B, m) -> decoder -> parameters
of the likelihood p(x|z). z is classical, so the KL is the VAE's; with exact expectation values the
circuit is a deterministic part of the decoder, and the ELBO is the VAE's as well.
"""

from __future__ import annotations

import copy
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from vqvae_lib._checkpoint import read_checkpoint, write_checkpoint
from vqvae_lib._checks import check_count
from vqvae_lib.bottlenecks import Kind, Patched, Scaled, make_bottleneck
from vqvae_lib.likelihoods import Bernoulli, Binomial, Gaussian, Likelihood
from vqvae_lib.networks import ConvDecoder, ConvEncoder, mlp
from vqvae_lib.quantum import Circuit, PennyLane, QuantumLayer
from vqvae_lib.quantum.layer import Init
from vqvae_lib.quantum.parts import QuantumDecoder, QuantumEncoder, QuantumSpace
from vqvae_lib.vae import VAE, GaussianEncoder, condition_width

__all__ = ["VQVAE"]

_FORMAT = 1  # of saved files; counts up when an old file can no longer be read


class VQVAE(VAE):
    """Hybrid variational quantum autoencoder.

    Parameters
    ----------
    input_dim
        Dimension D of the data.
    hidden_dim
        Width of the hidden layer on either side.
    latent_dim
        Latent dimension d: n_qubits (one angle a qubit) or 2·n_qubits (two).
    n_qubits
        Number n of qubits.
    likelihood
        p(x|z), see `vqvae_lib.likelihoods`; None: a Gaussian with one learned variance.
    bottleneck
        "quantum", or the twin that takes the circuit's place: "separable", "frozen", "patched",
        "fourier", "mlp", "linear", "tanh" or "none", see `vqvae_lib.bottlenecks`. Built from the
        same seed, twins begin with the same encoder and, where m is the same, decoder.
    patches
        Number of circuits of the bottleneck "patched".
    init
        How the angles begin, see `vqvae_lib.quantum.layer.initial_weights`; None: with a chart
        where the circuit has one, else at random.
    scale_features
        Whether the decoder is given features times learned numbers that begin at 1/a.
    backend
        What runs the circuit, see `vqvae_lib.quantum.QuantumLayer`.
    trunk
        "mlp" or "conv": what encoder and decoder are made of.
    image_shape
        (H, W), for "conv".
    activation
        Nonlinearity of the hidden layers, one of those of `vqvae_lib.networks.mlp`.
    n_classes, condition_dim, beta, K
        As in `vqvae_lib.VAE`.
    **circuit
        Further arguments of `vqvae_lib.Circuit`: embedding, entangler, reupload, readout, …
        Where nothing is said, the course's settings hold: angle_scale 0.3; entangling layers that
        cancel at zero angles (mirror=True) where the circuit allows it; and as many features as
        the code has numbers, so "ZX" for two angles a qubit and "Z" for one.

    Raises
    ------
    ValueError
        If an argument does not fit, or does not go together with another.

    Examples
    --------
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
        init: Init | None = None,
        scale_features: bool = True,
        backend: Any = "auto",
        trunk: Literal["mlp", "conv"] = "mlp",
        image_shape: tuple[int, int] | None = None,
        activation: str = "gelu",
        n_classes: int | None = None,
        condition_dim: int | None = None,
        beta: float = 1.0,
        K: int = 1,
        **circuit: Any,
    ) -> None:
        check_count("input_dim", input_dim)
        check_count("hidden_dim", hidden_dim)
        likelihood = Gaussian() if likelihood is None else likelihood
        described = Circuit.for_latent(latent_dim, n_qubits, **circuit)
        sizes = (input_dim, hidden_dim, latent_dim, described.n_features)
        behind = condition_width(n_classes, condition_dim)
        encoder, decoder = _trunks(trunk, sizes, behind, likelihood, image_shape, activation)
        # The bottleneck comes last: twins with the same seed draw the same networks before it.
        between = make_bottleneck(
            bottleneck, described, init=init, scale_features=scale_features, backend=backend,
            patches=patches,
        )  # fmt: skip
        super().__init__(
            encoder, decoder, likelihood, between,
            n_classes=n_classes, condition_dim=condition_dim, beta=beta, K=K,
        )  # fmt: skip
        self.circuit = described
        self._settings = {
            "input_dim": input_dim,
            "hidden_dim": hidden_dim,
            "bottleneck": bottleneck,
            "patches": patches,
            "init": init,
            "scale_features": scale_features,
            "trunk": trunk,
            "image_shape": image_shape,
            "activation": activation,
            "n_classes": n_classes,
            "condition_dim": condition_dim,
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
                f"this model has no circuit: its bottleneck is {self._settings['bottleneck']!r}"
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
            Trained together with this one: the weights are the same objects.
        """
        layer = self.quantum_layer.to_backend(backend, **options)
        twin = copy.copy(self)
        twin._modules = dict(self._modules)
        twin.bottleneck = layer
        if isinstance(self.bottleneck, Scaled):
            twin.bottleneck = copy.copy(self.bottleneck)
            twin.bottleneck._modules = {"layer": layer}
        return twin

    def extra_repr(self) -> str:
        """Name the objective, and whose it is, when the model is printed."""
        said = super().extra_repr()
        backend = getattr(self._unscaled, "backend", None)
        if isinstance(backend, PennyLane) and (backend.shots or backend.noise):
            source = f"{backend.shots} shots" if backend.shots else "a noisy device"
            said += f", features from {source}: bounds are those of a model with a noisy decoder"
        return said

    # ---------------------------------------------------------------- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model into one file: its settings, its weights, and with what it was made.

        The file holds tensors and JSON (the safetensors format), no pickle, and appears whole or
        not at all. The backend does not belong to the model: `load` chooses one.

        Raises
        ------
        TypeError
            If the likelihood is none of the library's own, which alone a file can describe.
        """
        info = {
            "kind": "VQVAE",
            "format": _FORMAT,
            "versions": _versions(),
            "settings": self._settings
            | {
                "circuit": {"latent_dim": self.d} | asdict(self.circuit),
                "beta": self.beta,
                "K": self.K,
            },
            "likelihood": _describe(self.likelihood),
        }
        write_checkpoint(Path(path), self.state_dict(), info)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, backend: Any = "auto") -> VQVAE:
        """Read a model that `save` wrote, in evaluation mode.

        Parameters
        ----------
        path
            The file.
        backend
            What runs the circuit.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is damaged, no saved VQVAE, or of a version that this one cannot read; the
            message says which.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"path={str(path)!r}: there is no such file")
        tensors, info = read_checkpoint(path)
        if info.get("kind") != "VQVAE":
            raise ValueError(
                f"{path} holds {info.get('kind', 'a checkpoint of `fit`')!r}: expected a model "
                "written by VQVAE.save"
            )
        made_with = ", ".join(f"{name} {version}" for name, version in info["versions"].items())
        if info["format"] != _FORMAT:
            raise ValueError(
                f"{path} has format {info['format']}, made with {made_with}: this version of "
                f"vqvae_lib reads format {_FORMAT}"
            )
        settings = dict(info["settings"])
        circuit = settings.pop("circuit")
        if settings["image_shape"] is not None:
            settings["image_shape"] = tuple(settings["image_shape"])
        try:
            # Nobody's random numbers are spent on weights that go.
            with torch.random.fork_rng(devices=[]):
                model = cls(
                    **settings, **circuit, likelihood=_likelihood(info["likelihood"]),
                    backend=backend,
                )  # fmt: skip
            # A file's order is arbitrary, and tables of integers tell nothing of the weights.
            model.to(next(t.dtype for t in tensors.values() if t.is_floating_point()))
            model.load_state_dict(tensors)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{path}, made with {made_with}, does not fit: {error}") from error
        return model.eval()


def _trunks(
    trunk: str,
    sizes: tuple[int, int, int, int],
    behind: int,
    likelihood: Likelihood,
    image_shape: tuple[int, int] | None,
    activation: str,
) -> tuple[nn.Module, nn.Module]:
    """Make encoder and decoder, of either kind, with `behind` numbers of a condition."""
    D, hidden, d, m = sizes
    if trunk not in ("mlp", "conv"):
        raise ValueError(f"trunk={trunk!r}: expected 'mlp' or 'conv'")
    if (trunk == "conv") != (image_shape is not None):
        raise ValueError(
            f"trunk={trunk!r} with image_shape={image_shape!r}: expected image_shape=(H, W) with "
            "trunk='conv', and with it alone"
        )
    per_pixel = likelihood.params_per_dimension
    if image_shape is None:
        body: nn.Module = mlp(
            [D + behind, hidden], activation=activation, output_activation=activation
        )
        decoder: nn.Module = mlp([m + behind, hidden, D * per_pixel], activation=activation)
    else:
        if image_shape[0] * image_shape[1] != D:
            raise ValueError(
                f"image_shape={image_shape!r} has {image_shape[0] * image_shape[1]} pixels, and "
                f"input_dim={D}"
            )
        body = ConvEncoder(
            image_shape, hidden, activation=activation, output_activation=activation, extra=behind
        )
        decoder = ConvDecoder(
            m + behind, image_shape, activation=activation, out_channels=per_pixel
        )
    return GaussianEncoder(body, hidden, d), decoder


def _describe(likelihood: Likelihood) -> dict[str, Any]:
    """Name a likelihood and its arguments, as JSON can hold them."""
    # A subclass is none of the library's own, whatever it inherits.
    if type(likelihood) is Bernoulli:
        return {"name": "Bernoulli"}
    if type(likelihood) is Binomial:
        return {"name": "Binomial", "total_count": likelihood.total_count}
    if type(likelihood) is Gaussian:
        fixed = likelihood.kind == "fixed"
        return {
            "name": "Gaussian",
            "variance": float(likelihood.fixed_variance) if fixed else likelihood.kind,
            "min_variance": likelihood.min_variance,
        }
    raise TypeError(
        f"likelihood is a {type(likelihood).__name__}, which a file cannot describe: expected one "
        "of the library's own, or keep model.state_dict()"
    )


def _likelihood(described: dict[str, Any]) -> Likelihood:
    known = {"Bernoulli": Bernoulli, "Binomial": Binomial, "Gaussian": Gaussian}
    arguments = dict(described)
    return known[arguments.pop("name")](**arguments)


def _versions() -> dict[str, str]:
    from vqvae_lib import __version__

    return {"vqvae_lib": __version__, "torch": torch.__version__}
