"""Autoencoders: linear, nonlinear, denoising.

An encoder maps data x (B, D) to a code z (B, d), a decoder maps the code back to a
reconstruction x_hat (B, D); both are learnt by asking that x_hat be near x.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vqvae_lib._checks import (
    check_count,
    check_generator,
    check_instance,
    check_number,
    check_same_shape,
    check_tensor,
)
from vqvae_lib._model_files import SavedModel
from vqvae_lib.bounds import mean_over_batch, sum_over_dimensions
from vqvae_lib.networks import find_weight, mlp

__all__ = [
    "Autoencoder",
    "DenoisingAutoencoder",
    "LinearAutoencoder",
    "mlp_autoencoder",
    "squared_error",
]


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared error of a reconstruction, summed over the dimensions, averaged over the batch.

    Parameters
    ----------
    x
        Data, shape (B, D).
    x_hat
        Reconstruction, shape (B, D).

    Returns
    -------
    torch.Tensor
        A scalar: ``(1/B) sum_b sum_i (x_bi - x_hat_bi)**2``, that is D times the mean squared
        error per pixel.

    Raises
    ------
    ValueError
        If the shapes differ (they would be broadcast otherwise).

    Examples
    --------
    >>> x = torch.zeros(2, 3)  # B = 2, D = 3
    >>> squared_error(x, x + 2)  # 3 dimensions, each off by 2: 3 * 2**2
    tensor(12.)
    """
    x = check_tensor("x", x, ("B", "D"), least=1)
    x_hat = check_tensor("x_hat", x_hat, ("B", "D"), like=x)
    check_same_shape("x_hat", x_hat, "x", x)
    squares = (x - x_hat).square()  # (B, D)
    return mean_over_batch(sum_over_dimensions(squares))  # (B, D) -> (B,) -> ()


class Autoencoder(SavedModel):
    """An encoder and a decoder, trained to give back what was put in.

    Parameters
    ----------
    encoder
        Maps (B, D) to (B, d).
    decoder
        Maps (B, d) to (B, D).

    Examples
    --------
    >>> model = Autoencoder(mlp([64, 128, 2]), mlp([2, 128, 64]))
    >>> x = torch.rand(5, 64)
    >>> model.encode(x).shape  # d = 2 numbers for each of B = 5 images
    torch.Size([5, 2])
    >>> model(x).shape  # and D = 64 pixels again
    torch.Size([5, 64])
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = check_instance("encoder", encoder, nn.Module, "a torch.nn.Module")
        self.decoder = check_instance("decoder", decoder, nn.Module, "a torch.nn.Module")

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def data_width(self) -> int | None:
        """Dimension D of the data; None where the encoder does not say."""
        return getattr(self.encoder, "input_width", None)

    def encode(self, x: Tensor) -> Tensor:
        """Encode data into codes: ``(B, D) -> (B, d)``."""
        return self.encoder(self._check_data(x))

    def decode(self, z: Tensor) -> Tensor:
        """Decode codes into reconstructions: ``(B, d) -> (B, D)``."""
        width = getattr(self.decoder, "input_width", None)
        shape = ("B", "d" if width is None else width)
        z = check_tensor("z", z, shape, like=find_weight(self), finite=True)
        return self.decoder(z)

    def _check_data(self, x: Tensor, *, least: int = 0) -> Tensor:
        shape = ("B", "D" if self.data_width is None else self.data_width)
        return check_tensor("x", x, shape, like=find_weight(self), finite=True, least=least)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct: ``(B, D) -> (B, d) -> (B, D)``."""
        # Not by `decode`: nan, in a training that diverges, is for the loss to show.
        return self.decoder(self.encode(x))

    def loss(self, x: Tensor, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Loss of a batch, as `vqvae_lib.training.fit` asks for it.

        Parameters
        ----------
        x
            Data, shape (B, D).
        generator
            Not used: nothing is drawn here.

        Returns
        -------
        dict
            ``"loss"``: `squared_error` of the reconstruction, a scalar.
        """
        if generator is not None:
            check_generator("generator", generator)
        x = self._check_data(x, least=1)
        return {"loss": squared_error(x, self(x))}


class LinearAutoencoder(Autoencoder):
    """One linear map with bias into the code and one back.

    Its squared error is smallest when the decoder's columns span the first d principal
    directions of the data and the biases centre it (Baldi and Hornik 1989): principal component
    analysis, except that the basis within the subspace is arbitrary.

    Parameters
    ----------
    D
        Dimension of the data.
    d
        Dimension of the code, at most D.
    """

    def __init__(self, D: int, d: int) -> None:
        D = check_count("D", D)
        d = check_count("d", d, most=D)
        super().__init__(mlp([D, d]), mlp([d, D]))
        self.D, self.d = D, d

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        return {"D": self.D, "d": self.d}

    @torch.no_grad()
    def subspace(self) -> Tensor:
        """Orthonormal basis of the space that the decoder can reach, its offset left out.

        Returns
        -------
        torch.Tensor
            Shape (D, d), columns of length 1 at right angles to each other. Compare it with
            PCA's by `vqvae_lib.metrics.principal_angles`.
        """
        weight = self.decoder[0].weight  # type: ignore[index]  # (D, d)
        return torch.linalg.qr(weight).Q  # (D, d)


class DenoisingAutoencoder(Autoencoder):
    """An autoencoder that is shown noisy data and asked for the clean one.

    The best reconstruction r, the mean of the clean data given the noisy x, points uphill in the
    density p of the noisy data: ``r(x) - x = noise_std**2 * grad log p(x)``, for every noise_std
    (Tweedie's formula; Vincent 2011, Alain and Bengio 2014).

    Parameters
    ----------
    encoder
        Maps (B, D) to (B, d).
    decoder
        Maps (B, d) to (B, D).
    noise_std
        Standard deviation of the Gaussian noise, in the units of x; above 0.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, noise_std: float) -> None:
        super().__init__(encoder, decoder)
        self.noise_std = check_number("noise_std", noise_std, above=0)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build this model again, for its file."""
        return super().settings() | {"noise_std": self.noise_std}

    def extra_repr(self) -> str:
        """Name the noise when the model is printed."""
        return f"noise_std={self.noise_std}"

    def corrupt(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Add noise: ``x + noise_std * N(0, 1)``, drawn from `generator`; (B, D) -> (B, D)."""
        x = self._check_data(x)
        if generator is not None:
            check_generator("generator", generator)
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return x + self.noise_std * noise

    def loss(self, x: Tensor, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Loss of a batch: how far the reconstruction of the noisy x is from the clean one.

        Parameters
        ----------
        x
            Clean data, shape (B, D).
        generator
            Draws the noise; None means torch's global one.

        Returns
        -------
        dict
            ``"loss"``: `squared_error` against the clean data, a scalar.
        """
        x = self._check_data(x, least=1)
        return {"loss": squared_error(x, self(self.corrupt(x, generator=generator)))}

    def score(self, x: Tensor) -> Tensor:
        """Estimate the score of the noisy data, ``grad_x log p(x)``.

        Parameters
        ----------
        x
            Where to evaluate it, shape (B, D).

        Returns
        -------
        torch.Tensor
            ``(r(x) - x) / noise_std**2``, shape (B, D).
        """
        x = self._check_data(x)
        return (self(x) - x) / self.noise_std**2


def mlp_autoencoder(
    D: int,
    hidden: int,
    d: int,
    *,
    activation: str = "gelu",
) -> Autoencoder:
    """Build the plainest nonlinear autoencoder: one hidden layer on either side.

    Parameters
    ----------
    D
        Dimension of the data.
    hidden
        Width of the hidden layer, the same in encoder and decoder.
    d
        Dimension of the code.
    activation
        Nonlinearity of the hidden layers, one of those of `vqvae_lib.networks.mlp`.

    Returns
    -------
    Autoencoder
        D -> hidden -> d -> hidden -> D.
    """
    D, hidden, d = check_count("D", D), check_count("hidden", hidden), check_count("d", d)
    return Autoencoder(
        mlp([D, hidden, d], activation=activation),
        mlp([d, hidden, D], activation=activation),
    )
