"""Bounds against torch.distributions, NumPy and Monte Carlo."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

import vqvae_lib as vq
from vqvae_lib.bounds import gaussian_log_prob, mean_over_batch, sum_over_dimensions


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(mu, log_var):
    return Independent(Normal(mu, (0.5 * log_var).exp()), 1)


def test_sums_run_over_dimensions_and_means_over_the_rest():
    terms = draws(3, 4, 5)
    assert torch.allclose(sum_over_dimensions(terms), torch.einsum("kbd->kb", terms))
    assert torch.isclose(mean_over_batch(terms[0]), torch.tensor(np.mean(terms[0].numpy())))


@pytest.mark.parametrize("d", [1, 2, 50])
def test_kl_from_the_prior_is_that_of_torch(d):
    mu, log_var = draws(7, d), draws(7, d, seed=1)
    oracle = kl_divergence(normal(mu, log_var), normal(torch.zeros(7, d), torch.zeros(7, d)))
    assert torch.allclose(vq.gaussian_kl(mu, log_var), oracle, rtol=1e-12)


def test_kl_between_two_is_that_of_torch_and_is_not_symmetric():
    q = draws(7, 4), draws(7, 4, seed=1)
    p = draws(7, 4, seed=2), draws(7, 4, seed=3)
    forward, back = vq.gaussian_kl(*q, *p), vq.gaussian_kl(*p, *q)
    assert torch.allclose(forward, kl_divergence(normal(*q), normal(*p)), rtol=1e-12)
    assert torch.allclose(back, kl_divergence(normal(*p), normal(*q)), rtol=1e-12)
    assert (forward - back).abs().min() > 1e-3


def test_kl_is_what_monte_carlo_says():
    """Within four standard errors, a false alarm in 16,000."""
    mu, log_var = torch.tensor([[0.7, -1.0]]).double(), torch.tensor([[0.3, -1.2]]).double()
    q, p = normal(mu, log_var), normal(torch.zeros(1, 2), torch.zeros(1, 2))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        z = q.sample((100_000,))  # (S, 1, 2)
    terms = (q.log_prob(z) - p.log_prob(z))[:, 0]
    error = terms.std() / len(terms) ** 0.5
    assert (terms.mean() - vq.gaussian_kl(mu, log_var)[0]).abs() < 4 * error


def test_kl_of_a_code_that_has_nearly_collapsed_keeps_its_digits():
    """KL = log_var²/4 to third order: float32 must not round it away."""
    small = torch.tensor([[1e-3]])
    kl = vq.gaussian_kl(torch.zeros(1, 1), small)
    assert kl.item() == pytest.approx((math.expm1(1e-3) - 1e-3) / 2, rel=1e-3)


def test_the_log_density_is_that_of_torch():
    z, mu, log_var = draws(3, 7, 4), draws(7, 4, seed=1), draws(7, 4, seed=2)
    assert torch.allclose(gaussian_log_prob(z, mu, log_var), normal(mu, log_var).log_prob(z))
    zeros = torch.zeros(7, 4).double()
    assert torch.allclose(gaussian_log_prob(z), normal(zeros, zeros).log_prob(z))


def test_the_elbo_weighs_the_kl():
    log_px, kl = draws(5), draws(5, seed=1).abs()
    assert torch.allclose(vq.elbo(log_px, kl), log_px - kl)
    assert torch.allclose(vq.elbo(log_px, kl, beta=4), log_px - 4 * kl)


def test_the_importance_bound_is_the_logarithm_of_the_mean_weight():
    log_weights = draws(6, 5)
    expected = np.log(np.exp(log_weights.numpy()).mean(0))
    assert np.allclose(vq.importance_bound(log_weights), expected, rtol=1e-12)
    # Where the weights themselves are zero in floating point.
    assert np.allclose(vq.importance_bound(log_weights - 2000), expected - 2000, rtol=1e-12)


def test_the_importance_bound_of_fewer_samples_is_lower_on_average_over_all_subsets():
    log_weights = 3 * draws(6, 5)
    averages = [
        torch.stack(
            [vq.importance_bound(log_weights[list(c)]) for c in itertools.combinations(range(6), K)]
        ).mean(0)
        for K in range(1, 7)
    ]  # six of (B,)
    assert torch.allclose(averages[0], log_weights.mean(0))  # K = 1 is the ELBO
    for few, more in itertools.pairwise(averages):
        assert (more > few).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: vq.gaussian_kl(torch.zeros(3, 2), torch.zeros(3, 1)),
            r"log_var has shape \(3, 1\): expected \(3, 2\)",
        ),
        (
            lambda: vq.importance_bound(torch.zeros(0, 4)),
            r"log_weights has shape \(0, 4\): expected at least 1 rows",
        ),
        (
            lambda: vq.importance_bound(torch.zeros(4)),
            r"log_weights has shape \(4,\): expected \(K, B\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
