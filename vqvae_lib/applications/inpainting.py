"""Inpainting: draws of the hidden pixels given the seen ones, from any trained VAE or VQVAE.

A VAE never learned p(hidden | seen). But it has p(z) and p(x|z), and these give
p(z | seen) ∝ p(z) p(seen | z), where hidden pixels are simply left out of the product. Given a
draw of z, the hidden pixels follow p(x|z). The four methods differ in how they draw z.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vqvae_lib._checks import (
    MOST,
    check_choice,
    check_count,
    check_generator,
    check_tensor,
    raise_if_any,
)
from vqvae_lib._evaluating import evaluating
from vqvae_lib.applications._dimensions import (
    check_conditions,
    check_dimensions,
    check_model,
    check_slopes,
)
from vqvae_lib.applications.holes import check_mask
from vqvae_lib.applications.langevin import climb, langevin
from vqvae_lib.bounds import gaussian_log_prob, sum_over_dimensions
from vqvae_lib.vae import VAE, reparameterise

__all__ = ["Inpainting", "inpaint"]

# Codes tried for each chain to start from. Chains that start far off take long to come back.
_STARTS = 32


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Completed images, made by `inpaint`.

    Attributes
    ----------
    draws
        Draws from p(x | seen), shape (S, B, D), observed pixels unchanged. Their average,
        ``draws.mean(0)``, is the single fill with the smallest expected squared error.
    means
        For the code of each draw the mean of p(x|z) in the hole: the draws without pixel noise,
        shape (S, B, D).
    z
        The codes, shape (S, B, d).
    efficiency
        How well the method worked on each image, from 0 to 1, shape (B,): the share of proposals
        that were accepted or, of importance sampling, the effective share of the candidates.
        Pseudo-Gibbs has no such diagnosis; it always reports 1.
    """

    draws: Tensor
    means: Tensor
    z: Tensor
    efficiency: Tensor


def inpaint(
    model: VAE,
    x: Tensor,
    observed: Tensor,
    *,
    y: Tensor | None = None,
    method: Literal["langevin", "metropolis", "pseudo-gibbs", "importance"] = "langevin",
    draws: int = 16,
    steps: int = 200,
    generator: torch.Generator,
) -> Inpainting:
    """Draw hidden pixels from p(x_hidden | x_seen).

    Parameters
    ----------
    model
        Trained on whole images like x.
    x
        Images, shape (B, D). Hidden pixels may hold anything, nan included.
    observed
        Which pixels are seen, booleans, shape (B, D), or (D,) for all images alike.
    y
        One label or row of numbers per image, if the model is conditional.
    method
        - "langevin": a climb to a peak of p(z | seen), then Metropolis-adjusted Langevin steps, see
          `langevin`. Exact in the limit of many steps. It needs the decoder's slope.
        - "metropolis": Metropolis-within-Gibbs (Mattei and Frellsen 2018). The encoder, shown the
          image as currently filled, proposes codes. Exact in the limit of many steps.
        - "pseudo-gibbs": the same, but every proposal is accepted (Rezende, Mohamed and Wierstra
          2014). Exact only if the encoder is the true posterior.
        - "importance": `steps` candidates per draw, half from the prior and half from the encoder
          shown a first guess. S of all are kept, with probabilities in proportion to their weights.
          Exact in the limit of many candidates.
    draws
        S, the number of draws for each image: the last states of independent chains.
    steps
        Length of a chain and of the climb before it, or candidates per draw; 2 or more.
    generator
        Draws everything that is random.

    Returns
    -------
    Inpainting
        Draws, their codes, and how well the method worked.

    Raises
    ------
    ValueError
        If shapes do not fit, an observed pixel is not finite, there is no such method, or
        pseudo-Gibbs ran away to infinity.
    """
    check_model(model)
    x = check_tensor("x", x, ("B", "D"), least=1)
    draw_codes = _METHODS[check_choice("method", method, _METHODS)]
    draws = check_count("draws", draws, most=MOST // x.numel())
    candidates = draws * x.shape[1]  # per step, of importance sampling, which holds all at once
    most = MOST // candidates if method == "importance" else None
    steps = check_count("steps", steps, least=2, most=most)
    # The chains need slopes, which inference mode would not let them have.
    with torch.inference_mode(False), evaluating(model):
        observation = _Observation.of(model, x, observed, y, generator)
        z, efficiency = draw_codes(observation, draws, steps)  # (S, B, d), (B,)
        if not z.isfinite().all():
            raise ValueError(
                f"method={method!r} ran away: after {steps} steps the codes are no longer finite. "
                "Expected an encoder that copes with half-filled images; 'langevin' and "
                "'metropolis' do not depend on one"
            )
        params = observation.decode(z)
        return Inpainting(
            observation.draw_fill(params), observation.mean_fill(params), z, efficiency
        )


@dataclass(frozen=True, eq=False)
class _Observation:
    """Images with holes, and what a model says about them."""

    model: VAE
    x: Tensor  # (B, D), 0 where hidden
    observed: Tensor  # (B, D)
    y: Tensor | None
    generator: torch.Generator

    @classmethod
    def of(
        cls, model: VAE, x: Tensor, observed: Tensor, y: Tensor | None, generator: torch.Generator
    ) -> _Observation:
        generator = check_generator("generator", generator)
        # Copies, since what was made in inference mode gives no slopes outside it either.
        observed = check_mask(x, observed).clone()
        y = check_conditions(y, "x", x)
        y = None if y is None else y.clone()
        x = check_dimensions("x", torch.where(observed, x, 0.0), model, y)
        model.likelihood.check_data(x)
        return cls(model, x, observed, y, generator)

    def decode(self, z: Tensor) -> Tensor:
        """Parameters of p(x|z): ``(S, B, d) -> (S, B, D * params_per_dimension)``."""
        return self.model.decode(z, self.y)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x): ``(S, B, D) -> two times (S, B, d)``."""
        S, B, _ = x.shape
        y = None if self.y is None else self.y.repeat(S, *[1] * (self.y.ndim - 1))
        mu, log_var = self.model.encode(x.flatten(0, 1), y)  # (S * B, d) each
        return mu.unflatten(0, (S, B)), log_var.unflatten(0, (S, B))

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Log p(x_seen | z): ``(S, B, d) -> (S, B)``."""
        terms = self.model.likelihood.log_prob(self.x, self.decode(z))  # (S, B, D)
        return sum_over_dimensions(torch.where(self.observed, terms, 0.0))

    def log_posterior(self, z: Tensor) -> Tensor:
        """Log p(z | x_seen) up to a constant: ``(S, B, d) -> (S, B)``."""
        return gaussian_log_prob(z) + self.log_likelihood(z)

    def draw_fill(self, params: Tensor) -> Tensor:
        """Fill the holes with a draw from p(x|z), given its parameters: ``-> (S, B, D)``."""
        hidden = self.model.likelihood.sample(params, generator=self.generator)
        return torch.where(self.observed, self.x, hidden)

    def mean_fill(self, params: Tensor) -> Tensor:
        """Fill the holes with the mean of p(x|z), given its parameters: ``-> (S, B, D)``."""
        return torch.where(self.observed, self.x, self.model.likelihood.mean(params))

    def draw_noise(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers."""
        return self.x.new_empty(shape).normal_(generator=self.generator)

    def draw_starts(self, draws: int) -> Tensor:
        """Codes to start from, each the likeliest of a few from the prior: ``-> (S, B, d)``."""
        best = self.x.new_zeros(draws, len(self.x), self.model.d)
        best_fit = self.x.new_full((draws, len(self.x)), -torch.inf)
        for _ in range(_STARTS):
            z = self.draw_noise(best.shape)
            fit = self.log_likelihood(z)
            best = torch.where((fit > best_fit)[..., None], z, best)
            best_fit = torch.maximum(fit, best_fit)
        return best

    def select(self, b: int) -> _Observation:
        """Observation of image b alone."""
        rows = slice(b, b + 1)
        y = None if self.y is None else self.y[rows]
        return replace(self, x=self.x[rows], observed=self.observed[rows], y=y)


def _walk(observation: _Observation, draws: int, steps: int) -> tuple[Tensor, Tensor]:
    """Climb to a peak of p(z | seen), then take Langevin steps."""
    check_slopes(observation.model)
    start = climb(observation.log_posterior, observation.draw_starts(draws), steps=steps)
    # The encoder knows roughly how wide a posterior is in each direction; holes only widen it.
    _, log_var = observation.encode(observation.mean_fill(observation.decode(start)))
    scale = (0.5 * log_var).exp().mean(0)  # (S, B, d) -> (B, d)
    wrong = ~scale.isfinite() | (scale <= 0)
    raise_if_any("the encoder's width for x", scale, wrong, "finite numbers above 0")
    return langevin(
        observation.log_posterior,
        start,
        steps=steps,
        scale=scale,
        generator=observation.generator,
    )


def _alternate(
    observation: _Observation, draws: int, steps: int, *, metropolis: bool
) -> tuple[Tensor, Tensor]:
    """Alternate between codes, from the encoder, and hidden pixels, from the decoder."""
    log_prob = observation.model.likelihood.log_prob
    z = observation.draw_starts(draws)
    params = observation.decode(z)
    acceptance = z.new_zeros(len(observation.x))
    for _ in range(steps):
        x = observation.draw_fill(params)  # (S, B, D)
        if not x.isfinite().all():
            return torch.full_like(z, torch.inf), acceptance  # ran away
        mu, log_var = observation.encode(x)
        proposal = reparameterise(
            mu.flatten(0, 1), log_var.flatten(0, 1), generator=observation.generator
        ).view_as(mu)
        accept = torch.ones_like(x[..., 0], dtype=torch.bool)
        if not proposal.isfinite().all():
            if not metropolis:
                return proposal, acceptance  # ran away
            accept = proposal.isfinite().all(-1)  # (S, B)
            proposal = torch.where(accept[..., None], proposal, z)
        new_params = observation.decode(proposal)
        if metropolis:
            # log of p(z') p(x|z') q(z|x) / p(z) p(x|z) q(z'|x), at the x that was just drawn.
            log_ratio = (
                gaussian_log_prob(proposal)
                - gaussian_log_prob(z)
                + sum_over_dimensions(log_prob(x, new_params) - log_prob(x, params))
                + gaussian_log_prob(z, mu, log_var)
                - gaussian_log_prob(proposal, mu, log_var)
            )  # (S, B)
            uniform = torch.empty_like(log_ratio).uniform_(generator=observation.generator)
            accept = accept & (uniform.log() < log_ratio)
        z = torch.where(accept[..., None], proposal, z)
        params = torch.where(accept[..., None], new_params, params)
        acceptance += accept.to(z.dtype).mean(0) / steps
    return z, acceptance


def _resample(observation: _Observation, draws: int, steps: int) -> tuple[Tensor, Tensor]:
    """Keep `draws` of ``draws * steps`` candidates, with probabilities in proportion to weights.

    Half of the candidates come from the prior, which misses nothing, and half from the encoder
    shown a first guess. Every weight is taken against the mixture of both.
    """
    middle = observation.x.new_zeros(1, len(observation.x), observation.model.d)
    guess = observation.mean_fill(observation.decode(middle))  # (1, B, D)
    mu, log_var = observation.encode(guess)  # (1, B, d) each
    K = draws * steps
    codes, efficiencies = [], []
    for b in range(len(observation.x)):  # one image at a time: K candidates need memory
        image = observation.select(b)
        q = mu[:, b : b + 1], log_var[:, b : b + 1]  # (1, 1, d) each
        z = image.draw_noise((K, 1, image.model.d))
        z[K // 2 :] = q[0] + (0.5 * q[1]).exp() * z[K // 2 :]
        # The density of the mixture, up to the factor ½.
        log_mixture = torch.logaddexp(gaussian_log_prob(z), gaussian_log_prob(z, *q))  # (K, 1)
        weights = (image.log_posterior(z) - log_mixture).softmax(0)
        rows = weights[:, 0].multinomial(draws, replacement=True, generator=image.generator)
        codes.append(z[rows])  # (S, 1, d)
        efficiencies.append(1 / weights.square().sum(0) / K)  # Kish's effective sample size, by K
    return torch.cat(codes, 1), torch.cat(efficiencies)


_METHODS: dict[str, Callable[[_Observation, int, int], tuple[Tensor, Tensor]]] = {
    "langevin": _walk,
    "metropolis": partial(_alternate, metropolis=True),
    "pseudo-gibbs": partial(_alternate, metropolis=False),
    "importance": _resample,
}
