"""The variational autoencoder: a prior, a likelihood, an encoder of distributions, a bound.

Data flow, once: x (B, D) -> encoder -> mu, log_var (B, d) -> reparameterise -> z (B, d) ->
bottleneck -> decoder -> parameters of the likelihood p(x|z). Every model of the course from
chapter 3 on is this class with another bottleneck: none, a classical layer, or a quantum circuit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vqvae_lib._checks import check_count
from vqvae_lib.bounds import (
    elbo,
    gaussian_kl,
    gaussian_log_prob,
    importance_bound,
    mean_over_batch,
    sum_over_dimensions,
)
from vqvae_lib.likelihoods import Likelihood
from vqvae_lib.networks import mlp

__all__ = ["VAE", "GaussianEncoder", "Posterior", "mlp_vae", "reparameterise"]

# Numbers that the decoder gives at a time in `log_likelihood`: 4 MB, which the caches hold.
_CHUNK = 1 << 20


class Posterior(NamedTuple):
    """The approximate posterior q(z|x) = N(mu, diag exp(log_var)).

    Attributes
    ----------
    mu
        Mean, shape (B, d).
    log_var
        Logarithm of the variance (not of the standard deviation), shape (B, d).
    """

    mu: torch.Tensor
    log_var: torch.Tensor


def reparameterise(
    mu: Tensor,
    log_var: Tensor,
    *,
    K: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw ``z = mu + exp(log_var / 2) * eps`` with eps ~ N(0, I), differentiable in both.

    Parameters
    ----------
    mu, log_var
        Shape (B, d).
    K
        How many draws for each sample; None: one, without an axis for it.
    generator
        Draws eps; None means torch's global one.

    Returns
    -------
    torch.Tensor
        Shape (B, d), or (K, B, d).
    """
    shape = mu.shape if K is None else (K, *mu.shape)
    eps = torch.randn(shape, generator=generator, dtype=mu.dtype, device=mu.device)
    return mu + (0.5 * log_var).exp() * eps


class GaussianEncoder(nn.Module):
    """A trunk with two linear heads, one for the mean and one for the log-variance of q(z|x).

    Parameters
    ----------
    trunk
        Maps x (B, D) to features (B, width).
    width
        Number of features.
    d
        Latent dimension.
    """

    def __init__(self, trunk: nn.Module, width: int, d: int) -> None:
        super().__init__()
        self.d = d
        self.trunk = trunk
        self.mu = mlp([width, d])
        self.log_var = mlp([width, d])

    def forward(self, x: Tensor) -> Posterior:
        """Encode: ``(B, D) -> (B, width) -> two times (B, d)``."""
        h = self.trunk(x)
        return Posterior(self.mu(h), self.log_var(h))


class VAE(nn.Module):
    """Variational autoencoder with prior p(z) = N(0, I_d).

    Parameters
    ----------
    encoder
        Maps x (B, D) to the pair ``(mu, log_var)``, (B, d) each, and has the attribute ``d``:
        a `GaussianEncoder`, for example.
    decoder
        Maps (B, m) to the parameters of the likelihood, (B, D * params_per_dimension). It ends
        linearly: the likelihood has its own nonlinearity.
    likelihood
        p(x|z), see `vqvae_lib.likelihoods`.
    bottleneck
        Between code and decoder, (B, d) -> (B, m); by default nothing.
    n_classes
        For a conditional model p(x|y): labels y run from 0 to n_classes - 1, and every method
        asks for them. Encoder and decoder are given the label as a one-hot row behind theirs,
        (B, D + n_classes) and (B, m + n_classes); the bottleneck does not see it.
    condition_dim
        For a model p(x|y) with numbers y, shape (B, condition_dim), in place of labels: a small
        picture, say. They are put behind the rows as they are.
    beta
        Weight of the KL in the loss; 1 for the ELBO.
    K
        Importance samples in the loss. Above 1 it is the negative IWAE bound.

    Raises
    ------
    ValueError
        If a number is out of range; when used, if a part's output does not fit the next, or
        labels are missing or not asked for.
    TypeError
        If `encoder` does not say its ``d``, or `likelihood` is none.

    Examples
    --------
    >>> from vqvae_lib.likelihoods import Gaussian
    >>> encoder = GaussianEncoder(mlp([64, 128], output_activation="gelu"), 128, d=8)
    >>> model = VAE(encoder, mlp([8, 128, 64]), Gaussian())
    >>> x = torch.rand(5, 64)  # (B, D)
    >>> model.encode(x).mu.shape
    torch.Size([5, 8])
    >>> sorted(model.loss(x))
    ['kl', 'loss', 'reconstruction']
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        bottleneck: nn.Module | None = None,
        *,
        n_classes: int | None = None,
        condition_dim: int | None = None,
        beta: float = 1.0,
        K: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(getattr(encoder, "d", None), int):
            raise TypeError(
                f"encoder is a {type(encoder).__name__} without the attribute d: expected a module "
                "that maps x to (mu, log_var) and says its latent dimension, such as "
                "GaussianEncoder(trunk, width, d)"
            )
        if not isinstance(likelihood, Likelihood):
            raise TypeError(
                f"likelihood is {likelihood!r}: expected an object of vqvae_lib.likelihoods, such "
                "as Gaussian()"
            )
        if not 0 <= beta < float("inf"):
            raise ValueError(f"beta={beta!r}: expected a number, 0 or more")
        check_count("K", K)
        condition_width(n_classes, condition_dim)
        self.encoder = encoder
        self.bottleneck = nn.Identity() if bottleneck is None else bottleneck
        self.decoder = decoder
        self.likelihood = likelihood
        self.n_classes = n_classes
        self.condition_dim = condition_dim
        self.beta = float(beta)
        self.K = K
        self.kl_weight = 1.0  # rises to 1 while the KL is annealed, see `warm_up`

    @property
    def d(self) -> int:
        """Latent dimension."""
        return self.encoder.d  # type: ignore[return-value]

    def extra_repr(self) -> str:
        """Name the objective, and the classes, when the model is printed."""
        given = {"n_classes": self.n_classes, "condition_dim": self.condition_dim}
        said = "".join(f", {name}={n}" for name, n in given.items() if n is not None)
        return f"beta={self.beta:g}, K={self.K}{said}"

    # ---------------------------------------------------------------- parts

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """Approximate posterior q(z|x): ``(B, D) -> two times (B, d)``."""
        found = self.encoder(self._join(x, y))
        if not isinstance(found, tuple) or len(found) != 2:
            what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"encoder gave {what}: expected the pair (mu, log_var), each (B, {self.d})"
            )
        for name, part in zip(Posterior._fields, found, strict=True):
            if part.shape != (len(x), self.d):
                raise ValueError(
                    f"encoder gave {name} of shape {tuple(part.shape)}: expected "
                    f"{(len(x), self.d)}, (B, d)"
                )
        return Posterior(*found)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Parameters of p(x|z): ``(..., d) -> (..., D * params_per_dimension)``."""
        if z.shape[-1] != self.d:
            raise ValueError(f"z has shape {tuple(z.shape)}: expected (..., {self.d})")
        rows = z.reshape(-1, self.d)  # (..., d) -> (R, d)
        if y is not None:
            if y.shape[:1] != z.shape[-2:-1]:
                raise ValueError(
                    f"y has shape {tuple(y.shape)}, z {tuple(z.shape)}: expected one for each code"
                )
            inner = y.shape[1:]  # of one sample: () for labels, (c,) for numbers
            y = y.expand(*z.shape[:-1], *inner).reshape(-1, *inner)  # (..., B) -> (R,)
        params = self.decoder(self._join(self.bottleneck(rows), y))
        return params.reshape(*z.shape[:-1], params.shape[-1])

    def _join(self, rows: Tensor, y: Tensor | None) -> Tensor:
        """Put what the model is conditioned on, if anything, behind the rows."""
        if self.n_classes is None and self.condition_dim is None:
            if y is not None:
                raise ValueError(
                    "y was given to a model without labels: expected one made with n_classes or "
                    "condition_dim"
                )
            return rows
        if y is None:
            made = "n_classes" if self.condition_dim is None else "condition_dim"
            what = "label" if self.condition_dim is None else "condition"
            raise ValueError(f"y is missing: a model with {made} needs the {what} of each sample")
        behind = self._one_hot(y, rows) if self.condition_dim is None else self._numbers(y, rows)
        return torch.cat([rows, behind], dim=1)

    def _one_hot(self, y: Tensor, rows: Tensor) -> Tensor:
        """Labels as rows: ``(R,) -> (R, n_classes)``."""
        classes = cast("int", self.n_classes)
        if y.dtype != torch.int64 or y.shape != rows.shape[:1]:
            raise ValueError(
                f"y is {tuple(y.shape)} of {y.dtype}: expected ({len(rows)},) of torch.int64"
            )
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < classes:
            raise ValueError(
                f"y runs from {int(y.min())} to {int(y.max())}: expected 0 to {classes - 1}"
            )
        return nn.functional.one_hot(y, classes).to(rows.dtype)

    def _numbers(self, y: Tensor, rows: Tensor) -> Tensor:
        """Check rows of numbers, ``(R, condition_dim)``."""
        expected = (len(rows), self.condition_dim)
        if not y.dtype.is_floating_point or y.shape != expected:
            raise ValueError(
                f"y is {tuple(y.shape)} of {y.dtype}: expected {expected} of floating point"
            )
        return y.to(rows.dtype)

    # ---------------------------------------------------------------- use

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Reconstruct, see `reconstruct`."""
        return self.reconstruct(x, y)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Mean of p(x|z) at the posterior's mean: ``(B, D) -> (B, D)``."""
        return self.likelihood.mean(self.decode(self.encode(x, y).mu, y))

    def sample(
        self,
        n: int,
        y: Tensor | None = None,
        *,
        mean: bool = False,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw new data: z ~ N(0, I), then x ~ p(x|z). The encoder has no part in it.

        Parameters
        ----------
        n
            How many.
        y
            Labels, shape (n,), for a model with `n_classes`.
        mean
            Give the mean of p(x|z) instead of a draw from it: the picture without the noise that
            is part of the model.
        generator
            Draws; None means torch's global one.

        Returns
        -------
        torch.Tensor
            Shape (n, D).
        """
        check_count("n", n)
        weight = next(self.parameters())
        z = torch.randn(n, self.d, generator=generator, dtype=weight.dtype, device=weight.device)
        with torch.no_grad():
            params = self.decode(z, y)
            if mean:
                return self.likelihood.mean(params)
            return self.likelihood.sample(params, generator=generator)

    @torch.no_grad()
    def interpolate(
        self, x_from: Tensor, x_to: Tensor, y: Tensor | None = None, *, steps: int = 9
    ) -> Tensor:
        """Decode points on the straight line between the codes of two batches.

        Parameters
        ----------
        x_from, x_to
            Data, shape (B, D) each.
        y
            Labels of both, shape (B,), for a model with `n_classes`.
        steps
            Number of points, the two ends included, 2 or more.

        Returns
        -------
        torch.Tensor
            Means of p(x|z), shape (steps, B, D).
        """
        if x_from.shape != x_to.shape:
            raise ValueError(
                f"x_from {tuple(x_from.shape)} and x_to {tuple(x_to.shape)}: expected the same "
                "shape (B, D)"
            )
        check_count("steps", steps, least=2)
        start, end = self.encode(x_from, y).mu, self.encode(x_to, y).mu  # (B, d)
        t = torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)
        z = start + t[:, None, None] * (end - start)  # (steps, B, d)
        return self.likelihood.mean(self.decode(z, y))

    # ---------------------------------------------------------------- bounds

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Negative bound of a batch, and what it consists of; each a scalar, in nats a sample.

        Parameters
        ----------
        x
            Data, shape (B, D).
        y
            Labels, shape (B,), for a model with `n_classes`.
        generator
            Draws eps; None means torch's global one.

        Returns
        -------
        dict
            ``"loss"``, minimised: ``reconstruction + beta * kl``, or the negative IWAE bound for
            K > 1. ``"reconstruction"``: minus the average of log p(x|z). ``"kl"``: the KL of
            q(z|x) from the prior, before beta. In evaluation mode an annealed KL counts in full.
        """
        return self.loss_given(self.encode(x, y), x, y, generator=generator)

    def loss_given(
        self,
        posterior: Posterior,
        x: Tensor,
        y: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """As `loss`, with codes from another distribution: a bound on log p(x) holds for any.

        Parameters
        ----------
        posterior
            Mean and log-variance of q, shape (B, d) each.
        x, y, generator
            As for `loss`.
        """
        self.likelihood.check_data(x)
        weight = self.beta * (self.kl_weight if self.training else 1.0)
        z = reparameterise(*posterior, K=self.K, generator=generator)  # (K, B, d)
        log_px = self._log_px(x, z, y)  # (K, B)
        kl = gaussian_kl(*posterior)  # (B,)
        if self.K == 1:
            bound = elbo(log_px[0], kl, beta=weight)
        else:
            log_ratio = gaussian_log_prob(z) - gaussian_log_prob(z, *posterior)  # (K, B)
            bound = importance_bound(log_px + weight * log_ratio)
        return {
            "loss": -mean_over_batch(bound),
            "reconstruction": -mean_over_batch(log_px),
            "kl": mean_over_batch(kl),
        }

    @torch.no_grad()
    def log_likelihood(
        self,
        x: Tensor,
        y: Tensor | None = None,
        *,
        K: int,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Estimate log p(x) of each sample from below, by the IWAE bound with K samples.

        It needs the memory of about a million of the decoder's output numbers, whatever B and K.

        Parameters
        ----------
        x
            Data, shape (B, D).
        y
            Labels, shape (B,), for a model with `n_classes`.
        K
            Importance samples, 1 or more. K = 1 estimates the ELBO; published values use 5000.
        generator
            Draws; None means torch's global one.

        Returns
        -------
        torch.Tensor
            In nats, shape (B,).
        """
        check_count("K", K)
        self.likelihood.check_data(x)
        D = x.shape[1]
        at_once = max(1, _CHUNK // (D * self.likelihood.params_per_dimension))
        draws = min(K, at_once)
        samples = max(1, at_once // draws)
        bounds = []
        for part in range(0, len(x), samples):
            rows = slice(part, part + samples)
            x_part, y_part = x[rows], None if y is None else y[rows]
            posterior = self.encode(x_part, y_part)
            log_sum = torch.full((len(x_part),), -torch.inf, dtype=x.dtype, device=x.device)
            for done in range(0, K, draws):
                z = reparameterise(*posterior, K=min(draws, K - done), generator=generator)
                log_weights = (
                    self._log_px(x_part, z, y_part)
                    + gaussian_log_prob(z)
                    - gaussian_log_prob(z, *posterior)
                )  # (draws, samples)
                log_sum = torch.logaddexp(log_sum, log_weights.logsumexp(dim=0))
            bounds.append(log_sum - torch.tensor(K, dtype=x.dtype).log())
        return torch.cat(bounds) if bounds else x.new_zeros(0)

    def _log_px(self, x: Tensor, z: Tensor, y: Tensor | None) -> Tensor:
        """Log p(x|z) of codes (K, B, d), summed over the dimensions: (K, B)."""
        params = self.decode(z, y)  # (K, B, D * params_per_dimension)
        self.likelihood.check_params(params, x.shape[-1])
        return sum_over_dimensions(self.likelihood.log_prob(x, params))

    def warm_up(self, epochs: int) -> Callable[[int], None]:
        """Anneal the KL: its weight rises from 1/epochs to 1, for ``fit(before_epoch=...)``.

        Parameters
        ----------
        epochs
            Length of the rise.

        Returns
        -------
        callable
            Sets the weight for the epoch that it is given, counted from 0.
        """
        check_count("epochs", epochs)

        def before_epoch(epoch: int) -> None:
            self.kl_weight = min(1.0, (epoch + 1) / epochs)

        # By its name a checkpoint knows it.
        before_epoch.__qualname__ = f"VAE.warm_up({epochs})"
        return before_epoch


def mlp_vae(
    D: int,
    hidden: int,
    d: int,
    likelihood: Likelihood,
    *,
    bottleneck: nn.Module | None = None,
    m: int | None = None,
    n_classes: int | None = None,
    condition_dim: int | None = None,
    activation: str = "gelu",
    beta: float = 1.0,
    K: int = 1,
) -> VAE:
    """Build the plainest VAE: one hidden layer on either side.

    Parameters
    ----------
    D
        Dimension of the data.
    hidden
        Width of the hidden layers.
    d
        Latent dimension.
    likelihood
        p(x|z).
    bottleneck
        Between code and decoder.
    m
        What the bottleneck gives to the decoder; None: d numbers.
    n_classes, condition_dim
        As in `VAE`.
    activation
        Nonlinearity of the hidden layers, one of those of `vqvae_lib.networks.mlp`.
    beta, K
        As in `VAE`.

    Returns
    -------
    VAE
        D -> hidden -> d, bottleneck, m -> hidden -> parameters of the likelihood.
    """
    behind = condition_width(n_classes, condition_dim)
    trunk = mlp([D + behind, hidden], output_activation=activation)
    encoder = GaussianEncoder(trunk, hidden, d)
    sizes = [(d if m is None else m) + behind, hidden, D * likelihood.params_per_dimension]
    return VAE(
        encoder,
        mlp(sizes, activation=activation),
        likelihood,
        bottleneck,
        n_classes=n_classes,
        condition_dim=condition_dim,
        beta=beta,
        K=K,
    )


def condition_width(n_classes: int | None, condition_dim: int | None) -> int:
    """How many numbers a conditional model puts behind its rows; 0 for one without conditions.

    Raises
    ------
    ValueError
        If a number is below 1, or both are given.
    """
    for name, value in (("n_classes", n_classes), ("condition_dim", condition_dim)):
        if value is not None:
            check_count(name, value)
    if n_classes is not None and condition_dim is not None:
        raise ValueError(
            f"n_classes={n_classes} and condition_dim={condition_dim}: expected one of them, "
            "labels or numbers"
        )
    return n_classes or condition_dim or 0
