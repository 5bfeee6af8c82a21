"""Inpainting: draws of hidden pixels, given the seen ones, from any trained VAE or VQVAE.

A VAE never learned p(hidden | seen). But it has p(z) and p(x|z), and with them
p(z | seen) ∝ p(z) p(seen | z), where hidden pixels are simply left out of the product. Once z is
drawn, hidden pixels follow p(x|z). The four methods differ in how they draw z.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from vqvae_lib._checks import check_count
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._fits import check_fits
from vqvae_lib.applications.langevin import climb, langevin
from vqvae_lib.bounds import gaussian_log_prob, sum_over_dimensions
from vqvae_lib.vae import VAE, reparameterise

__all__ = ["Inpainting", "energy_score", "hidden_rmse", "inpaint", "neighbour_fills"]

Method = Literal["langevin", "metropolis", "pseudo-gibbs", "importance"]


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Completed images, made by `inpaint`.

    Attributes
    ----------
    draws
        Shape (S, B, D), seen pixels as they were.
    z
        The codes behind them, shape (S, B, d).
    moved
        Whether the method works, shape (B,): the share of proposals that were accepted, or, of
        importance sampling, the share of the candidates that carry the weight. 1 for pseudo-Gibbs,
        which does not ask.
    """

    draws: Tensor
    z: Tensor
    moved: Tensor

    @property
    def mean(self) -> Tensor:
        """Average over the draws, shape (B, D): the fill with the smallest squared error."""
        return self.draws.mean(0)


def inpaint(
    model: VAE,
    x: Tensor,
    observed: Tensor,
    *,
    y: Tensor | None = None,
    method: Method = "langevin",
    draws: int = 16,
    steps: int = 200,
    mean: bool = False,
    generator: torch.Generator,
) -> Inpainting:
    """Draw hidden pixels from p(x_hidden | x_seen).

    Parameters
    ----------
    model
        Trained, its likelihood a product over pixels, as all of the library's are.
    x
        Images, shape (B, D); what is hidden may hold anything, also nan.
    observed
        Which pixels are seen, booleans, shape (B, D), or (D,) for all images alike.
    y
        Labels or conditions, for a model that asks for them.
    method
        - "langevin": a climb to a peak of the posterior, then Metropolis-adjusted Langevin steps on
          z, see `langevin`. Exact in the limit of many steps, and it needs the decoder's slope.
        - "metropolis": Metropolis-within-Gibbs (Mattei and Frellsen 2018). The encoder, given the
          image as it is filled at the moment, proposes codes. Exact in the limit.
        - "pseudo-gibbs": the same without the test (Rezende, Mohamed and Wierstra 2014). Exact only
          for an encoder that is the true posterior.
        - "importance": `steps` codes for each draw, half from the prior and half from the encoder
          given a first guess; S of all are kept, with probability in proportion to their weights.
          Exact in the limit of many candidates.
    draws
        S, how many for each image: independent chains, of which the last state counts.
    steps
        Length of a chain and of the climb before it, or candidates for a draw.
    mean
        Fill with the mean of p(x|z) instead of a draw from it.
    generator
        Draws.

    Returns
    -------
    Inpainting
        Draws, codes, and whether the method moved.

    Raises
    ------
    ValueError
        If shapes do not fit, a seen pixel is not finite, the method is unknown, or pseudo-Gibbs
        ran away to infinity.
    """
    known = get_args(Method)
    if method not in known:
        raise ValueError(f"method={method!r}: expected one of {', '.join(known)}")
    check_count("draws", draws)
    check_count("steps", steps, least=2)
    with evaluating(model):
        problem = _Problem.of(model, x, observed, y, generator)
        z, moved = _METHODS[method](problem, draws, steps)
        if not z.isfinite().all():
            raise ValueError(
                f"method={method!r} ran away: after {steps} steps codes are no longer finite. "
                "Expected an encoder that copes with half-filled images; 'langevin' and "
                "'metropolis' ask for none"
            )
        return Inpainting(problem.fill(problem.decode(z), mean=mean), z, moved)


@dataclass(frozen=True, eq=False)
class _Problem:
    """A model, images with holes, and what all methods do with them."""

    model: VAE
    x: Tensor  # (B, D), 0 where hidden
    observed: Tensor  # (B, D)
    y: Tensor | None
    generator: torch.Generator

    @classmethod
    def of(
        cls,
        model: VAE,
        x: Tensor,
        observed: Tensor,
        y: Tensor | None,
        generator: torch.Generator,
    ) -> _Problem:
        observed = _mask(x, observed)
        kept = torch.where(observed, x, 0.0)
        check_fits(model, "x", x, y)
        model.likelihood.check_data(kept)
        return cls(model, kept, observed, y, generator)

    def decode(self, z: Tensor) -> Tensor:
        """Parameters of p(x|z): ``(S, B, d) -> (S, B, D * params_per_dimension)``."""
        return self.model.decode(z, self.y)

    def seen_given(self, z: Tensor) -> Tensor:
        """Log p(x_seen | z): ``(S, B, d) -> (S, B)``."""
        terms = self.model.likelihood.log_prob(self.x, self.decode(z))  # (S, B, D)
        return sum_over_dimensions(torch.where(self.observed, terms, 0.0))

    def only(self, b: int) -> _Problem:
        """Keep one of the images."""
        rows = slice(b, b + 1)
        y = None if self.y is None else self.y[rows]
        return replace(self, x=self.x[rows], observed=self.observed[rows], y=y)

    def log_posterior(self, z: Tensor) -> Tensor:
        """Log p(z) p(x_seen | z), log p(z | x_seen) up to a constant: ``(S, B, d) -> (S, B)``."""
        return gaussian_log_prob(z) + self.seen_given(z)

    def fill(self, params: Tensor, *, mean: bool = False) -> Tensor:
        """Fill the holes from p(x|z), given its parameters: ``-> (S, B, D)``."""
        likelihood = self.model.likelihood
        hidden = (
            likelihood.mean(params) if mean else likelihood.sample(params, generator=self.generator)
        )
        return torch.where(self.observed, self.x, hidden)

    def encode(self, filled: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior of filled images: ``(S, B, D) -> two times (S, B, d)``."""
        S, B, _ = filled.shape
        y = None if self.y is None else self.y.repeat(S, *[1] * (self.y.ndim - 1))
        mu, log_var = self.model.encode(filled.flatten(0, 1), y)  # (S * B, d) each
        return mu.unflatten(0, (S, B)), log_var.unflatten(0, (S, B))

    def noise(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers."""
        return self.x.new_empty(shape).normal_(generator=self.generator)

    def begin(self, draws: int) -> Tensor:
        """Codes to begin with, each the one of 32 from the prior that fits best: ``(S, B, d)``.

        Chains that begin far off would take long to come back.
        """
        best = self.x.new_zeros(draws, len(self.x), self.model.d)
        fits = self.x.new_full((draws, len(self.x)), -torch.inf)
        for _ in range(32):
            z = self.noise(best.shape)
            found = self.seen_given(z)
            best = torch.where((found > fits)[..., None], z, best)
            fits = torch.maximum(found, fits)
        return best


def _langevin(problem: _Problem, draws: int, steps: int) -> tuple[Tensor, Tensor]:
    start = climb(problem.log_posterior, problem.begin(draws), steps=steps)
    # The encoder knows about how wide a posterior is in each direction; holes only widen it.
    _, log_var = problem.encode(problem.fill(problem.decode(start), mean=True))
    found = langevin(
        problem.log_posterior,
        start,
        steps=steps,
        scale=(log_var / 2).exp().mean(0),  # (B, d)
        generator=problem.generator,
    )
    return found.z, found.acceptance


def _gibbs(problem: _Problem, draws: int, steps: int, *, test: bool) -> tuple[Tensor, Tensor]:
    """Alternate between codes, from the encoder, and hidden pixels, from the decoder."""
    log_prob = problem.model.likelihood.log_prob
    z = problem.begin(draws)
    params = problem.decode(z)
    taken = z.new_zeros(draws, len(problem.x))
    for _ in range(steps):
        filled = problem.fill(params)
        mu, log_var = problem.encode(filled)
        proposal = reparameterise(mu, log_var, generator=problem.generator)
        proposed = problem.decode(proposal)
        accepted = torch.ones_like(taken, dtype=torch.bool)
        if test:
            log_ratio = (
                gaussian_log_prob(proposal)
                - gaussian_log_prob(z)
                + sum_over_dimensions(log_prob(filled, proposed) - log_prob(filled, params))
                + gaussian_log_prob(z, mu, log_var)
                - gaussian_log_prob(proposal, mu, log_var)
            )  # (S, B)
            drawn = torch.empty_like(log_ratio).uniform_(generator=problem.generator)
            accepted = drawn.log() < log_ratio
        z = torch.where(accepted[..., None], proposal, z)
        params = torch.where(accepted[..., None], proposed, params)
        taken += accepted
    return z, taken.mean(0) / steps


def _importance(problem: _Problem, draws: int, steps: int) -> tuple[Tensor, Tensor]:
    """Keep `draws` of ``draws * steps`` candidates for each image, in proportion to their weights.

    Half of the candidates come from the prior, which misses nothing, half from the encoder given a
    first guess; the weight of either is held against the mixture of both.
    """
    prior_mean = problem.x.new_zeros(1, len(problem.x), problem.model.d)
    start = problem.fill(problem.decode(prior_mean), mean=True)
    mu, log_var = problem.encode(start)  # (1, B, d) each
    K = draws * steps
    codes, shares = [], []
    for b in range(len(problem.x)):  # one image at a time: K candidates need room
        one = problem.only(b)
        z = one.noise((K, 1, one.model.d))
        z[K // 2 :] = mu[:, b : b + 1] + (log_var[:, b : b + 1] / 2).exp() * z[K // 2 :]
        prior = gaussian_log_prob(z)
        encoder = gaussian_log_prob(z, mu[:, b : b + 1], log_var[:, b : b + 1])
        mixture = torch.logaddexp(prior, encoder)  # up to the factor ½
        weights = (one.log_posterior(z) - mixture).softmax(0)  # (K, 1)
        kept = weights[:, 0].multinomial(draws, replacement=True, generator=problem.generator)
        codes.append(z[kept])  # (S, 1, d)
        shares.append(1 / weights.square().sum(0) / K)  # Kish's effective sample size
    return torch.cat(codes, 1), torch.cat(shares)


_METHODS = {
    "langevin": _langevin,
    "metropolis": lambda *args: _gibbs(*args, test=True),
    "pseudo-gibbs": lambda *args: _gibbs(*args, test=False),
    "importance": _importance,
}


# -------------------------------------------------------------------- baseline and scores


def neighbour_fills(
    x: Tensor, observed: Tensor, x_train: Tensor, *, neighbours: int = 10
) -> Tensor:
    """Fill a hole from the training images that agree best with what is seen.

    Parameters
    ----------
    x
        Images, shape (B, D).
    observed
        Which pixels are seen, booleans, shape (B, D) or (D,), at least one in each image.
    x_train
        Shape (N, D).
    neighbours
        How many, 1 to N.

    Returns
    -------
    torch.Tensor
        Shape (neighbours, B, D), the nearest first, seen pixels as they were. Their average is the
        usual fill.

    Raises
    ------
    ValueError
        If shapes do not fit, or `neighbours` is out of range.
    """
    observed = _mask(x, observed)
    if x_train.ndim != 2 or x_train.shape[1] != x.shape[1]:
        raise ValueError(f"x_train has shape {tuple(x_train.shape)}: expected (N, {x.shape[1]})")
    if not 1 <= neighbours <= len(x_train):
        raise ValueError(f"neighbours={neighbours!r}: expected 1 to {len(x_train)}")
    seen, weight = torch.where(observed, x, 0.0), observed.to(x.dtype)
    # Squared distances over seen pixels: x² - 2 x t + t², each a matrix product.
    distances = (
        seen.square().sum(1, keepdim=True) - 2 * seen @ x_train.T + weight @ x_train.square().T
    )  # (B, N)
    nearest = distances.topk(neighbours, largest=False).indices  # (B, neighbours)
    return torch.where(observed, x, x_train[nearest.T])  # (neighbours, B, D)


def hidden_rmse(x: Tensor, filled: Tensor, observed: Tensor) -> Tensor:
    """Error of a fill over hidden pixels alone, for each image.

    Parameters
    ----------
    x
        The truth, shape (B, D).
    filled
        Completed images, shape (B, D).
    observed
        Which pixels were seen, booleans, shape (B, D) or (D,), not all of an image.

    Returns
    -------
    torch.Tensor
        Root of the mean squared error, in units of x, shape (B,).

    Raises
    ------
    ValueError
        If shapes do not fit, or an image has nothing hidden.
    """
    hidden = _hidden(x, filled, observed)
    squares = torch.where(hidden, (filled - x).square(), 0.0)
    return (squares.sum(-1) / hidden.sum(-1)).sqrt()


def energy_score(x: Tensor, draws: Tensor, observed: Tensor) -> Tensor:
    """How well draws of hidden pixels foretell the truth as a whole; smaller is better.

    The average distance of a draw from the truth, less half the average distance of two draws
    (Gneiting and Raftery 2007). In expectation nothing scores better than the true conditional
    distribution: one sharp guess is punished when it is wrong, and so is needless scatter. A root
    mean squared error sees the average fill alone.

    Parameters
    ----------
    x
        The truth, shape (B, D).
    draws
        Shape (S, B, D), S of 2 or more.
    observed
        Which pixels were seen, booleans, shape (B, D) or (D,), not all of an image.

    Returns
    -------
    torch.Tensor
        In units of x times the root of the number of hidden pixels, shape (B,).

    Raises
    ------
    ValueError
        If shapes do not fit, or an image has nothing hidden.
    """
    if draws.ndim != 3 or len(draws) < 2:
        raise ValueError(
            f"draws have shape {tuple(draws.shape)}: expected (S, B, D), S of 2 or more"
        )
    hidden = _hidden(x, draws[0], observed)
    inside = torch.where(hidden, draws - x, 0.0).transpose(0, 1)  # (B, S, D)
    to_truth = inside.norm(dim=-1).mean(1)  # (B,)
    S = len(draws)
    between = torch.cdist(inside, inside).sum((1, 2)) / (S * (S - 1))  # (B,)
    return to_truth - 0.5 * between


def _mask(x: Tensor, observed: Tensor) -> Tensor:
    """Check images and mask, and give the mask for each image: ``-> (B, D)``."""
    if x.ndim != 2 or not len(x):
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (B, D)")
    if observed.dtype != torch.bool or observed.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"observed is {tuple(observed.shape)} of {observed.dtype}: expected "
            f"{tuple(x.shape)} or {tuple(x.shape[1:])} of torch.bool"
        )
    observed = observed.expand(x.shape)
    if not x[observed].isfinite().all():
        raise ValueError("x holds nan or inf where observed is True: expected finite numbers")
    return observed


def _hidden(x: Tensor, filled: Tensor, observed: Tensor) -> Tensor:
    hidden = ~_mask(x, observed)
    if filled.shape != x.shape:
        raise ValueError(f"filled has shape {tuple(filled.shape)}: expected {tuple(x.shape)}")
    if not hidden.any(-1).all():
        raise ValueError("observed hides nothing in an image: expected a hole in each")
    return hidden
