"""Exercise 9.3: average candidate images by their importance weights."""

from typing import Any

import torch
from torch import Tensor

from vqvae_lib.course.exercises.answers import Mistake, call, expect_tensor, recognise, refuse_nan
from vqvae_lib.course.exercises.digits import digits_data
from vqvae_lib.course.exercises.verdicts import Right
from vqvae_lib.course.words import _
from vqvae_lib.likelihoods import Gaussian
from vqvae_lib.networks import mlp
from vqvae_lib.vae import VAE, mlp_vae


def check(estimate: Any) -> Right:
    """A function `estimate(model, x, observed, z, mu, log_var)` that returns (D,)."""
    model = _small_model()
    x = digits_data().x_test[0].double()
    observed = torch.rand(64, generator=torch.Generator().manual_seed(3)) < 0.5
    generator = torch.Generator().manual_seed(0)
    mu = 0.5 * torch.randn(2, generator=generator, dtype=torch.float64)
    noise = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    # The first case tells mistakes apart: each is 70 tolerances or more from the right value, over
    # four seeds. In the second the image is far off, and so are most candidates: no weight is above
    # the smallest double, and divided by an average one the largest weight is above the largest.
    for shift, spread in ((0.0, (-1.0, -0.3)), (7.0, (3.0, 3.0))):
        log_var = torch.tensor(spread, dtype=torch.float64)
        image, z = x + shift, mu + (log_var / 2).exp() * noise
        # The model is a new one: an answer may change it, as by `model.float()`.
        value = call(estimate, _small_model(), image, observed, z, mu, log_var)
        value = expect_tensor(
            refuse_nan(value, "overflow", _explain_overflow()), (64,), what="estimate(…)"
        )
        right, mistakes = _solve(model, image, observed, z, mu, log_var)
        if torch.allclose(value[observed], image[observed]):  # seen pixels put back: as good
            right = torch.where(observed, image, right)
            mistakes = [(k, torch.where(observed, image, v), m) for k, v, m in mistakes]
        recognise(value, right, mistakes)
    return Right(
        _(
            "The weight is p(x_s | z) p(z) / q(z). Subtracting the largest log-weight changes "
            "nothing, since the weights are normalised, and it keeps them from vanishing."
        )
    )


def _explain_overflow() -> str:
    return _(
        "All weights became 0, or one became infinite. Work with log-weights, and subtract the "
        "largest before `exp`, or use `softmax`."
    )


def _small_model() -> VAE:
    """Build a VAE with a code of two numbers whose images differ with z, without training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = mlp_vae(64, 16, 2, Gaussian(0.5)).double()
        model.decoder = mlp([2, 32, 64]).double()
        with torch.no_grad():
            for parameter in model.decoder.parameters():
                parameter.mul_(2)
    return model.eval().requires_grad_(False)


def _solve(
    model: VAE, x: Tensor, observed: Tensor, z: Tensor, mu: Tensor, log_var: Tensor
) -> tuple[Tensor, list[Mistake]]:
    """The estimate, and what mistakes would give."""
    params = model.decode(z)  # (K, D)
    means = model.likelihood.mean(params)
    terms = model.likelihood.log_prob(x, params)
    fit, fit_all = terms[:, observed].sum(1), terms.sum(1)  # (K,)
    prior = -0.5 * z.square().sum(1)
    q = -0.5 * ((z - mu).square() * (-log_var).exp() + log_var).sum(1)
    variance_q = -0.5 * ((z - mu).square() / log_var.exp() ** 2 + 2 * log_var).sum(1)

    def average(log_weights: Tensor) -> Tensor:
        return log_weights.softmax(0) @ means

    right = average(fit + prior - q)
    weights = (fit + prior - q).softmax(0)
    mistakes = [
        ("no-weights", means.mean(0), _("All candidates count the same: you use no weights.")),
        (
            "all-pixels",
            average(fit_all + prior - q),
            _("The weights look at hidden pixels as well: only seen ones may count."),
        ),
        (
            "no-ratio",
            average(fit),
            _("The candidates come from q, not from the prior: p(z)/q(z) is missing."),
        ),
        ("no-q", average(fit + prior), _("The candidates come from q: divide by its density.")),
        ("no-prior", average(fit - q), _("The prior's density p(z) is missing from the weights.")),
        ("inverted", average(fit - prior + q), _("The ratio p(z)/q(z) is upside down.")),
        (
            "variance",
            average(fit + prior - variance_q),
            _("`log_var` is the logarithm of the variance, not of the standard deviation."),
        ),
        (
            "best-only",
            means[weights.argmax()],
            _("You take the best candidate. Average all of them, with their weights."),
        ),
        (
            "mean-code",
            model.likelihood.mean(model.decode((weights @ z)[None])[0]),
            _("You decode the average code. Average the images: the decoder is not linear."),
        ),
        (
            "mean-fit",
            average(terms[:, observed].mean(1) + prior - q),
            _(
                "You average log-densities over the pixels. The log-density of all seen "
                "pixels is their sum."
            ),
        ),
        ("overflow", torch.zeros_like(right), _explain_overflow()),
    ]
    return right, mistakes
