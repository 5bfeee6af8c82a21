"""Super-resolution against the closed form of a linear model, and against inpainting."""

import numpy as np
import pytest
import torch

import vqvae_lib as vq
from tests.applications.linear import D, generator, linear_model
from vqvae_lib.applications.super_resolution import (
    bicubic,
    block_means,
    consistency,
    super_resolve,
)

A = torch.tensor([[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 0.5]]).double()


def seen(noise=0.0):
    x = torch.randn(4, D, generator=generator(5)).double()
    return x @ A.T + noise * torch.randn(4, 3, generator=generator(6)).double()


@pytest.mark.parametrize("noise_variance", [0.0, 0.2])
def test_the_map_of_a_linear_model_is_its_conditional_mean(noise_variance):
    """For Gaussians the most probable code and its image are the means."""
    model, full = linear_model()
    found = super_resolve(
        model, seen(), A, draws=2, steps=500, noise_variance=noise_variance, generator=generator()
    )
    mean = full.condition(seen(), A, noise_variance=noise_variance).mean
    assert found.images.shape == (1, 4, D)
    assert torch.allclose(found.images[0], mean, atol=1e-3)


@pytest.mark.parametrize("noise_variance", [0.0, 0.2])
def test_draws_have_the_exact_mean_and_covariance(noise_variance):
    model, full = linear_model()
    found = super_resolve(
        model, seen(), A, method="langevin", draws=2000, steps=60, mean=False,
        noise_variance=noise_variance, generator=generator(),
    )  # fmt: skip
    given = full.condition(seen(), A, noise_variance=noise_variance)
    assert (found.images.mean(0) - given.mean).abs().max() < 0.06
    for image in range(4):
        assert (torch.cov(found.images[:, image].T) - given.covariance).abs().max() < 0.12


def test_without_noise_every_image_is_consistent():
    model, _ = linear_model()
    for options in ({}, {"method": "langevin"}, {"method": "langevin", "mean": False}):
        found = super_resolve(model, seen(), A, draws=3, steps=5, generator=generator(), **options)
        assert consistency(found.images, seen(), A).max() < 1e-9
    assert consistency(torch.zeros(1, 4, D).double(), seen(), A).min() > 1e-3


def test_seen_pixels_are_a_measurement_too():
    """Rows of the unit matrix: the code's density is the one that inpainting uses."""
    from vqvae_lib.applications.inpainting import _Problem
    from vqvae_lib.applications.super_resolution import _Measured

    model, _ = linear_model()
    mask = torch.tensor([1, 0, 1, 0, 0, 1]).bool()
    x = torch.randn(4, D, generator=generator(7)).double()
    z = torch.randn(5, 4, 2, generator=generator(8)).double()
    measured = _Measured.of(model, x[:, mask], torch.eye(D).double()[mask], None, 0.0)
    problem = _Problem.of(model, x, mask, None, generator())
    difference = (measured.log_posterior(z) - problem.log_posterior(z)).detach()
    assert difference.std() < 1e-9  # a constant


def test_block_means_against_numpy():
    x = torch.rand(3, 6 * 4, generator=generator()).double()
    small = x @ block_means((6, 4), 2).T.double()
    by_hand = x.numpy().reshape(3, 3, 2, 2, 2).mean(axis=(2, 4))
    assert np.allclose(small.numpy().reshape(3, 3, 2), by_hand)


def test_bicubic_keeps_a_constant_and_enlarges():
    large = bicubic(torch.full((2, 6), 0.3), (2, 3), 2)
    assert large.shape == (2, 24)
    assert torch.allclose(large, torch.tensor(0.3))
    ramp = torch.arange(8.0).repeat(1, 8)
    inner = bicubic(ramp, (8, 8), 2).reshape(16, 16)[8, 6:10]  # every second pixel: a step
    assert torch.allclose(inner[2:] - inner[:-2], torch.tensor(1.0), atol=1e-5)


def test_a_hybrid_model_keeps_its_mode_and_weights():
    torch.manual_seed(0)
    model = vq.VQVAE(64, 16, 4, 2).train()
    A8 = block_means((8, 8), 2)
    small = vq.load_digits().x_test[:3] @ A8.T
    found = super_resolve(model, small, A8, draws=2, steps=5, generator=generator())
    assert found.images.shape == (1, 3, 64)
    assert consistency(found.images, small, A8).max() < 1e-4
    assert model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "best"}, ValueError, "method='best': expected 'map' or 'langevin'"),
        ({"noise_variance": -1}, ValueError, "noise_variance=-1: expected"),
        ({"A": A[:2]}, ValueError, r"seen \(4, 3\) and A \(2, 6\)"),
        ({"A": A[[0, 0, 1]]}, ValueError, "dependent rows"),
        ({"seen": seen() * torch.nan}, ValueError, "seen holds nan"),
        ({"model": vq.mlp_vae(D, 4, 2, vq.Bernoulli())}, TypeError, "expected a Gaussian of one"),
        ({"model": vq.mlp_vae(D, 4, 2, vq.Gaussian("heads"))}, TypeError, "expected a Gaussian"),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {"model": linear_model()[0], "seen": seen(), "A": A} | change
    with pytest.raises(error, match=message):
        super_resolve(steps=3, generator=generator(), **arguments)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="expected multiples of factor=2"):
        block_means((5, 4), 2)
    with pytest.raises(ValueError, match="seen has shape"):
        bicubic(torch.zeros(2, 5), (2, 3), 2)


def test_measurements_of_another_size_are_named():
    model = vq.VQVAE(16, 8, 4, 2)
    with pytest.raises(ValueError, match=r"A has shape \(16, 64\): expected \(..., 16\)"):
        super_resolve(model, torch.rand(2, 16), block_means((8, 8), 2), generator=generator())
