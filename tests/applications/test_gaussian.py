"""The Gaussian baseline against NumPy's formulas and its own draws."""

import numpy as np
import pytest
import torch

from vqvae_lib.applications.gaussian import FullGaussian


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def full():
    root = torch.randn(5, 5, generator=generator()).double()
    return FullGaussian(torch.arange(5.0).double(), root @ root.T + torch.eye(5).double())


def test_seen_pixels_against_the_block_formula(full):
    seen = torch.tensor([0, 1, 0, 1, 1]).bool()
    x = torch.randn(3, 5, generator=generator(1)).double()
    given = full.inpaint(x, seen)
    mean, covariance = given.mean, given.covariance
    C, m, s = full.covariance.numpy(), full.mean.numpy(), seen.numpy()
    gain = C[np.ix_(~s, s)] @ np.linalg.inv(C[np.ix_(s, s)])
    wanted = m[~s] + (x.numpy()[:, s] - m[s]) @ gain.T
    assert np.allclose(mean.numpy()[:, ~s], wanted)
    assert np.allclose(mean.numpy()[:, s], x.numpy()[:, s])
    inside = C[np.ix_(~s, ~s)] - gain @ C[np.ix_(s, ~s)]
    assert np.allclose(covariance.numpy()[np.ix_(~s, ~s)], inside)
    assert np.allclose(covariance.numpy()[s], 0)


def test_noisy_measurements_against_the_precision_form(full):
    """Another route: precisions add."""
    A = torch.randn(2, 5, generator=generator(2)).double()
    seen = torch.randn(4, 2, generator=generator(3)).double()
    given = full.condition(seen, A, noise_variance=0.5)
    precision = np.linalg.inv(full.covariance.numpy()) + A.numpy().T @ A.numpy() / 0.5
    wanted = np.linalg.inv(precision)
    assert np.allclose(given.covariance.numpy(), wanted)
    pulled = np.linalg.inv(full.covariance.numpy()) @ full.mean.numpy()
    assert np.allclose(given.mean.numpy(), (pulled + seen.numpy() @ A.numpy() / 0.5) @ wanted)


def test_draws_have_the_mean_and_covariance_that_were_asked_for(full):
    for asked in (
        full,
        full.inpaint(torch.zeros(1, 5), torch.tensor([1, 0, 0, 0, 1]).bool()),
    ):
        drawn = asked.sample(20_000, generator=generator(4))
        assert drawn.shape == (20_000, *asked.mean.shape)
        drawn = drawn.reshape(20_000, 5)
        assert torch.allclose(drawn.mean(0), asked.mean.reshape(5), atol=0.06)
        assert torch.allclose(torch.cov(drawn.T), asked.covariance, atol=0.25)
    assert torch.allclose(drawn[:, [0, 4]], torch.zeros(20_000, 2).double(), atol=1e-6)


def test_conditioning_twice_is_conditioning_on_both(full):
    A = torch.randn(2, 5, generator=generator(2)).double()
    seen = torch.randn(4, 2, generator=generator(3)).double()
    both = full.condition(seen, A, noise_variance=0.5)
    first = full.condition(seen[:, :1], A[:1], noise_variance=0.5)
    then = first.condition(seen[:, 1:], A[1:], noise_variance=0.5)
    assert torch.allclose(then.mean, both.mean)
    assert torch.allclose(then.covariance, both.covariance)


def test_fit_against_numpy():
    x = torch.rand(50, 4, generator=generator())
    full = FullGaussian.fit(x, ridge=0.01)
    assert np.allclose(full.mean, x.double().numpy().mean(0))
    assert np.allclose(full.covariance, np.cov(x.double().numpy().T) + 0.01 * np.eye(4))


def test_bad_input_is_named(full):
    with pytest.raises(ValueError, match="x has shape"):
        FullGaussian.fit(torch.zeros(1, 4))
    with pytest.raises(ValueError, match="ridge=0: expected a number above 0"):
        FullGaussian.fit(torch.zeros(3, 4), ridge=0)
    with pytest.raises(ValueError, match=r"seen \(3, 2\) and A \(3, 5\)"):
        full.condition(torch.zeros(3, 2), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="noise_variance=-1"):
        full.condition(torch.zeros(3, 2), torch.zeros(2, 5), noise_variance=-1)
    with pytest.raises(ValueError, match="observed is"):
        full.inpaint(torch.zeros(3, 5), torch.ones(4).bool())
    with pytest.raises(ValueError, match="draws=0"):
        full.sample(0, generator=generator())
